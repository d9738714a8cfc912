//! Existing: a profile that the configuration has already and that reads a kind of device as it should be read.

use super::guess::{Confidence, Guess};
use super::profile::Learned;
use super::seen::Seen;
use crate::catalogue::{Mapping, Profile};
use crate::decimal;
use crate::reading::ReadingValue;
use crate::transform::{GENERIC_PROFILE, Transform};
use crate::unit::Unit;

/// Formats whose messages hold the device's own bytes; elsewhere a profile with a decoder is that of another device.
const OF_BYTES: &[&str] = &["chirpstack", "chirpstack_protobuf", "things_stack", "binary", "cayenne_lpp"];

/// A profile that fits, how surely, and why.
#[derive(Debug)]
pub(super) struct Existing {
    pub(super) name: String,
    pub(super) confidence: Confidence,
    pub(super) why: String,
}

/// Of those that have nearly all names with the guessed meaning, the one with the fewest names besides.
pub(super) fn existing(format: &str, learned: &Learned, transform: &Transform) -> Option<Existing> {
    let measured: Vec<(&str, &Guess, &Seen)> = learned
        .names
        .iter()
        .filter(|(_, (guess, _))| !matches!(guess, Guess::Ignored { .. }))
        .filter_map(|(name, (guess, _))| Some((name.as_str(), guess, learned.seen.get(name)?)))
        .collect();
    let fitting = transform.profile_names().into_iter().filter(|name| *name != GENERIC_PROFILE);
    let fitting = fitting.filter_map(|name| {
        let profile = transform.profile(name)?;
        let other_device = profile.decoder.is_some() && !OF_BYTES.contains(&format);
        if other_device || learned.number_text && !profile.number_text {
            return None;
        }
        let known = known(profile, &measured)?;
        let unseen = profile.mappings().count().saturating_sub(known);
        let enough = known > 0 && known.saturating_mul(10) >= measured.len().saturating_mul(9);
        // A profile of much else is not about this device, although it may know a few common names.
        (enough && unseen <= known).then_some((unseen, name, known))
    });
    let (unseen, name, known) = fitting.min()?;
    let unsure =
        |guess: &Guess| !matches!(guess, Guess::Quantity { confidence, .. } if *confidence > Confidence::Low);
    let confidence = match () {
        () if measured.iter().any(|(_, guess, _)| unsure(guess)) => Confidence::Low,
        () if unseen == 0 && known == measured.len() => Confidence::High,
        () => Confidence::Medium,
    };
    let why =
        format!("{known} of {} names, with the same quantities and units; {unseen} more", measured.len());
    Some(Existing { name: name.to_owned(), confidence, why })
}

/// How many names the profile has; nothing where it means something else by one of them.
fn known(profile: &Profile, measured: &[(&str, &Guess, &Seen)]) -> Option<usize> {
    let mut known = 0_usize;
    for (name, guess, seen) in measured {
        if let Some((mapping, _)) = profile.mapping(name) {
            if !agrees(mapping, guess, seen) {
                return None;
            }
            known = known.saturating_add(1);
        }
    }
    Some(known)
}

fn agrees(mapping: &Mapping, guess: &Guess, seen: &Seen) -> bool {
    let told = seen.units.first().map(String::as_str);
    let value = |number: f64| mapping.apply(&ReadingValue::Number(number), told);
    let possible = |number: &&f64| match value(**number) {
        Ok(Some(value)) => {
            mapping.quantity.impossible.is_none_or(|(low, high)| (low..=high).contains(&value))
        }
        Ok(None) => true,
        Err(_) => false,
    };
    let count = seen.numbers.iter().filter(possible).count();
    if count.saturating_mul(2) < seen.numbers.len() {
        return false;
    }
    let Guess::Quantity { quantity, unit, scale, words, confidence, .. } = guess else { return true };
    if **quantity != *mapping.quantity.name {
        return false;
    }
    let same_word = |(word, number): &(String, f64)| {
        let text = ReadingValue::Text(word.as_str().into());
        mapping.apply(&text, None).is_ok_and(|told| told.is_some_and(|told| near(told, *number)))
    };
    if !words.iter().all(same_word) {
        return false;
    }
    // Which unit it is was a toss-up, and the profile's makes sense too.
    if *confidence == Confidence::Low {
        return true;
    }
    let own = mapping.quantity.unit;
    let unit = unit.or(told).map_or(Some(own), Unit::parse);
    let meant = |number: f64| unit?.convert(decimal::scaled(number, scale.unwrap_or(1.0), 0.0), own);
    seen.numbers.iter().all(|number| match (value(*number), meant(*number)) {
        (Ok(Some(value)), Some(meant)) => near(value, meant),
        (Ok(None), _) => true,
        _ => false,
    })
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0)
}
