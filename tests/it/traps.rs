//! Traps: what devices do wrong, each through the whole transform, as `explain` shows it.
//!
//! Every trap that is known has a named test. Which one, and where it stands:
//!
//! | trap | test |
//! |--|--|
//! | no time | [`no_time_is_the_time_of_receipt`] |
//! | local time without a zone, with an offset | [`local_time_is_the_citys_and_an_offset_wins`]; `decode::told::text_without_a_zone_is_local_time` |
//! | seconds, milliseconds, microseconds, fractions | [`a_moment_is_the_same_in_every_unit`]; `decode::told::numbers_are_read_in_each_unit_and_by_their_size` |
//! | relative time | golden `senml`: "a time below 2^28 is relative to the receipt"; golden `json`: "an offset without a base time counts from the time of receipt" |
//! | interval | golden `fiware_json`: "an interval ends when the value was known" |
//! | history array | [`a_history_in_one_frame_keeps_its_own_times`] |
//! | clock in 2036 or 2037 | [`a_clock_in_2036_is_not_believed`], [`a_clock_in_2037_is_not_believed`] |
//! | clock stuck at its start: 1970, 2000 | [`a_clock_that_counts_from_1970_is_not_believed`], [`a_clock_that_counts_from_2000_is_not_believed`] |
//! | one hour of daylight saving | [`a_clock_one_hour_ahead_is_not_believed`], [`a_clock_one_hour_behind_shows_as_delay`] |
//! | number as text, with its unit | [`numbers_in_text_with_their_units_are_numbers`]; golden `json`: "number text with unit and decimal comma" |
//! | sentinels | `the_sentinel_…` below, each; golden `sensor_community`: "a sensor that did not answer", "a GPS that has not found its place yet" |
//! | a vendor's codec that is wrong: WSC1-L, DF702, hex2float | [`a_layout_reads_below_zero_where_a_vendors_codec_is_off_by_one`], [`a_layout_reads_bits_where_a_vendors_codec_mistakes_precedence`], [`a_layout_reads_a_float_where_a_vendors_codec_loses_its_exponent`] |
//! | a codec that asks for clock or zone | `codec::tests::there_is_no_clock_but_the_time_of_receipt_and_it_is_utc`; golden codecs `date_local_format`, `recv_time` |
//! | raw and compensated | golden `airgradient`: "PM2.5 raw and corrected: one value is stored" |
//! | Celsius and Fahrenheit | golden `shelly`: "a full status, as captured: tF repeats tC, …" |
//! | decoded and normalized | golden `things_stack`: "normalized wins over decoded, and tells its own times" |
//! | snapshot and delta | golden `shelly`: "a status with what changed alone" |
//! | running total and count of a period | golden `chirpstack`: "a people counter tells running totals and counts of a period, each line and way apart" |
//! | a total that begins anew, or wraps at 16 bits | [`a_total_that_wraps_at_16_bits_is_no_fast_change`]; `check::rate::a_running_total_that_begins_anew_is_not_judged_by_the_step_back` |
//! | alarm that repeats its measurement | [`an_alarm_that_repeats_its_measurement_is_one_reading`] |
//! | array of channels | [`an_array_of_channels_is_a_point_for_each`] |
//! | state in words | [`a_state_in_words_is_a_number_and_an_unknown_word_none`]; golden `zigbee2mqtt`: "a lamp on mains power, …" |

use std::path::{Path, PathBuf};
use std::sync::Arc;

use nadikota::config;
use nadikota::message::Record;
use nadikota::outcome::Reason;
use nadikota::transform::{Explanation, State, Transform};

const ROUTES: &str = r#"
[[routes]]
topic = "j/{device}"
format = "json"
time = "t"
profile = "trap"
[[routes]]
topic = "s/{device}"
format = "json"
profile = "trap_sentinels"
[[routes]]
topic = "hex/level/{device}"
format = "binary"
encoding = "hex"
profile = "trap_signed"
[[routes]]
topic = "hex/codec/{device}"
format = "binary"
encoding = "hex"
profile = "trap_codec"
[[routes]]
topic = "hex/angle/{device}"
format = "binary"
encoding = "hex"
profile = "trap_bits"
[[routes]]
topic = "hex/float/{device}"
format = "binary"
encoding = "hex"
profile = "trap_float"
[[routes]]
topic = "hex/radar/{device}"
format = "binary"
encoding = "hex"
port = 85
profile = "milesight_em410_rdl"
[[routes]]
topic = "hex/bin/{device}"
format = "binary"
encoding = "hex"
port = 85
profile = "milesight_em400_mud"
"#;

