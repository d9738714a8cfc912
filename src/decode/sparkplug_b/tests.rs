//! Sparkplug B, tested: whole numbers of every type, the count of messages, what is remembered, and hostile shapes.

#![expect(clippy::cast_possible_truncation, reason = "the writer takes seven bits")]

use std::io::Write as _;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;
use crate::decode::Limits;

const LEVEL: &str = "spBv1.0/water/DDATA/pump-1/level";

fn varint(mut number: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while number > 0x7f {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
    out
}

fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

fn bytes(field: u64, content: &[u8]) -> Vec<u8> {
    [varint(field << 3 | 2), varint(content.len() as u64), content.to_vec()].concat()
}

/// A metric with name or alias, datatype (0: none) and value.
fn metric(name: Option<&str>, alias: Option<u64>, datatype: u64, value: &[u8]) -> Vec<u8> {
    let name = name.map(|name| bytes(1, name.as_bytes())).unwrap_or_default();
    let alias = alias.map(|alias| number(2, alias)).unwrap_or_default();
    let datatype = if datatype > 0 { number(4, datatype) } else { Vec::new() };
    bytes(2, &[name, alias, datatype, value.to_vec()].concat())
}

fn payload(time: u64, seq: Option<u64>, metrics: &[Vec<u8>]) -> Vec<u8> {
    [number(1, time), metrics.concat(), seq.map(|seq| number(3, seq)).unwrap_or_default()].concat()
}

fn read<'a>(births: &mut Births, topic: &str, payload: &'a [u8]) -> Result<Decoded<'a>, Rejection> {
    let limits = Limits::default();
    decode(
        topic,
        payload,
        &Hints { number_text: false, zone: &TimeZone::UTC, limits: &limits, now: 0 },
        births,
    )
}

/// `device name=value` of each reading.
fn told(births: &mut Births, topic: &str, payload: &[u8]) -> Vec<String> {
    let Ok(Decoded::Samples { samples, rest: None }) = read(births, topic, payload) else {
        panic!("{topic}: {:?}", read(births, topic, payload))
    };
    let one = |sample: &Sample<'_>| {
        let device = sample.device.clone().unwrap();
        let shown = |reading: &Reading<'_>| match &reading.value {
            ReadingValue::Number(number) => format!("{device} {}={number}", reading.name),
            other => format!("{device} {}={other:?}", reading.name),
        };
        sample.readings.iter().map(shown).collect::<Vec<_>>()
    };
    samples.iter().flat_map(one).collect()
}

fn refused(births: &mut Births, topic: &str, payload: &[u8]) -> Rejection {
    read(births, topic, payload).expect_err("refused")
}

#[test]
fn whole_numbers_are_read_with_the_sign_and_the_width_of_their_datatype() {
    let check = |datatype: u64, value: Vec<u8>, expected: Option<&str>| {
        let payload = payload(1, Some(1), &[metric(Some("n"), None, datatype, &value)]);
        match (read(&mut Births::default(), LEVEL, &payload), expected) {
            (Ok(_), Some(expected)) => assert_eq!(
                told(&mut Births::default(), LEVEL, &payload),
                [format!("water/pump-1/level n={expected}")],
                "{datatype}"
            ),
            (Err(refused), None) => assert_eq!(refused.reason, Reason::Malformed, "{refused}"),
            (other, _) => panic!("{datatype} {value:?}: {other:?}"),
        }
    };
    let int = |value: u64| number(10, value);
    let long = |value: u64| number(11, value);
    // Int8: in its own eight bits, filled up to 32, and to 64 in the wide field.
    check(1, int(0x7f), Some("127"));
    check(1, int(0xff), Some("-1"));
    check(1, int(0xffff_ffff), Some("-1"));
    check(1, int(0xffff_ff80), Some("-128"));
    check(1, long(u64::MAX), Some("-1"));
    check(1, int(0x100), None);
    check(1, int(0xffff_ff7f), None);
    check(1, int(0xff80), None);
    // Int16, Int32, Int64.
    check(2, int(0x8000), Some("-32768"));
    check(2, int(0xffff_8000), Some("-32768"));
    check(2, int(0x7fff), Some("32767"));
    check(2, int(0x1_0000), None);
    check(3, int(0x8000_0000), Some("-2147483648"));
    // Ten bytes of a negative int32, of which protobuf keeps 32 bits.
    check(3, int(u64::MAX), Some("-1"));
    check(3, long(0xffff_ffff), Some("-1"));
    check(4, long(1 << 63), Some("-9223372036854776000"));
    check(4, long(i64::MAX as u64), Some("9223372036854776000"));
    // Unsigned ones have no sign, however large.
    check(5, int(255), Some("255"));
    check(5, int(256), None);
    check(6, int(65535), Some("65535"));
    check(7, int(0xffff_ffff), Some("4294967295"));
    check(7, long(0xffff_ffff), Some("4294967295"));
    check(7, long(0x1_0000_0000), None);
    check(8, long(u64::MAX), Some("18446744073709552000"));
}

