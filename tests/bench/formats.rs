//! Formats: what decoding and mapping a usual message of each costs, beside parsing JSON into a tree.

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use jiff::tz::TimeZone;
use nadikota::catalogue::{Catalogue, Profile, Profiles};
use nadikota::config;
use nadikota::decode::{Decoded, Format, Hints, Limits, Memory};
use nadikota::message::Record;
use nadikota::reading::Sample;
use nadikota::transform::{Decision, State, Transform};

use super::Scale;
use super::cases::{CASES, Case, Made, Values};
use super::hostile;
use super::report::{Report, short};

/// 2026-11-24T00:00:00Z, when all is received.
const NOW: i64 = 1_795_478_400_000_000_000;
const PROFILE: &str = "\
[profiles.bench]
extends = \"generic\"
measurement = \"air_quality\"
names = { wind_speed = \"wind_speed_ms\", battery = \"battery_v\" }
[profiles.bench_lpp.names]
analog_in_1 = \"pm25_ugm3\"
analog_in_2 = \"pm10_ugm3\"
concentration_3 = \"co2_ppm\"
temperature_4 = \"air_temperature_c\"
relative_humidity_5 = \"relative_humidity_pct\"
barometric_pressure_6 = \"air_pressure_hpa\"
analog_in_7 = \"wind_speed_ms\"
voltage_8 = \"battery_v\"
";
const DEVICES: [&str; 5] = ["d1", "kota/d1", "urn:dev:mac:0024befffe804ff1", "3394227", "Datastreams(5)"];

/// All that reads messages, as `run` would build it.
struct Reading {
    profiles: Profiles,
    transform: Arc<Transform>,
    zone: TimeZone,
    limits: Limits,
}

impl Reading {
    fn new(dir: &Path) -> Self {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
        let text = |path: &Path| std::fs::read_to_string(path).expect("a file of the repository");
        let mut paths: Vec<PathBuf> = std::fs::read_dir(shipped.join("profiles"))
            .expect("profiles")
            .map(|entry| entry.expect("a file").path())
            .collect();
        paths.sort();
        let mut files: Vec<_> = paths.iter().map(|path| (path.display().to_string(), text(path))).collect();
        files.push(("bench.toml".to_owned(), PROFILE.to_owned()));
        let catalogue = Catalogue::load(&text(&shipped.join("catalogue.toml")), "catalogue.toml");
        let profiles =
            Profiles::load(&files, &catalogue.expect("a sound catalogue")).expect("sound profiles");
        // Codecs lie beside the profiles that name them, and none is needed here.
        let own = dir.join("profiles");
        std::fs::create_dir_all(&own).expect("a folder");
        for (index, (_, text)) in files.iter().enumerate().filter(|(_, (_, text))| !text.contains("codec ="))
        {
            std::fs::write(own.join(format!("{index}.toml")), text).expect("a profile");
        }
        let header = text(&shipped.join("devices.csv"));
        let mut devices = header.lines().find(|line| line.starts_with("id,")).expect("a header").to_owned();
        for id in DEVICES {
            let _ = write!(devices, "\n{id},pasuruan,bugul-kidul,site,,,,,,,");
        }
        std::fs::write(dir.join("devices.csv"), devices).expect("a registry");
        let mut configuration = format!(
            "time_zone = \"Asia/Jakarta\"\nprofiles = {own:?}\ndevices = {:?}\n[log]\nlevel = \"warn\"\n\
             [[destinations]]\nkind = \"embedded\"\n",
            dir.join("devices.csv"),
        );
        for Case { template, settings, profile, .. } in CASES {
            let _ = write!(
                configuration,
                "[[routes]]\ntopic = \"{template}\"\n{settings}\nprofile = \"{profile}\"\n"
            );
        }
        let path = dir.join("formats.toml");
        std::fs::write(&path, configuration).expect("a configuration");
        let transform = config::load(&[path], []).expect("a right configuration").transform;
        let zone = TimeZone::get("Asia/Jakarta").expect("a zone");
        Self { profiles, transform, zone, limits: Limits::default() }
    }

    fn decoded<'a>(
        &self,
        format: &'a Format,
        profile: &Profile,
        memory: &mut Memory,
        topic: &'a str,
        payload: &'a [u8],
    ) -> Decoded<'a> {
        let (number_text, zone, limits) = (profile.number_text, &self.zone, &self.limits);
        let hints = Hints { number_text, zone, limits, now: NOW };
        format.decode(topic, payload, &hints, memory).expect("a sound message")
    }

    /// Decodes one message and maps it; how many readings had a quantity.
    fn mapped(
        &self,
        format: &Format,
        profile: &Profile,
        memory: &mut Memory,
        topic: &str,
        payload: &[u8],
    ) -> usize {
        match self.decoded(format, profile, memory, topic, payload) {
            Decoded::Samples { samples, rest: None } => samples.iter().map(|one| map(one, profile)).sum(),
            Decoded::Uplink(uplink) => {
                let decoded = uplink.decoded.unwrap_or_default();
                let radio = Sample { readings: uplink.radio, ..Sample::default() };
                decoded.iter().chain([&radio]).map(|one| map(one, profile)).sum()
            }
            other => panic!("{other:?}"),
        }
    }
}