const PROFILES: &str = r#"
[profiles.trap]
number_text = true
[profiles.trap.names]
temp = { quantity = "air_temperature_c", unit = "Cel" }
hum = "relative_humidity_pct"
level = { quantity = "water_level_m", unit = "mm" }
bat = "battery_v"
rain = { quantity = "rain_total_mm", counter = true, rate_per_minute = 100 }
spot = { quantity = "occupied_state", words = { free = 0, occupied = 1 } }
tilt = { quantity = "online_state", words = { normal = 1, tilt = 0 } }
leak = { quantity = "lamp_on_state", words = { leak = 1, off = 0 } }
"noise.*" = { quantity = "laeq_dba", channel = "*" }

[profiles.trap_sentinels.names]
pm = { quantity = "pm25_ugm3", sentinels = [-1] }
temp_128 = { quantity = "air_temperature_c", sentinels = [-128] }
temp_127 = { quantity = "air_temperature_c", sentinels = [-127] }
temp_85 = { quantity = "container_temperature_c", sentinels = [85.0] }
temp_327 = { quantity = "container_temperature_c", sentinels = [327.67] }
temp_3276 = { quantity = "container_temperature_c", scale = 0.1, sentinels = [3276.7] }
temp_6553 = { quantity = "container_temperature_c", scale = 0.1, sentinels = [6553.5] }
level_1000 = { quantity = "water_level_m", unit = "mm", sentinels = [-1000] }
level_65535 = { quantity = "water_level_m", unit = "mm", sentinels = [65535] }
level_32767 = { quantity = "water_level_m", unit = "mm", sentinels = [32767] }
level_20000 = { quantity = "water_level_m", unit = "mm", sentinels = [20000] }

[profiles.trap_signed]
layout = { fields = [{ name = "temp", offset = 0, type = "i16", scale = 0.1 }] }
[profiles.trap_signed.names]
temp = "air_temperature_c"

[profiles.trap_codec]
codec = "off_by_one.js"
[profiles.trap_codec.names]
temp = "air_temperature_c"

[profiles.trap_bits]
layout = { fields = [{ name = "dir", offset = 0, type = "u16", bits = [0, 12], scale = 0.1 }] }
[profiles.trap_bits.names]
dir = "wind_from_direction_deg"

[profiles.trap_float]
layout = { fields = [{ name = "level", offset = 0, type = "f32" }] }
[profiles.trap_float.names]
level = "water_level_m"
"#;

/// As one is published: two's complement by subtracting one too few.
const OFF_BY_ONE: &str = "function decodeUplink(input) { var value = input.bytes[0] << 8 | input.bytes[1]; \
    if (value & 0x8000) { value -= 0xFFFF; } return { data: { temp: value / 10 } }; }";

const RECEIVED: &str = "2026-11-24T00:00:00Z";

fn transform() -> Arc<Transform> {
    let dir = tempfile::tempdir().expect("a folder");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let write = |name: &str, text: &str| -> PathBuf {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(&path, text).expect("a file");
        path
    };
    for name in ["pasuruan", "lorawan"] {
        let text = std::fs::read_to_string(shipped.join(format!("profiles/{name}.toml"))).expect("profiles");
        write(&format!("profiles/{name}.toml"), &text);
    }
    write("profiles/traps.toml", PROFILES);
    write("codecs/off_by_one.js", OFF_BY_ONE);
    write(
        "devices.csv",
        "id,city,district,site,latitude,longitude,profile,valid_from,time_zone,agency,datum_m\n",
    );
    let own = "devices = \"devices.csv\"\nprofiles = \"profiles\"\ncodecs = \"codecs\"\n";
    let own = write("own.toml", &format!("{own}{ROUTES}"));
    let loaded = config::load(&[shipped.join("nadikota.toml"), own], []);
    loaded.unwrap_or_else(|error| panic!("{error:?}")).transform
}

fn explained(
    transform: &Transform,
    topic: &str,
    payload: &str,
    received: &str,
    state: &mut State,
) -> Explanation {
    let received: jiff::Timestamp = received.parse().expect("a time");
    let received = i64::try_from(received.as_nanosecond()).expect("a time of today");
    let (topic, payload) = (topic.as_bytes().to_vec(), payload.as_bytes().to_vec());
    transform.explain_next(&Record::pasted(topic.into(), payload.into(), received, false), state)
}