#[test]
fn an_alias_is_of_the_device_whose_birth_told_it() {
    let births = &mut Births::default();
    let float = |value: f32| [varint(12 << 3 | 5), value.to_le_bytes().to_vec()].concat();
    let node = payload(1, Some(0), &[metric(Some("volt"), Some(1), 9, &float(12.1))]);
    told(births, "spBv1.0/water/NBIRTH/pump-1", &node);
    let device = payload(2, Some(1), &[metric(Some("level"), Some(2), 2, &number(10, 5))]);
    told(births, "spBv1.0/water/DBIRTH/pump-1/level", &device);
    let data = payload(3, Some(2), &[metric(None, Some(2), 0, &number(10, 0xffff))]);
    assert_eq!(told(births, LEVEL, &data), ["water/pump-1/level level=-1"]);
    // The node has no alias 2, and another device has none at all.
    let wrong = refused(births, "spBv1.0/water/NDATA/pump-1", &data);
    assert_eq!((wrong.reason, wrong.detail.contains("the alias 2")), (Reason::NoBirth, true), "{wrong}");
    assert_eq!(refused(births, "spBv1.0/water/DDATA/pump-1/other", &data).reason, Reason::NoBirth);
    // A rebirth of the node ends what its devices told, until each is born again.
    told(births, "spBv1.0/water/NBIRTH/pump-1", &node);
    assert_eq!(refused(births, LEVEL, &data).reason, Reason::NoBirth);
    told(births, "spBv1.0/water/DBIRTH/pump-1/level", &device);
    assert_eq!(told(births, LEVEL, &data)[0], "water/pump-1/level level=-1");
    // What a snapshot holds is the same; that births are wanted is asked before.
    births.take_wanted();
    let text = serde_json::to_string(births).unwrap();
    let mut back: Births = serde_json::from_str(&text).unwrap();
    assert_eq!(&back, births);
    assert_eq!(told(&mut back, LEVEL, &data), ["water/pump-1/level level=-1"]);
    // A device's death ends what it told, and nothing else.
    told(births, "spBv1.0/water/DDEATH/pump-1/level", &payload(9, Some(4), &[]));
    assert_eq!(refused(births, LEVEL, &data).reason, Reason::NoBirth);
    let volt = payload(10, Some(5), &[metric(None, Some(1), 0, &float(11.5))]);
    assert_eq!(told(births, "spBv1.0/water/NDATA/pump-1", &volt)[0], "water/pump-1 volt=11.5");
}

#[test]
fn a_gap_is_told_once_and_what_is_late_or_twice_moves_nothing() {
    let births = &mut Births::default();
    told(births, "spBv1.0/water/NBIRTH/pump-1", &payload(1000, Some(0), &[]));
    let mut lost = |time: u64, seq: u64| {
        let payload = payload(time, Some(seq), &[metric(Some("n"), None, 5, &number(10, 1))]);
        let told = told(births, "spBv1.0/water/NDATA/pump-1", &payload);
        told.iter().find_map(|line| line.strip_prefix("water/pump-1 lost=").map(str::to_owned))
    };
    assert_eq!(lost(1001, 1), None);
    assert_eq!(lost(1002, 2), None);
    assert_eq!(lost(1005, 5).as_deref(), Some("2"));
    // The two come after all, and the last one comes again.
    assert_eq!((lost(1003, 3), lost(1004, 4), lost(1005, 5)), (None, None, None));
    assert_eq!(lost(1006, 6), None);
    // Over the end of the numbers.
    assert_eq!(lost(2000, 254).as_deref(), Some("247"));
    assert_eq!((lost(2001, 255), lost(2002, 0)), (None, None));
    assert_eq!(lost(2003, 3).as_deref(), Some("2"));
    // A clock set back does not stop the count, for the numbers go on.
    assert_eq!((lost(500, 4), lost(501, 5)), (None, None));
    assert_eq!(lost(502, 7).as_deref(), Some("1"));
    let wrong = payload(3000, Some(256), &[]);
    assert!(refused(births, "spBv1.0/water/NDATA/pump-1", &wrong).detail.contains("256 is not within"));
}

