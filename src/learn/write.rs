//! Writing: the proposal as TOML and CSV to paste, each guess with its reason beside it.

use super::guess::Guess;
use super::profile::Learned;
use super::{Proposal, Route, plural};

/// Rows of the registry that are written; what comes after is counted.
const MOST_ROWS: usize = 10_000;

impl Proposal {
    /// Whether there is nothing to paste.
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty() && self.devices.is_empty()
    }

    /// What was found, for people: a comment of several lines.
    pub fn told(&self) -> String {
        let mut text = format!(
            "# Learned from {}: {}, {}, and {} that the registry lacks.\n",
            plural(self.messages, "message"),
            plural(self.routes.len(), "route"),
            plural(self.profiles.len(), "profile"),
            plural(self.devices.len(), "device"),
        );
        text.push_str("# Every line is a guess and says how sure it is: high, medium or low. Look at the low ones first.\n");
        for (route, count) in &self.covered {
            text.push_str(&format!("# Stored already by the route {}: {count} messages.\n", safe(route)));
        }
        for (topic, why) in &self.unread {
            text.push_str(&format!("# Not proposed: {}: {}.\n", safe(topic), safe(why)));
        }
        text
    }

    /// `[[routes]]`, to be put before more general ones.
    pub fn routes(&self) -> String {
        self.routes.iter().map(route).collect::<Vec<_>>().join("\n")
    }

    /// `[profiles.*]`.
    pub fn profiles(&self) -> String {
        self.profiles.iter().map(profile).collect::<Vec<_>>().join("\n")
    }

    /// Rows of the registry, without its head. Site and position are for a person to fill in.
    pub fn devices(&self) -> String {
        let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
        for device in self.devices.iter().take(MOST_ROWS) {
            let profile = device.profile.as_deref().unwrap_or_default();
            let row = [&*device.id, &*device.city, &*device.district, "", "", "", profile, "", "", "", ""];
            // Into memory: this cannot fail.
            let _ = writer.write_record(row);
        }
        writer.into_inner().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// The first row of a registry.
    pub const fn devices_head() -> &'static str {
        "id,city,district,site,latitude,longitude,profile,valid_from,time_zone,agency,datum_m\n"
    }
}

fn route(route: &Route) -> String {
    let mut text = String::new();
    for note in &route.notes {
        text.push_str(&format!("# {}\n", safe(note)));
    }
    text.push_str("[[routes]]\n");
    text.push_str(&format!("topic = {}\n", quoted(&route.topic)));
    text.push_str(&format!("format = {}\n", quoted(route.format)));
    for (key, value) in &route.settings {
        text.push_str(&format!("{key} = {}\n", quoted(value)));
    }
    if let Some(profile) = &route.profile {
        text.push_str(&format!("profile = {}\n", quoted(profile)));
    }
    text
}

fn profile(profile: &Learned) -> String {
    let mut text = format!("[profiles.{}]\n", profile.name);
    if let Some(measurement) = profile.measurement {
        text.push_str(&format!(
            "# by what is measured (confidence medium)\nmeasurement = {}\n",
            quoted(measurement)
        ));
    }
    if profile.number_text {
        text.push_str("# some numbers come as text (confidence high)\nnumber_text = true\n");
    }
    if profile.decimal_comma {
        text.push_str("# with a decimal comma (confidence high)\ndecimal_comma = true\n");
    }
    let ignored = profile.names.iter().filter_map(|(name, (guess, _))| match guess {
        Guess::Ignored { why } => Some((name, why)),
        _ => None,
    });
    let ignored: Vec<_> = ignored.collect();
    if !ignored.is_empty() {
        text.push_str("# names that measure nothing (confidence medium)\nignore = [\n");
        for (name, why) in ignored {
            text.push_str(&format!("  {}, # {}\n", quoted(name), safe(why)));
        }
        text.push_str("]\n");
    }
    text.push_str(&format!("[profiles.{}.names]\n", profile.name));
    for (name, (guess, values)) in &profile.names {
        let values = safe(values);
        match guess {
            Guess::Ignored { .. } => {}
            Guess::Unknown { why } => {
                text.push_str(&format!("# {values}; {} (no guess)\n#{} = \"\"\n", safe(why), quoted(name)));
            }
            Guess::Quantity { confidence, why, .. } => {
                text.push_str(&format!("# {values}; {} (confidence {})\n", safe(why), confidence.word()));
                text.push_str(&format!("{} = {}\n", quoted(name), mapping(guess)));
            }
        }
    }
    text
}

/// Just the quantity where that is all, else a table.
fn mapping(guess: &Guess) -> String {
    let Guess::Quantity { quantity, unit, scale, sentinels, words, channel, .. } = guess else {
        return String::new();
    };
    let mut parts = vec![format!("quantity = {}", quoted(quantity))];
    parts.extend(unit.map(|unit| format!("unit = {}", quoted(unit))));
    parts.extend(scale.map(|scale| format!("scale = {scale}")));
    if !sentinels.is_empty() {
        let numbers: Vec<_> = sentinels.iter().map(ToString::to_string).collect();
        parts.push(format!("sentinels = [{}]", numbers.join(", ")));
    }
    if !words.is_empty() {
        let words: Vec<_> =
            words.iter().map(|(word, number)| format!("{} = {number}", quoted(word))).collect();
        parts.push(format!("words = {{ {} }}", words.join(", ")));
    }
    parts.extend(channel.as_ref().map(|channel| format!("channel = {}", quoted(channel))));
    if parts.len() == 1 { quoted(quantity) } else { format!("{{ {} }}", parts.join(", ")) }
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            control if control.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(control))),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

/// Outside text in a comment: on one line, and without control characters.
fn safe(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
