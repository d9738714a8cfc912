//! What operators write: topic templates, names of buckets, and the configuration with all it names.

use std::fs;
use std::path::Path;

use jiff::tz::TimeZone;
use nadikota::catalogue::{Catalogue, Profiles};
use nadikota::config;
use nadikota::registry::Registry;
use nadikota::sink;
use nadikota::topic::{self, Template};

use super::{Target, Try, hash, shape};

pub fn targets() -> Vec<Target> {
    vec![
        Target {
            name: "topics",
            build: |_| topics(),
            words: &["/", "+", "#", "{a}", "{device}", "$SYS", "//", "\n", "{city}"],
        },
        Target { name: "configuration", build: configuration, words: KEYS },
        Target { name: "reference", build: |_| reference(), words: REFERENCE },
    ]
}

const KEYS: &[&str] = &[
    "[mqtt]\n",
    "[[mqtt]]\n",
    "[broker]\n",
    "[[destinations]]\n",
    "[[routes]]\n",
    "[transform]\n",
    "[time]\n",
    "[journal]\n",
    "[quarantine]\n",
    "[http]\n",
    "[log]\n",
    "[batch]\n",
    "url = ",
    "topic = ",
    "format = \"json\"\n",
    "names = \"as_sent\"\n",
    "tags = {",
    "types = {",
    "version = \"3\"\n",
    "bucket = \"t_{city}\"\n",
    "= true\n",
    "= \"64 MiB\"\n",
    "= \"1h 30m\"\n",
    "= -1\n",
    "= [[",
    "= {a={a={",
    "\"\"\"",
    "time_zone = \"Asia/Jakarta\"\n",
];
const REFERENCE: &[&str] = &[
    "[[quantities]]\n",
    "name = ",
    "unit = ",
    "range = [",
    "max_rate = ",
    "[profiles.",
    "measurement = ",
    "scale = ",
    "offset = ",
    "words = {",
    "sentinels = [",
    "quantity = ",
    "device,",
    ",city,district,site,",
    "valid_from",
    "\"\"",
];

/// Filters of MQTT once more, to hold ours against.
fn filter_matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let (mut wanted, mut levels) = (filter.split('/'), topic.split('/'));
    loop {
        match (wanted.next(), levels.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(_)) => {}
            (Some(text), Some(level)) if text == level => {}
            _ => return false,
        }
    }
}

/// The first line is a topic, the others are templates.
fn topics() -> Try {
    Box::new(|input| {
        let text = String::from_utf8_lossy(input);
        let mut lines = text.split('\n').take(12);
        let topic = lines.next().unwrap_or_default();
        let sound = topic::fault(topic.as_bytes()).is_none();
        let (mut filters, mut behaved) = (Vec::new(), Vec::new());
        for line in lines {
            let bucket = sink::Template::parse(line).map(|template| {
                let name = template.name(|tag| (tag == "city").then_some(topic));
                name.is_ok_and(|name| !name.contains(char::is_control))
            });
            behaved.push(hash(&bucket.map_err(|told| shape(&told))));
            let template = match Template::parse(line) {
                Ok(template) => template,
                Err(error) => {
                    behaved.push(hash(&shape(&error.to_string())));
                    continue;
                }
            };
            assert_eq!(template.as_str(), line);
            assert_eq!(Template::parse(line).as_ref(), Ok(&template));
            let filter = template.filter();
            let matches = sound && template.matches(topic.as_bytes());
            if sound {
                assert_eq!(matches, filter_matches(&filter, topic), "{line} as {filter} for {topic}");
            }
            let captures = if matches { template.captures(topic).count() } else { 0 };
            for (name, found) in template.captures(topic).filter(|_| matches) {
                assert_eq!(template.capture(topic, name), Some(found));
                assert!(!found.contains('/') && template.has_capture(name));
            }
            behaved.push(hash(&(matches, captures)));
            filters.push(filter);
        }
        let cover = topic::cover(filters.iter().cloned());
        assert!(cover.len() <= filters.len());
        for (at, one) in cover.iter().enumerate() {
            assert!(topic::overlap(one, one), "{one}");
            for other in &cover[at + 1..] {
                assert!(!topic::overlap(one, other) && !topic::overlap(other, one), "{one} and {other}");
            }
        }
        if sound && filters.iter().any(|filter| filter_matches(filter, topic)) {
            let taken = cover.iter().filter(|filter| filter_matches(filter, topic)).count();
            assert_eq!(taken, 1, "{topic} is brought {taken} times by {cover:?} for {filters:?}");
        }
        behaved.sort_unstable();
        behaved.dedup();
        hash(&(behaved, cover.len().min(4), sound))
    })
}

/// One file, read over nothing or over the shipped one.
fn configuration(dir: &Path) -> Try {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    for name in ["catalogue.toml", "profiles", "devices.csv"] {
        std::os::unix::fs::symlink(shipped.join(name), dir.join(name)).expect("a link");
    }
    let (file, shipped) = (dir.join("nadikota.toml"), shipped.join("nadikota.toml"));
    Box::new(move |input| {
        fs::write(&file, input).expect("a file");
        let alone = input.last().is_none_or(|byte| byte % 2 == 0);
        let files = if alone { vec![file.clone()] } else { vec![shipped.clone(), file.clone()] };
        match config::load(&files, []) {
            Ok(config) => {
                assert!(!config.destinations.is_empty());
                hash(&(
                    config.mqtt.len().min(4),
                    config.destinations.len().min(4),
                    config.routing.len().min(8),
                ))
            }
            Err(problems) => {
                assert!(!problems.is_empty(), "refused without a reason");
                let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
                assert!(told.iter().all(|text| !text.is_empty()));
                hash(&told.iter().take(4).map(|text| shape(text)).collect::<Vec<_>>())
            }
        }
    })
}

/// The first byte says whether it is the catalogue, a profile or the registry.
fn reference() -> Try {
    let catalogue = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/config/catalogue.toml"));
    let catalogue =
        Catalogue::load(&catalogue.expect("the catalogue"), "catalogue.toml").expect("a sound one");
    let zone = TimeZone::get("Asia/Jakarta").expect("a zone");
    Box::new(move |input| {
        let (which, bytes) = input.split_first().map_or((0, input), |(first, rest)| (*first, rest));
        let text = String::from_utf8_lossy(bytes);
        let told = match which % 3 {
            0 => Catalogue::load(&text, "f").map(|catalogue| catalogue.all().len()),
            1 => {
                let files = [("f".to_owned(), text.into_owned())];
                Profiles::load(&files, &catalogue)
                    .map(|profiles| usize::from(profiles.get("generic").is_some()))
            }
            _ => Registry::load(&text, "f", &zone, None).map(|registry| {
                for id in registry.ids() {
                    let _ = registry.device(id, i64::MAX);
                    let _ = registry.series(id, i64::MIN);
                }
                registry.places().len().min(registry.len())
            }),
        };
        let told = told.map(|count| count.min(5)).map_err(|wrong| {
            assert!(!wrong.is_empty());
            wrong.iter().take(3).map(|text| shape(text)).collect::<Vec<_>>()
        });
        hash(&(which % 3, told))
    })
}