#[test]
fn births_are_wanted_after_data_without_them_and_after_a_gap() {
    let births = &mut Births::default();
    let unknown = payload(1, Some(1), &[metric(None, Some(9), 0, &number(10, 1))]);
    let mut wanted = |topic: &str, payload: &[u8]| {
        let _ = read(births, topic, payload);
        let wanted = births.take_wanted();
        assert!(!births.take_wanted(), "{topic}: told once");
        wanted
    };
    assert!(wanted("spBv1.0/g/NDATA/a", &unknown));
    assert!(wanted("spBv1.0/g/DDATA/a/d", &unknown));
    // Whoever tells names and datatypes needs no birth, and a birth that lacks them would lack them again.
    let whole =
        |seq: u64, datatype| payload(seq, Some(seq), &[metric(Some("n"), None, datatype, &number(10, 1))]);
    assert!(!wanted("spBv1.0/g/NDATA/a", &whole(1, 5)));
    assert!(!wanted("spBv1.0/g/NBIRTH/a", &whole(0, 0)));
    // In order, and then with a gap; a late one and another fault say nothing about births.
    assert!(!wanted("spBv1.0/g/NBIRTH/a", &whole(0, 5)));
    assert!(!wanted("spBv1.0/g/NDATA/a", &whole(1, 5)));
    assert!(wanted("spBv1.0/g/NDATA/a", &whole(5, 5)));
    assert!(!wanted("spBv1.0/g/NDATA/a", &whole(4, 5)));
    assert!(!wanted("spBv1.0/g/NDATA/a", &[0xff]));
    // A device's birth that comes after a gap.
    assert!(wanted("spBv1.0/g/DBIRTH/a/d", &whole(9, 5)));
}

#[test]
fn births_that_would_find_no_room_are_not_wanted() {
    let births = &mut Births::default();
    let birth = payload(1, Some(0), &[]);
    for index in 0..1000 {
        told(births, &format!("spBv1.0/g/NBIRTH/{index}"), &birth);
    }
    let unknown = payload(1, Some(1), &[metric(None, Some(9), 0, &number(10, 1))]);
    refused(births, "spBv1.0/g/NDATA/more", &unknown);
    assert!(!births.take_wanted());
    refused(births, "spBv1.0/g/NDATA/7", &unknown);
    assert!(births.take_wanted(), "a known node has its room");
}

#[test]
fn what_is_remembered_is_bounded() {
    let births = &mut Births::default();
    let birth = payload(1, Some(0), &[]);
    for index in 0..1000 {
        told(births, &format!("spBv1.0/g/NBIRTH/{index}"), &birth);
    }
    let full = refused(births, "spBv1.0/g/NBIRTH/more", &birth);
    assert_eq!(full.reason, Reason::TooManyDevices, "{full}");
    // A known one may be born again, and a death makes room.
    told(births, "spBv1.0/g/NBIRTH/7", &birth);
    told(births, "spBv1.0/g/NDEATH/7", &birth);
    told(births, "spBv1.0/g/NBIRTH/more", &birth);
    let many: Vec<_> =
        (0..9000).map(|index| metric(Some(&format!("m{index}")), Some(index), 9, &number(7, 1))).collect();
    let many = payload(1, Some(0), &many);
    let refused = (0..20).filter(|index| {
        read(births, &format!("spBv1.0/g/DBIRTH/1/{index}"), &many)
            .is_err_and(|refused| refused.reason == Reason::TooManyDevices)
    });
    assert!(refused.count() > 5);
    assert!(births.size() <= 200_000, "{}", births.size());
    // Devices without metrics count too.
    let device = |index: usize| format!("spBv1.0/g/DBIRTH/2/{index}");
    let full = (0..40_000).any(|index| read(births, &device(index), &birth).is_err());
    assert!(full && births.size() <= 200_000, "{}", births.size());
}

