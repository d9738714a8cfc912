//! Names: a device's own name made a field's.

use std::borrow::Cow;

/// The longest cleaned name in characters.
const MAX_NAME: usize = 64;

/// A device's own name as a field's: `Outdoor Temp.` and `outdoorTemp` both become `outdoor_temp`.
pub(super) fn cleaned(name: &str) -> Cow<'_, str> {
    if is_clean(name) {
        return Cow::Borrowed(name);
    }
    let mut clean = String::with_capacity(name.len().min(MAX_NAME));
    let (mut length, mut small) = (0, false);
    for character in name.chars() {
        if length >= MAX_NAME {
            break;
        }
        if !character.is_alphanumeric() {
            small = false;
            if !clean.is_empty() && !clean.ends_with('_') {
                clean.push('_');
                length += 1;
            }
            continue;
        }
        // A capital after a small letter begins a word; `PM25` and `NO2` stay one.
        if small && character.is_uppercase() {
            clean.push('_');
            length += 1;
        }
        small = !character.is_uppercase();
        clean.extend(character.to_lowercase());
        length += 1;
    }
    let end = clean.trim_end_matches('_').len();
    clean.truncate(end);
    if clean.is_empty() { Cow::Borrowed("unnamed") } else { Cow::Owned(clean) }
}

/// Most names are as they should be: small letters and digits, with single underscores between them.
fn is_clean(name: &str) -> bool {
    let mut joined = true;
    let sound = name.bytes().all(|byte| {
        let underscore = byte == b'_';
        let sound = byte.is_ascii_lowercase() || byte.is_ascii_digit() || (underscore && !joined);
        joined = underscore;
        sound
    });
    sound && !joined && name.len() <= MAX_NAME
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cleaned() {
        for (name, clean) in [
            ("temp", "temp"),
            ("Outdoor Temp.", "outdoor_temp"),
            ("outdoorTemp", "outdoor_temp"),
            ("PM2.5", "pm2_5"),
            ("NO2", "no2"),
            ("__a--b__", "a_b"),
            ("", "unnamed"),
            ("\n\0,= ", "unnamed"),
            ("suhu °C", "suhu_c"),
            ("a_b1", "a_b1"),
            ("a_", "a"),
            ("a__b", "a_b"),
        ] {
            assert_eq!(cleaned(name), clean, "{name}");
        }
        assert_eq!(cleaned(&"x".repeat(70_000)).len(), MAX_NAME);
        assert!(matches!(cleaned("uptime_seconds"), Cow::Borrowed(_)));
    }
}
