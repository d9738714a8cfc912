//! Profiles: how a device model's names map to quantities, and which profile a device gets.

mod heard;
mod load;
mod mapping;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

pub use self::heard::Heard;
pub use self::mapping::Mapping;

use super::Decoder;
use crate::hashing::Seeded;

/// What is known of a device model.
#[derive(Debug, Clone)]
pub struct Profile {
    pub name: Arc<str>,
    pub measurement: Option<Arc<str>>,
    /// Numbers may come as text.
    pub number_text: bool,
    /// Text under names that are not mapped is passed over instead of refused.
    pub skip_text: bool,
    /// The zone of local times it tells; nothing: the city's.
    pub zone: Option<TimeZone>,
    /// How often such a device should be heard.
    pub expected_interval: Option<Duration>,
    /// Names that measure nothing, such as that of a program's version.
    pub ignored: HashSet<String>,
    pub names: HashMap<String, Mapping, Seeded>,
    /// What reads the bytes that its devices send.
    pub decoder: Option<Decoder>,
    /// The ports of its readings; uplinks on others are none. Empty: any.
    pub ports: Vec<u16>,
    /// What its devices told beyond it.
    pub heard: Arc<Heard>,
    /// Names with a `*` in them, asked when no name fits; in the order of their text.
    patterns: Vec<Pattern>,
}

/// A name of which a part may be anything, such as `*.Temperature`.
#[derive(Debug, Clone)]
struct Pattern {
    before: String,
    after: String,
    mapping: Mapping,
    /// What stands for the `*` is the channel.
    channel: bool,
}

/// All profiles by name.
#[derive(Debug, Clone, Default)]
pub struct Profiles {
    by_name: HashMap<String, Arc<Profile>>,
    by_model: HashMap<String, Arc<Profile>>,
}

impl Profile {
    /// How a name is mapped, and the channel that stands in the name itself.
    pub fn mapping<'n>(&self, name: &'n str) -> Option<(&Mapping, Option<&'n str>)> {
        if let Some(mapping) = self.names.get(name) {
            return Some((mapping, None));
        }
        self.patterns.iter().find_map(|pattern| {
            // Most do not fit, and a look at the last letter says so.
            if pattern.after.as_bytes().last().is_some_and(|last| name.as_bytes().last() != Some(last)) {
                return None;
            }
            let middle = name.strip_prefix(&*pattern.before)?.strip_suffix(&*pattern.after)?;
            let channel = (pattern.channel && !middle.is_empty()).then_some(middle);
            Some((&pattern.mapping, channel))
        })
    }

    /// All there are, those of patterns too.
    pub fn mappings(&self) -> impl Iterator<Item = &Mapping> {
        self.names.values().chain(self.patterns.iter().map(|pattern| &pattern.mapping))
    }
}

impl Profiles {
    /// Reads files of profiles, given as name and text; tells every mistake.
    pub fn load(files: &[(String, String)], catalogue: &super::Catalogue) -> Result<Self, Vec<String>> {
        load::load(files, catalogue)
    }

    pub fn get(&self, name: &str) -> Option<&Arc<Profile>> {
        self.by_name.get(name)
    }

    /// Each with what was heard of its devices, in the order of their names.
    pub fn heard(&self) -> Vec<(&str, &Heard)> {
        let mut heard: Vec<_> = self.by_name.iter().map(|(name, one)| (name.as_str(), &*one.heard)).collect();
        heard.sort_unstable_by_key(|(name, _)| *name);
        heard
    }

    /// Goes on from the counts of a former configuration.
    pub fn follow(&self, former: &Self) {
        for (name, profile) in &self.by_name {
            if let Some(former) = former.by_name.get(name).filter(|former| !Arc::ptr_eq(former, profile)) {
                profile.heard.follow(&former.heard);
            }
        }
    }

    /// The names of all, in order.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.by_name.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    /// Each profile that names a codec, with the codec's file.
    pub fn codecs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.by_name.values().filter_map(|profile| match &profile.decoder {
            Some(Decoder::Codec { file, .. }) => Some((&*profile.name, &**file)),
            _ => None,
        })
    }

    /// The profile that lists this device model, else the one of this name.
    pub fn of_model(&self, model: &str) -> Option<&Arc<Profile>> {
        // What a network server calls generic is no word of ours.
        self.by_model.get(model).or_else(|| self.by_name.get(model).filter(|_| model != "generic"))
    }
}
