//! Names: where the device ends and the reading begins in a full SenML name.
//!
//! `urn:dev:ow:10e2073a01080063` is a device whole, and so is any other URN of three parts, an IPv6 address and a
//! MAC address. What follows a device URN after `:`, `_` or `/` is the reading (RFC 9039 sets components apart with
//! `_`). Elsewhere the last `:` or `/` parts the two, and without one the full name is the reading's and the topic
//! has to say the device.

use std::borrow::Cow;
use std::net::Ipv6Addr;

/// A full name in its two parts; nothing where a part is empty.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Name<'a> {
    pub(super) device: Option<Cow<'a, str>>,
    pub(super) reading: Option<Cow<'a, str>>,
}

impl<'a> Name<'a> {
    /// Nothing where the full name is one that RFC 8428, 4.5.1 forbids.
    pub(super) fn split(base: &Cow<'a, str>, own: &Cow<'a, str>) -> Option<Self> {
        if let (Cow::Borrowed(base), Cow::Borrowed(own)) = (base, own)
            && let Some(device) = whole_device(base, own)
        {
            let (device, reading) = (Some(Cow::Borrowed(device)), Some(Cow::Borrowed(*own)));
            return Some(Self { device, reading });
        }
        let full =
            if own.is_empty() { Cow::Borrowed(&**base) } else { Cow::Owned([&**base, &**own].concat()) };
        if !full.starts_with(|first: char| first.is_ascii_alphanumeric()) || !full.bytes().all(allowed) {
            return None;
        }
        let (device, reading) = halves(&full);
        let start = full.len().saturating_sub(reading.len());
        // A part that lies within one of the two borrows from the payload as that does.
        let device = match base {
            Cow::Borrowed(base) if device.len() <= base.len() => base.get(..device.len()).map(Cow::Borrowed),
            _ => Some(Cow::Owned(device.to_owned())),
        };
        let reading = match (base, own) {
            (_, Cow::Borrowed(own)) if start >= base.len() => {
                own.get(start.saturating_sub(base.len())..).map(Cow::Borrowed)
            }
            (Cow::Borrowed(base), _) if own.is_empty() => base.get(start..).map(Cow::Borrowed),
            _ => Some(Cow::Owned(reading.to_owned())),
        };
        let told = |part: Option<Cow<'a, str>>| part.filter(|part| !part.is_empty());
        Some(Self { device: told(device), reading: told(reading) })
    }
}

const SEPARATORS: [char; 2] = [':', '/'];

const fn allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b':' | b'.' | b'/' | b'_')
}

fn starts(text: &str, with: &str) -> bool {
    text.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with))
}

/// The device where the base holds it whole, up to its separator, and all of the other name is the reading's: the two
/// need not be put together then. Most packs are written so.
fn whole_device<'a>(base: &'a str, own: &str) -> Option<&'a str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    // With a letter beyond F, it is not the end of an address.
    let beyond = |byte: u8| byte.is_ascii_alphabetic() && !byte.is_ascii_hexdigit();
    let is_reading = own.starts_with(|first: char| first.is_ascii_alphanumeric())
        && own.bytes().all(plain)
        && own.bytes().any(beyond);
    let sound = base.starts_with(|first: char| first.is_ascii_alphanumeric()) && base.bytes().all(allowed);
    if !is_reading || !sound {
        return None;
    }
    if starts(base, "urn:dev:") {
        let (body, _) = base.match_indices(':').nth(2)?;
        let rest = base.get(body.saturating_add(1)..)?;
        let end = rest.get(rest.find([':', '_', '/'])?..)?;
        let parted = end.trim_start_matches([':', '_', '/']).is_empty();
        return if parted { base.get(..base.len().saturating_sub(end.len())) } else { None };
    }
    let device = base.trim_end_matches(SEPARATORS);
    (device.len() < base.len() && !starts(base, "urn:")).then_some(device)
}

