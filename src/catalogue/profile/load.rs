//! Reading files of profiles: inheritance, models and every mistake.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::tz::TimeZone;
use serde::Deserialize;

use super::{Mapping, Pattern, Profile, Profiles};
use crate::catalogue::{Catalogue, Decoder};
use crate::settings::Span;

/// Profiles one above the other; a longer line is a mistake or a joke.
const MOST_ABOVE: usize = 8;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    profiles: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// The profile whose settings and names this one has, unless it says otherwise.
    extends: Option<String>,
    measurement: Option<String>,
    /// What payloads call the device models that get this profile.
    #[serde(default)]
    models: Vec<String>,
    number_text: Option<bool>,
    decimal_comma: Option<bool>,
    skip_text: Option<bool>,
    zone: Option<String>,
    expected_interval: Option<Span>,
    /// Added to those of the profiles above.
    #[serde(default)]
    ignore: Vec<String>,
    #[serde(default)]
    names: BTreeMap<String, toml::Value>,
    codec: Option<String>,
    variables: Option<BTreeMap<String, String>>,
    decoder: Option<String>,
    layout: Option<toml::Value>,
    port: Option<Ports>,
}

/// One port or several.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum Ports {
    One(u16),
    Several(Vec<u16>),
}

impl Entry {
    /// It says what reads its devices' bytes; what the profiles above say of that does not count then.
    const fn reads_bytes(&self) -> bool {
        self.codec.is_some() || self.variables.is_some() || self.decoder.is_some() || self.layout.is_some()
    }
}

pub(super) fn load(files: &[(String, String)], catalogue: &Catalogue) -> Result<Profiles, Vec<String>> {
    let (mut entries, mut wrong) = (BTreeMap::<String, (&str, Entry)>::new(), Vec::new());
    for (origin, text) in files {
        match toml::from_str::<File>(text) {
            Err(error) => wrong.push(format!("{origin}: {error}")),
            Ok(file) => {
                for (name, entry) in file.profiles {
                    if entries.insert(name.clone(), (origin, entry)).is_some() {
                        wrong.push(format!("{origin}: {name}: there is another profile of this name"));
                    }
                }
            }
        }
    }
    let mut all = Profiles::default();
    for (name, (origin, entry)) in &entries {
        let mut say = |text: String| wrong.push(format!("{origin}: {name}: {text}"));
        let line = match line_of(name, &entries) {
            Ok(line) => line,
            Err(text) => {
                say(text);
                continue;
            }
        };
        let profile = Arc::new(profile(name, &line, catalogue, &mut say));
        for model in &entry.models {
            if let Some(other) = all.by_model.insert(model.clone(), Arc::clone(&profile)) {
                say(format!("the model \"{model}\" is one of the profile {} too", other.name));
            }
        }
        all.by_name.insert(name.clone(), profile);
    }
    if wrong.is_empty() { Ok(all) } else { Err(wrong) }
}

/// The profile and those above it, itself first.
fn line_of<'e>(name: &'e str, all: &'e BTreeMap<String, (&str, Entry)>) -> Result<Vec<&'e Entry>, String> {
    let (mut line, mut next) = (Vec::new(), Some(name));
    while let Some(name) = next {
        if line.len() >= MOST_ABOVE {
            return Err(format!("extends goes on for more than {MOST_ABOVE} profiles, or in a circle"));
        }
        let (_, entry) = all.get(name).ok_or_else(|| format!("extends \"{name}\", which does not exist"))?;
        line.push(entry);
        next = entry.extends.as_deref();
    }
    Ok(line)
}

/// One profile from its line; what a nearer one says wins. A mistake in a name is told of the profile that has it.
fn profile(name: &str, line: &[&Entry], catalogue: &Catalogue, say: &mut impl FnMut(String)) -> Profile {
    let number_text = line.iter().find_map(|entry| entry.number_text);
    let decimal_comma = line.iter().find_map(|entry| entry.decimal_comma).unwrap_or(false);
    let text = mapping_text(number_text.unwrap_or(false), decimal_comma);
    let (mut names, mut patterns) = (HashMap::default(), BTreeMap::new());
    for (above, entry) in line.iter().enumerate().rev() {
        for (device_name, value) in &entry.names {
            let (before, after) = match device_name.split_once('*') {
                None => {
                    match Mapping::new(value.clone(), catalogue, text) {
                        Ok((_, true)) => {
                            say(format!("{device_name}: channel \"*\" needs a \"*\" in the name"))
                        }
                        Ok((mapping, false)) => drop(names.insert(device_name.clone(), mapping)),
                        Err(text) if above == 0 => say(format!("{device_name}: {text}")),
                        Err(_) => {}
                    }
                    continue;
                }
                Some(parts) => parts,
            };
            if after.contains('*') {
                say(format!("{device_name}: only one \"*\" can stand in a name"));
                continue;
            }
            match Mapping::new(value.clone(), catalogue, text) {
                Ok((mapping, channel)) => {
                    let (before, after) = (before.to_owned(), after.to_owned());
                    patterns.insert(device_name.clone(), Pattern { before, after, mapping, channel });
                }
                Err(text) if above == 0 => say(format!("{device_name}: {text}")),
                Err(_) => {}
            }
        }
    }
    let zone = line.iter().find_map(|entry| entry.zone.as_deref());
    let zone = zone.and_then(|zone| match TimeZone::get(zone) {
        Ok(zone) => Some(zone),
        Err(_) => {
            say(format!("there is no time zone \"{zone}\"; write one such as \"Asia/Makassar\""));
            None
        }
    });
    let own = line.iter().find(|entry| entry.reads_bytes());
    let decoder = own.and_then(|entry| {
        let (codec, variables) = (entry.codec.clone(), entry.variables.clone());
        let read = Decoder::new(codec, variables, entry.decoder.as_deref(), entry.layout.clone());
        read.unwrap_or_else(|text| {
            say(text);
            None
        })
    });
    let ports = match line.iter().find_map(|entry| entry.port.clone()) {
        None => Vec::new(),
        Some(Ports::One(port)) => vec![port],
        Some(Ports::Several(ports)) => {
            if ports.is_empty() {
                say("port names no port; leave it out for all".to_owned());
            }
            ports
        }
    };
    Profile {
        decoder,
        ports,
        heard: Arc::default(),
        ignored: line.iter().flat_map(|entry| &entry.ignore).cloned().collect(),
        name: name.into(),
        measurement: line.iter().find_map(|entry| entry.measurement.as_deref()).map(Arc::from),
        number_text: number_text.unwrap_or(false),
        skip_text: line.iter().find_map(|entry| entry.skip_text).unwrap_or(false),
        zone,
        expected_interval: line.iter().find_map(|entry| entry.expected_interval).map(|span| span.0),
        names,
        patterns: patterns.into_values().collect(),
    }
}

const fn mapping_text(number_text: bool, decimal_comma: bool) -> super::mapping::NumberText {
    use super::mapping::NumberText;
    match (number_text, decimal_comma) {
        (false, _) => NumberText::No,
        (true, false) => NumberText::Point,
        (true, true) => NumberText::Comma,
    }
}