#[test]
fn bombs_are_refused_quickly() {
    let start = Instant::now();
    let births = &mut Births::default();
    // A million fields that nobody knows; metrics beyond the limit; templates inside each other.
    let unknown = [0xf8, 0x7f, 0x01].repeat(350_000);
    assert!(matches!(read(births, LEVEL, &unknown), Ok(Decoded::NotData(_))));
    let metrics = [0x12, 0x00].repeat(500_000);
    assert_eq!(refused(births, LEVEL, &metrics).reason, Reason::TooComplex);
    let mut nested = metric(Some("n"), None, 9, &number(7, 1));
    for _ in 0..200 {
        nested = metric(Some("n"), None, 19, &bytes(18, &nested));
    }
    assert_eq!(refused(births, LEVEL, &payload(1, Some(1), &[nested])).reason, Reason::TooComplex);
    let array = metric(Some("a"), None, 26, &bytes(16, &[1; 1 << 20]));
    assert_eq!(refused(births, LEVEL, &payload(1, Some(1), &[array])).reason, Reason::TooComplex);
    for (datatype, elements) in
        [(32, [&200_000_u32.to_le_bytes()[..], &[1; 25_000]].concat()), (33, vec![0; 20_000])]
    {
        let array = metric(Some("a"), None, datatype, &bytes(16, &elements));
        assert_eq!(refused(births, LEVEL, &payload(1, Some(1), &[array])).reason, Reason::TooComplex);
    }
    let claim = metric(Some("a"), None, 32, &bytes(16, &[0xff, 0xff, 0xff, 0xff, 1]));
    assert_eq!(refused(births, LEVEL, &payload(1, Some(1), &[claim])).reason, Reason::Malformed);
    let name = metric(Some(&"n".repeat(257)), None, 9, &number(7, 1));
    assert_eq!(refused(births, LEVEL, &payload(1, Some(1), &[name])).reason, Reason::TooComplex);
    let long = format!("spBv1.0/g/NDATA/{}", "n".repeat(300));
    assert_eq!(refused(births, &long, &[]).reason, Reason::NoDevice);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[test]
fn a_compressed_bomb_ends_at_the_limit_and_bodies_do_not_nest() {
    let births = &mut Births::default();
    let wrap = |inner: &[u8]| {
        let mut packed = ZlibEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(inner).unwrap();
        [bytes(4, b"SPBV1.0_COMPRESSED"), bytes(5, &packed.finish().unwrap())].concat()
    };
    let inner = payload(1, Some(1), &[metric(Some("level"), None, 2, &number(10, 5))]);
    assert_eq!(told(births, LEVEL, &wrap(&inner)), ["water/pump-1/level level=5"]);
    // An unknown field of 1 MiB more than there may be: read whole it would be passed over.
    let bomb = wrap(&[inner.clone(), bytes(100, &vec![0; 2 << 20])].concat());
    assert!(bomb.len() < 50_000, "{}", bomb.len());
    assert!(refused(births, LEVEL, &bomb).detail.contains("more than 1024 KiB inside"));
    assert_eq!(refused(births, LEVEL, &wrap(&wrap(&inner))).reason, Reason::TooComplex);
}

#[test]
fn the_topic_names_the_device_whatever_stands_above_the_namespace() {
    assert_eq!(device(LEVEL).as_deref(), Some("water/pump-1/level"));
    assert_eq!(device("site/7/spBv1.0/water/NDATA/pump-1").as_deref(), Some("water/pump-1"));
    assert_eq!(device("spBv1.0/water/NDATA"), None);
    assert_eq!(device("water/NDATA/pump-1"), None);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]
    #[test]
    fn any_bytes_have_one_decision(
        kind in prop::sample::select(vec!["NBIRTH", "NDATA", "NDEATH", "DBIRTH", "DDATA", "DDEATH", "NCMD", "X"]),
        device in prop::sample::select(vec!["", "/d"]),
        payload in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let births = &mut Births::default();
        let topic = format!("spBv1.0/g/{kind}/n{device}");
        let one = read(births, &topic, &payload).map(|_| ()).map_err(|refused| refused.reason);
        let again = read(births, &topic, &payload).map(|_| ()).map_err(|refused| refused.reason);
        prop_assert!(one == again || one == Err(Reason::NoBirth), "{one:?} {again:?}");
    }
}