fn halves(full: &str) -> (&str, &str) {
    let starts = |with: &str| starts(full, with);
    if starts("urn:dev:") {
        let body = full.match_indices(':').nth(2).map_or(full.len(), |(at, _)| at + 1);
        let rest = full.get(body..).unwrap_or_default();
        let end = rest.find([':', '_', '/']).map_or(full.len(), |at| body + at);
        let (device, reading) = full.split_at(end);
        return (device, reading.trim_start_matches([':', '_', '/']));
    }
    if is_address(full) {
        return (full, "");
    }
    // The namespace of a URN is no device.
    let least =
        if starts("urn:") { full.match_indices(':').nth(1).map_or(full.len(), |(at, _)| at + 1) } else { 0 };
    let tail = full.get(least..).unwrap_or_default();
    match tail.rfind(SEPARATORS) {
        Some(at) => {
            let (device, reading) = full.split_at(least + at);
            (device.trim_end_matches(SEPARATORS), reading.trim_start_matches(SEPARATORS))
        }
        None if least > 0 => (full, ""),
        None => ("", full),
    }
}

/// An IPv6, MAC or EUI-64 address, which has colons of its own.
fn is_address(text: &str) -> bool {
    let hex = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    text.parse::<Ipv6Addr>().is_ok() || (text.split(':').count() == 6 && text.split(':').all(hex))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_name_is_split_the_same_wherever_its_base_ends() {
        for (full, device, reading) in [
            ("urn:dev:ow:10e2073a01080063", "urn:dev:ow:10e2073a01080063", ""),
            ("urn:dev:ow:10e2073a01080063:", "urn:dev:ow:10e2073a01080063", ""),
            ("urn:dev:ow:10e2073a01080063:temp", "urn:dev:ow:10e2073a01080063", "temp"),
            ("URN:DEV:ow:10e2073a01080063/a/b", "URN:DEV:ow:10e2073a01080063", "a/b"),
            ("urn:dev:mac:0024befffe804ff1_temp_max", "urn:dev:mac:0024befffe804ff1", "temp_max"),
            ("urn:dev:os:32473-123456", "urn:dev:os:32473-123456", ""),
            ("urn:dev:ow", "urn:dev:ow", ""),
            (
                "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
                "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
                "",
            ),
            ("urn:uuid:f81d4fae:temp", "urn:uuid:f81d4fae", "temp"),
            ("urn:x", "urn:x", ""),
            ("2001:db8::3", "2001:db8::3", ""),
            ("2001:db8::2/temperature", "2001:db8::2", "temperature"),
            ("00:1A:2b:3C:4D:5e", "00:1A:2b:3C:4D:5e", ""),
            ("00:1A:2b:3C:4D:5e:temp", "00:1A:2b:3C:4D:5e", "temp"),
            ("ws-07:temperature", "ws-07", "temperature"),
            ("ws-07:", "ws-07", ""),
            ("meter/7/energy", "meter/7", "energy"),
            ("meter//energy", "meter", "energy"),
            ("temperature", "", "temperature"),
        ] {
            let part = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
            for end in 0..=full.len() {
                let (base, own) = full.split_at(end);
                let expected = (part(device), part(reading));
                for (base, own) in [
                    (Cow::Borrowed(base), Cow::Borrowed(own)),
                    (Cow::Owned(base.to_owned()), Cow::Borrowed(own)),
                    (Cow::Borrowed(base), Cow::Owned(own.to_owned())),
                ] {
                    let name = Name::split(&base, &own).unwrap();
                    let got = (name.device.map(Cow::into_owned), name.reading.map(Cow::into_owned));
                    assert_eq!(got, expected, "{base} + {own}");
                }
            }
        }
    }

    #[test]
    fn forbidden_names_are_none() {
        for full in ["", "-a", ":a", "/3303/0/5700", "_a", "a b", "a%", "a,b", "suhu°", "a\n", "tag:x,2002:y"]
        {
            assert_eq!(Name::split(&Cow::Borrowed(full), &Cow::Borrowed("")), None, "{full}");
        }
    }
}