fn map(sample: &Sample<'_>, profile: &Profile) -> usize {
    let mut count = 0;
    for reading in &sample.readings {
        if let Some((mapping, channel)) = profile.mapping(&reading.name) {
            let value = mapping.apply(&reading.value, reading.unit.as_deref()).expect("a value");
            black_box((value, channel));
            count += 1;
        }
    }
    count
}

/// Microseconds for each message.
fn cost(messages: usize, work: impl FnOnce()) -> f64 {
    let begin = Instant::now();
    work();
    begin.elapsed().as_secs_f64() * 1e6 / messages as f64
}

/// Microseconds of the reference, and times of it: decoding, decoding and mapping, and the whole way to points. Of short rounds
/// the quickest counts: the others were interrupted, for the machine is shared.
fn measured(reading: &Reading, case: &Case, scale: Scale) -> [f64; 4] {
    let (count, rounds) = (scale.of(20, 500), scale.of(1, 300));
    let mut values = Values::new();
    let made = (0..count).map(|_| {
        values.next();
        (case.make)(&mut values)
    });
    let made: Vec<Made> = made.collect();
    let format = hostile::format(case.settings);
    let of_model = ["AirQualityObserved"].iter().find_map(|model| reading.profiles.of_model(model));
    let own = reading.profiles.get(case.profile);
    let profile = if case.profile == "fiware" { of_model } else { own }.expect("a profile");
    let records: Vec<Record> = made
        .iter()
        .map(|one| Record::pasted(case.topic.to_owned().into(), one.payload.clone().into(), NOW, false))
        .collect();
    let (mut state, mut points, mut memory) = (State::default(), Vec::new(), Memory::default());
    for one in &made {
        assert_eq!(
            reading.mapped(&format, profile, &mut memory, case.topic, &one.payload),
            case.mapped,
            "{}",
            case.name
        );
    }
    for record in &records {
        let decision = reading.transform.apply(record, &mut state, &mut points);
        assert_eq!(decision, Decision::Points { rest: None }, "{}", case.name);
        points.clear();
    }
    let mut quickest = [f64::INFINITY; 4];
    for _ in 0..rounds {
        let parsed = cost(count, || {
            for one in &made {
                let json = one.json.as_deref().unwrap_or(&one.payload);
                black_box(serde_json::from_slice::<serde_json::Value>(json).expect("JSON"));
            }
        });
        let decoded = cost(count, || {
            for one in &made {
                black_box(reading.decoded(&format, profile, &mut memory, case.topic, &one.payload));
            }
        });
        let mapped = cost(count, || {
            for one in &made {
                black_box(reading.mapped(&format, profile, &mut memory, case.topic, &one.payload));
            }
        });
        let whole = cost(count, || {
            for record in &records {
                points.clear();
                black_box(reading.transform.apply(record, &mut state, &mut points));
            }
        });
        for (least, now) in quickest.iter_mut().zip([parsed, decoded, mapped, whole]) {
            *least = least.min(now);
        }
    }
    let [parsed, decoded, mapped, whole] = quickest;
    [parsed, decoded / parsed, mapped / parsed, whole / parsed]
}

pub fn measure(scale: Scale, report: &mut Report) {
    let dir = tempfile::tempdir().expect("a directory");
    let reading = Reading::new(dir.path());
    let mut rows = Vec::new();
    for case in CASES {
        let [parsed, decoded, mapped, whole] = measured(&reading, case, scale);
        let target = case.target.map_or_else(String::new, |target| {
            let missed = if mapped > target { " **missed**" } else { "" };
            format!("{}{missed}", short(target))
        });
        let mut values = Values::new();
        values.next();
        let one = (case.make)(&mut values);
        rows.push(vec![
            if one.json.is_some() { format!("{} ¹", case.name) } else { case.name.to_owned() },
            one.payload.len().to_string(),
            format!("{} µs", short(parsed)),
            short(decoded),
            short(mapped),
            target,
            short(whole),
        ]);
    }
    report.title(
        "Formats",
        "One core: a usual message of each format, decoded and mapped to quantities, in times of what \
         `serde_json::Value` takes to parse the same bytes; ¹ where these are no JSON, or one bare number, a JSON message \
         of the same readings. Of three hundred short rounds the quickest, for the others were interrupted. The last column is the whole way to points: identity, time, checks and flags too.",
    );
    report.table(
        &["format", "bytes", "`serde_json::Value`", "decoded", "decoded and mapped", "at most", "to points"],
        &rows,
    );
}