fn explain(topic: &str, payload: &str) -> Explanation {
    explained(&transform(), topic, payload, RECEIVED, &mut State::default())
}

/// Each reading that is stored: `time field=value flag`, the value a dash where there is none.
fn stored(story: &Explanation) -> Vec<String> {
    let mut lines = Vec::new();
    for sample in &story.samples {
        let time = jiff::Timestamp::from_nanosecond(sample.time.into()).expect("a time");
        for reading in sample.readings.iter().filter(|reading| reading.field.is_some()) {
            let value = reading.stored.map_or("-".to_owned(), |value| value.to_string());
            let field = reading.field.as_deref().unwrap_or_default();
            lines.push(format!("{time} {field}={value} {}", reading.flag.expect("a flag")));
        }
    }
    lines
}

fn check(topic: &str, payload: &str, expected: &[&str]) {
    let story = explain(topic, payload);
    assert_eq!(stored(&story), expected, "{payload}: {story:#?}");
}

#[test]
fn no_time_is_the_time_of_receipt() {
    check("j/d", r#"{"temp":27.5}"#, &["2026-11-24T00:00:00Z air_temperature_c=27.5 1"]);
    check(
        "j/d",
        r#"{"temp":27.5,"hum":80}"#,
        &["2026-11-24T00:00:00Z air_temperature_c=27.5 1", "2026-11-24T00:00:00Z relative_humidity_pct=80 1"],
    );
}

#[test]
fn local_time_is_the_citys_and_an_offset_wins() {
    for told in ["2026-11-24T06:59:00", "2026-11-24T07:59:00+08:00", "2026-11-23T23:59:00Z"] {
        let payload = format!(r#"{{"t":"{told}","temp":27.5}}"#);
        check("j/d", &payload, &["2026-11-23T23:59:00Z air_temperature_c=27.5 1"]);
    }
}

#[test]
fn a_moment_is_the_same_in_every_unit() {
    let all =
        ["1795478340.5", "1795478340500", "1795478340500000", "1795478340500000000", "\"1795478340500\""];
    for told in all {
        let payload = format!(r#"{{"t":{told},"temp":27.5}}"#);
        check("j/d", &payload, &["2026-11-23T23:59:00.5Z air_temperature_c=27.5 1"]);
    }
}

#[test]
fn a_history_in_one_frame_keeps_its_own_times() {
    // The maker's record of the past, and a battery of now behind it.
    let received = "2023-08-20T05:00:00Z";
    let frame = "20cee59be164440801010000 00 017564";
    let story = explained(&transform(), "hex/radar/d", frame, received, &mut State::default());
    assert_eq!(
        stored(&story),
        [
            "2023-08-20T04:51:49Z water_distance_m=2.116 1",
            "2023-08-20T04:51:49Z device_temperature_c=25.7 1",
            "2023-08-20T05:00:00Z battery_level_pct=100 1",
        ]
    );
}

/// The time of receipt stands in, and what was told of that moment is suspect.
fn not_believed(told: &str, why: &str) {
    let story = explain("j/d", &format!(r#"{{"t":{told},"temp":27.5}}"#));
    assert_eq!(stored(&story), ["2026-11-24T00:00:00Z air_temperature_c=27.5 3"], "{told}");
    assert!(story.samples[0].time_check.contains(why), "{told}: {story:#?}");
    assert!(!story.points[0].contains("delay_s"), "{told}: a clock that is wrong has no delay: {story:#?}");
}

#[test]
fn a_clock_in_2036_is_not_believed() {
    // Where NTP begins anew, and 2085996714, as one firmware tells it.
    not_believed("2085978496", "further ahead");
    not_believed("2085996714", "further ahead");
}

#[test]
fn a_clock_in_2037_is_not_believed() {
    not_believed("\"2037-01-01T00:00:00Z\"", "further ahead");
}

#[test]
fn a_clock_that_counts_from_1970_is_not_believed() {
    for told in ["0", "37", "3.07", "\"1970-01-01T07:00:37\""] {
        not_believed(told, "never set");
    }
}

#[test]
fn a_clock_that_counts_from_2000_is_not_believed() {
    for told in ["946684800", "946684837000", "\"2000-01-01T00:00:37\""] {
        not_believed(told, "never set");
    }
}

#[test]
fn a_clock_one_hour_ahead_is_not_believed() {
    not_believed("\"2026-11-24T08:00:00\"", "further ahead");
}

#[test]
fn a_clock_one_hour_behind_shows_as_delay() {
    let story = explain("j/d", r#"{"t":"2026-11-24T06:00:00","temp":27.5}"#);
    assert_eq!(stored(&story), ["2026-11-23T23:00:00Z air_temperature_c=27.5 1"]);
    assert!(story.points[0].contains("delay_s=3600"), "{story:#?}");
}

#[test]
fn numbers_in_text_with_their_units_are_numbers() {
    check(
        "j/d",
        r#"{"level":"2000 mm","temp":"25 C","hum":"45%","bat":"2.885 V"}"#,
        &[
            "2026-11-24T00:00:00Z water_level_m=2 1",
            "2026-11-24T00:00:00Z air_temperature_c=25 1",
            "2026-11-24T00:00:00Z relative_humidity_pct=45 1",
            "2026-11-24T00:00:00Z battery_v=2.885 1",
        ],
    );
    check("j/d", r#"{"temp":"26.10"}"#, &["2026-11-24T00:00:00Z air_temperature_c=26.1 1"]);
}

/// The sentinel is flagged as missing and has no value; what is next to it is a value.
fn sentinel(name: &str, told: &str, beside: &str, stored_beside: &str) {
    let field = stored_beside.split('=').next().expect("a field");
    check("s/d", &format!(r#"{{"{name}":{told}}}"#), &[&format!("{RECEIVED} {field}=- 9")]);
    check("s/d", &format!(r#"{{"{name}":{beside}}}"#), &[&format!("{RECEIVED} {stored_beside}")]);
}

#[test]
fn the_sentinel_1_below_zero_is_no_value() {
    sentinel("pm", "-1", "1", "pm25_ugm3=1 1");
    sentinel("pm", "-1.00", "0", "pm25_ugm3=0 1");
}

#[test]
fn the_sentinel_128_below_zero_is_no_value() {
    sentinel("temp_128", "-128", "28", "air_temperature_c=28 1");
}

#[test]
fn the_sentinel_127_below_zero_is_no_value() {
    sentinel("temp_127", "-127", "27", "air_temperature_c=27 1");
}

#[test]
fn the_sentinel_1000_below_zero_is_no_value() {
    sentinel("level_1000", "-1000", "-999", "water_level_m=-0.999 1");
}

#[test]
fn the_sentinel_of_16_bits_all_set_is_no_value() {
    sentinel("level_65535", "65535", "6553", "water_level_m=6.553 1");
}

#[test]
fn the_sentinel_of_15_bits_all_set_is_no_value() {
    sentinel("level_32767", "32767", "3276", "water_level_m=3.276 1");
}

#[test]
fn the_sentinel_327_67_is_no_value() {
    sentinel("temp_327", "327.67", "32.76", "container_temperature_c=32.76 1");
}

#[test]
fn the_sentinel_3276_7_is_no_value() {
    sentinel("temp_3276", "3276.7", "327.6", "container_temperature_c=32.76 1");
}

#[test]
fn the_sentinel_6553_5_is_no_value() {
    sentinel("temp_6553", "6553.5", "655.3", "container_temperature_c=65.53 1");
}

#[test]
fn the_sentinel_85_of_a_ds18b20_is_no_value() {
    // 84.9 is hot for a bin, so it is suspect, and a value.
    sentinel("temp_85", "85.0", "84.9", "container_temperature_c=84.9 3");
}

#[test]
fn the_sentinel_20000_mm_is_no_value() {
    sentinel("level_20000", "20000", "14999", "water_level_m=14.999 1");
}

#[test]
fn a_layout_reads_below_zero_where_a_vendors_codec_is_off_by_one() {
    // A codec runs as it is published, with its mistake.
    check("hex/codec/d", "fff6", &["2026-11-24T00:00:00Z air_temperature_c=-0.9 3"]);
    check("hex/level/d", "fff6", &["2026-11-24T00:00:00Z air_temperature_c=-1 3"]);
    check("hex/level/d", "0113", &["2026-11-24T00:00:00Z air_temperature_c=27.5 1"]);
}

#[test]
fn a_layout_reads_bits_where_a_vendors_codec_mistakes_precedence() {
    // `b[0] & 0x0f << 8 | b[1]` is `b[0] & (0x0f << 8) | b[1]`, and loses the four bits.
    check("hex/angle/d", "f708", &["2026-11-24T00:00:00Z wind_from_direction_deg=180 1"]);
}

#[test]
fn a_layout_reads_a_float_where_a_vendors_codec_loses_its_exponent() {
    check("hex/float/d", "3fa00000", &["2026-11-24T00:00:00Z water_level_m=1.25 1"]);
    check("hex/float/d", "bf800000", &["2026-11-24T00:00:00Z water_level_m=-1 1"]);
}

#[test]
fn a_total_that_wraps_at_16_bits_is_no_fast_change() {
    let (transform, mut state) = (transform(), State::default());
    let mut told = |total: u32, received: &str| {
        let payload = format!(r#"{{"rain":{total}}}"#);
        stored(&explained(&transform, "j/d", &payload, received, &mut state))
    };
    assert_eq!(told(65_530, "2026-11-24T00:00:00Z"), ["2026-11-24T00:00:00Z rain_total_mm=65530 1"]);
    assert_eq!(told(4, "2026-11-24T00:01:00Z"), ["2026-11-24T00:01:00Z rain_total_mm=4 1"]);
    // A jump forward is.
    assert_eq!(told(50_000, "2026-11-24T00:02:00Z"), ["2026-11-24T00:02:00Z rain_total_mm=50000 3"]);
}

#[test]
fn an_alarm_that_repeats_its_measurement_is_one_reading() {
    check(
        "hex/bin/d",
        "03670101 8367010101 04824408 8482440801",
        &[
            "2026-11-24T00:00:00Z container_temperature_c=25.7 1",
            "2026-11-24T00:00:00Z fill_distance_m=2.116 1",
        ],
    );
}

#[test]
fn an_array_of_channels_is_a_point_for_each() {
    let story = explain("j/d", r#"{"noise":[55.5,61]}"#);
    let points: Vec<_> = story.points.iter().filter_map(|point| point.split_once(" laeq_dba=")).collect();
    assert_eq!(points.len(), 2, "{story:#?}");
    assert!(points[0].0.contains("channel=0") && points[0].1.starts_with("55.5"), "{story:#?}");
    assert!(points[1].0.contains("channel=1") && points[1].1.starts_with("61"), "{story:#?}");
}

#[test]
fn a_state_in_words_is_a_number_and_an_unknown_word_none() {
    check(
        "j/d",
        r#"{"spot":"occupied","tilt":"tilt","leak":"leak"}"#,
        &[
            "2026-11-24T00:00:00Z occupied_state=1 1",
            "2026-11-24T00:00:00Z online_state=0 1",
            "2026-11-24T00:00:00Z lamp_on_state=1 1",
        ],
    );
    let story = explain("j/d", r#"{"spot":"reserved","tilt":"normal"}"#);
    assert_eq!(stored(&story), ["2026-11-24T00:00:00Z online_state=1 1"]);
    assert_eq!(story.decision.reason, Some(Reason::WrongType), "{story:#?}");
}

/// All text below a folder.
fn text_below(folder: &Path, ending: &str, all: &mut String) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            text_below(&path, ending, all);
        } else if path.extension().is_some_and(|own| own == ending) {
            all.push_str(&std::fs::read_to_string(&path).expect("text"));
        }
    }
}

#[test]
fn every_test_and_golden_message_that_the_table_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut tests, mut golden) = (String::new(), String::new());
    text_below(&root.join("src"), "rs", &mut tests);
    tests.push_str(include_str!("traps.rs"));
    text_below(&root.join("tests/golden/formats"), "toml", &mut golden);
    let rows = include_str!("traps.rs").lines().filter_map(|line| line.strip_prefix("//! | "));
    let mut named = 0;
    for row in rows.skip(1) {
        let (_, held) = row.split_once(" | ").expect("two columns");
        for name in held.split('`').skip(1).step_by(2).filter_map(|name| name.rsplit("::").next()) {
            // Without its end: `the_sentinel_…` are several. A short one is a format, or a script of the golden codecs.
            let name = name.trim_end_matches('…');
            let script = root.join(format!("tests/golden/codecs/{name}.js"));
            let format = root.join(format!("tests/golden/formats/{name}.toml"));
            assert!(tests.contains(&format!("fn {name}")) || script.exists() || format.exists(), "{name}");
            named += 1;
        }
        for name in held.split('"').skip(1).step_by(2) {
            let name = name.trim_end_matches('…').trim_end_matches(", ");
            let quoted = ["'", "\""].map(|quote| format!("name = {quote}{name}"));
            assert!(quoted.iter().any(|name| golden.contains(name)), "{name}");
            named += 1;
        }
    }
    assert!(named > 40, "{named}");
}
