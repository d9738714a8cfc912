//! Rebirth: the command that asks an edge node to tell its births again.
//!
//! Source: Sparkplug 3.0, chapter 4 (NCMD), chapter 5 (Commands; Host Application Message Ordering), chapter 6 (NCMD).

use super::NAMESPACE;

/// Where the node listens whose message came on `topic`, below the same levels; nothing where none is named.
pub fn topic(topic: &str) -> Option<String> {
    let mut levels: Vec<_> = topic.split('/').collect();
    let start = levels.iter().position(|level| *level == NAMESPACE)?.saturating_add(1);
    let [_, kind, _, ..] = levels.get_mut(start..)? else { return None };
    *kind = "NCMD";
    levels.truncate(start.saturating_add(3));
    Some(levels.join("/"))
}

/// `Node Control/Rebirth` as true. `now` is Unix time in milliseconds, which the payload must tell; a sequence number
/// it must not have.
pub fn payload(now: u64) -> Vec<u8> {
    const NAME: &[u8] = b"Node Control/Rebirth";
    let name = [&[1 << 3 | 2, 20], NAME].concat();
    let told = varint(now);
    // The metric's own timestamp, the datatype Boolean, and the value.
    let metric = [&name[..], &[3 << 3], &told, &[4 << 3, 11, 14 << 3, 1]].concat();
    let length = u64::try_from(metric.len()).unwrap_or_default();
    [&[1 << 3], &told[..], &[2 << 3 | 2], &varint(length), &metric].concat()
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            out.push(low & 0x7f);
            return out;
        }
        out.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::super::payload::{Payload, Raw};
    use super::*;

    #[test]
    fn a_command_goes_to_the_node_below_the_same_levels() {
        let check = |from: &str, to: Option<&str>| assert_eq!(topic(from).as_deref(), to, "{from}");
        check("spBv1.0/water/NDATA/pump-1", Some("spBv1.0/water/NCMD/pump-1"));
        check("spBv1.0/water/DDATA/pump-1/level", Some("spBv1.0/water/NCMD/pump-1"));
        check("site/7/spBv1.0/water/DDATA/pump-1/level", Some("site/7/spBv1.0/water/NCMD/pump-1"));
        check("spBv1.0/STATE/scada", None);
        check("water/NDATA/pump-1", None);
    }

    #[test]
    fn the_command_is_what_the_specification_says() {
        // 1795478400000 ms in seven groups of seven bits, the lowest first.
        let time = [0x80, 0xd8, 0xe8, 0xd6, 0xa0, 0x34];
        let metric = [&b"\x0a\x14Node Control/Rebirth\x18"[..], &time, b"\x20\x0b\x70\x01"].concat();
        let expected = [&b"\x08"[..], &time, b"\x12\x21", &metric].concat();
        let told = payload(1_795_478_400_000);
        assert_eq!(told, expected);
        let read = Payload::read(&told, 10).unwrap();
        assert_eq!((read.timestamp, read.seq, read.metrics.len()), (Some(1_795_478_400_000), None, 1));
        assert!(matches!(read.metrics[0].value, Some(Raw::Truth(true))));
        assert_eq!(payload(0)[..2], [8, 0]);
    }
}
