//! Escape: names of line protocol, written so that each is one name, whatever it holds.
//!
//! In names a control character becomes `_` and a backslash becomes `/`. What a name cannot hold plainly (a comma, a
//! space, an equals sign) is escaped. Keys that databases keep for themselves get a `_` at their end, and names are
//! cut at 1,024 bytes, at a character's boundary.

/// The most bytes of a name; InfluxDB takes 65,535 for measurement and tags together.
pub const NAME_LIMIT: usize = 1024;

/// The key of a tag or a field.
pub fn write_key(key: &str, out: &mut Vec<u8>) {
    write_name(key, out);
    if matches!(key, "time" | "_time" | "_field" | "_measurement") {
        out.push(b'_');
    }
}

/// A key without its ending, or a tag's value.
pub fn write_name(name: &str, out: &mut Vec<u8>) {
    let name = cut(name, NAME_LIMIT);
    // Nearly every name is plain, and then it is one copy.
    if is_plain(name) {
        out.extend_from_slice(name.as_bytes());
        return;
    }
    for character in name.chars() {
        match character {
            ',' | ' ' | '=' => out.extend_from_slice(&[b'\\', u8::try_from(character).unwrap_or(b'_')]),
            _ => push_mapped(character, out),
        }
    }
}

/// Whether nothing in a name needs to be escaped or mapped. Without an early end: names are short and nearly always
/// plain.
fn is_plain(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() | matches!(byte, b'_' | b'-' | b'.');
    name.bytes().fold(true, |all, byte| all & plain(byte))
}

/// A character of a name that is not escaped.
pub fn push_mapped(character: char, out: &mut Vec<u8>) {
    match character {
        '\\' => out.push(b'/'),
        _ if character.is_control() => out.push(b'_'),
        _ => push(character, out),
    }
}

pub fn push(character: char, out: &mut Vec<u8>) {
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

/// At most `limit` bytes of a text, whole characters.
pub fn cut(text: &str, limit: usize) -> &str {
    if text.len() <= limit {
        return text;
    }
    text.get(..text.floor_char_boundary(limit)).unwrap_or_default()
}
