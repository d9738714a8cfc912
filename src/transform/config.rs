//! Settings of the transform: `[[routes]]`, `[transform]` and `[time]`.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::as_sent::AsSent;
use crate::check::{cardinality, time};
use crate::decode::{Format, Limits};
use crate::settings::{Section, Size};
use crate::topic::Template;

/// The destination of a route that names none.
pub const DEFAULT_DESTINATION: &str = "default";

/// What the transform is built from.
#[derive(Debug, Clone)]
pub struct Config {
    /// In the order written: the first that matches a topic wins.
    pub routes: Vec<Route>,
    /// Bytes; a larger payload is not looked at.
    pub max_payload: u64,
    pub limits: Limits,
    /// The most unregistered devices that are stored, and topics whose names are kept.
    pub max_unregistered: usize,
    pub quality_flags: QualityFlags,
    pub time: time::Config,
}

/// Which fields get a `<field>_qc` beside them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum QualityFlags {
    /// Every field. A sparse flag cannot be cleared later, hence the default.
    #[default]
    All,
    /// Only fields that are suspect or failed.
    Exceptions,
    /// None; a failed value is still kept apart as `<field>_failed`.
    None,
}

/// What to do with a message that the broker kept and replays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Retained {
    /// Stored only with a time of its own: else it is old state that would look new.
    #[default]
    OwnTime,
    Accept,
    Discard,
}

/// One route: which topics, how to decode them, where the points go.
#[derive(Debug, Clone)]
pub struct Route {
    pub topic: Template,
    pub format: Format,
    pub destination: String,
    pub retained: Retained,
    pub names: Names,
}

/// What a route calls things in the database.
#[derive(Debug, Clone)]
pub enum Names {
    /// By the catalogue.
    Catalogue(ByCatalogue),
    /// As the devices do.
    AsSent(AsSent),
}

/// What the catalogue and the registry leave open.
#[derive(Debug, Clone, Default)]
pub struct ByCatalogue {
    /// The profile of devices that the registry gives none.
    pub profile: Option<String>,
    /// The measurement where the profile has none.
    pub measurement: Option<Arc<str>>,
    /// Tags of unregistered devices, where the topic does not capture them.
    pub city: Option<Arc<str>>,
    pub district: Option<Arc<str>>,
}

impl Config {
    /// Reads `[[routes]]`, `[transform]` and `[time]` from the root.
    pub fn read(root: &mut Section) -> Self {
        let mut routes = Vec::new();
        for mut section in root.list("routes") {
            routes.extend(Route::read(&mut section));
            section.finish();
        }
        let mut section = root.section("transform");
        let mut limits = Limits::default();
        limits.max_depth = section.get("max_depth", limits.max_depth);
        limits.max_values = section.get("max_values", limits.max_values);
        let max_payload = section.get("max_payload", Size(1024 * 1024)).0;
        let max_unregistered = section.get("max_unregistered", cardinality::MAX_UNREGISTERED_DEVICES);
        let quality_flags = section.get("quality_flags", QualityFlags::default());
        section.finish();
        let mut section = root.section("time");
        let time = time::Config::read(&mut section);
        section.finish();
        Self { routes, max_payload, limits, max_unregistered, quality_flags, time }
    }
}

impl Route {
    pub(super) fn profile(&self) -> Option<&str> {
        match &self.names {
            Names::Catalogue(names) => names.profile.as_deref(),
            Names::AsSent(_) => None,
        }
    }

    /// Nothing where a required key is missing or wrong; that is a problem on record then.
    fn read(section: &mut Section) -> Option<Self> {
        let topic = section.required::<String>("topic").and_then(|text| match Template::parse(&text) {
            Ok(template) => {
                if let Some(name) = template.tells_secret() {
                    let text = format!(
                        "\"{{{name}}}\" is a key there: write it as \"{{secret}}\", which is never shown"
                    );
                    section.problem("topic", text);
                }
                Some(template)
            }
            Err(error) => {
                section.problem("topic", format!("\"{}\" {error}", text.escape_debug()));
                None
            }
        });
        let format = Format::read(section);
        let destination = section.get("destination", DEFAULT_DESTINATION.to_owned());
        let retained = section.get("retained", Retained::default());
        let topic = topic?;
        let names = match section.get("names", "catalogue".to_owned()).as_str() {
            "catalogue" => Names::Catalogue(ByCatalogue::read(section)),
            "as_sent" => Names::AsSent(AsSent::read(section, &topic)?),
            _ => {
                section.problem("names", "must be \"catalogue\" or \"as_sent\"");
                return None;
            }
        };
        Some(Self { topic, format: format?, destination, retained, names })
    }
}

impl ByCatalogue {
    fn read(section: &mut Section) -> Self {
        Self {
            profile: section.optional("profile"),
            measurement: section.optional::<String>("measurement").map(Arc::from),
            city: section.optional::<String>("city").map(Arc::from),
            district: section.optional::<String>("district").map(Arc::from),
        }
    }
}
