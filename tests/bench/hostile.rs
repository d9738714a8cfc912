//! Hostile payloads: the worst time and the most memory that one mebibyte of any shape costs each decoder.
//!
//! Each payload is tried in a process of its own, so that its memory is that of nobody else.

use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use nadikota::decode::{Format, Hints, Limits, Memory};
use nadikota::settings::{Problems, Section};

use super::Scale;
use super::report::{Report, short};
use shapes::{FORMATS, SHAPES, SIZE};

#[path = "../../src/decode/tests/shapes.rs"]
mod shapes;

/// What a payload may cost.
const MOST_MS: f64 = 20.0;
const MOST_MIB: f64 = 16.0;
/// The machine is shared: the quickest try is what the decoder needs.
const TRIES: usize = 3;

/// The format that a route with these settings has.
pub fn format(text: &str) -> Format {
    let tree = config::Config::builder()
        .add_source(config::File::from_str(text, config::FileFormat::Toml))
        .build()
        .expect("TOML");
    let values = tree.cache.into_table().expect("a table").into_iter().collect();
    let problems = Problems::default();
    let mut root = Section::root(values, problems.clone());
    let format = Format::read(&mut root);
    root.finish();
    assert_eq!(problems.into_vec(), vec![], "{text}");
    format.expect("a format")
}

/// The child: tries one payload and tells milliseconds and MiB.
pub fn run(arguments: &[String]) {
    let number = |index: usize| arguments[index].parse::<usize>().expect("a number");
    let ((topic, text), shape) = (FORMATS[number(0)], SHAPES[number(1)]);
    let (format, payload) = (format(text), shapes::payload(shape, SIZE));
    let zone = TimeZone::get("Asia/Jakarta").expect("a zone");
    let limits = Limits::default();
    let hints = Hints { number_text: true, zone: &zone, limits: &limits, now: 1_795_478_400_000_000_000 };
    let before = super::memory::peak(std::process::id());
    let (mut quickest, mut peak) = (Duration::MAX, 0.0);
    for _ in 0..TRIES {
        let begin = Instant::now();
        let mut memory = Memory::default();
        let _ = black_box(format.decode(topic, &payload, &hints, &mut memory));
        quickest = quickest.min(begin.elapsed());
        if peak == 0.0 {
            peak = super::memory::peak(std::process::id()) - before;
        }
    }
    println!("{} {peak}", quickest.as_secs_f64() * 1e3);
}

fn tried(format: usize, shape: usize) -> (f64, f64) {
    let program = std::env::current_exe().expect("this program");
    let child = Command::new(program).args(["hostile", &format.to_string(), &shape.to_string()]).output();
    let child = child.expect("a child");
    let told = String::from_utf8_lossy(&child.stdout).into_owned();
    let mut figures = told.split_whitespace().map(|figure| figure.parse::<f64>().expect("a figure"));
    match (figures.next(), figures.next()) {
        (Some(time), Some(memory)) => (time, memory),
        _ => panic!("{:?} {}: {child:?}", FORMATS[format], shapes::told(SHAPES[shape])),
    }
}

pub fn measure(scale: Scale, report: &mut Report) {
    let mut rows = Vec::new();
    for (number, (_, text)) in FORMATS.iter().enumerate() {
        let shapes = 0..scale.of(2, SHAPES.len());
        let all: Vec<_> = shapes.map(|shape| (shape, tried(number, shape))).collect();
        let slowest = all.iter().max_by(|a, b| a.1.0.total_cmp(&b.1.0)).expect("a shape");
        let largest = all.iter().max_by(|a, b| a.1.1.total_cmp(&b.1.1)).expect("a shape");
        let shape = |shape: usize| {
            // What a table of Markdown would take for its own.
            format!("`{}`", shapes::told(SHAPES[shape]).replace('|', "¦").replace('`', "'"))
        };
        let over = |figure: f64, most: f64| if figure > most { " **over**" } else { "" };
        let settings = text.trim().lines().map(|line| line.split_once(" = ").unwrap_or((line, "")));
        let name: Vec<_> = settings
            .map(|(key, value)| if key == "format" { value.trim_matches('"') } else { key })
            .collect();
        rows.push(vec![
            name.join(", "),
            format!("{} ms{}", short(slowest.1.0), over(slowest.1.0, MOST_MS)),
            shape(slowest.0),
            format!("{} MiB{}", short(largest.1.1), over(largest.1.1, MOST_MIB)),
            shape(largest.0),
        ]);
    }
    report.title(
        "Hostile payloads",
        &format!(
            "One mebibyte of each of {} shapes for each decoder, each in a process of its own: the worst time (of {TRIES} \
             tries the quickest) and the most resident memory beyond that of the payload. At most {MOST_MS} ms and \
             {MOST_MIB} MiB are allowed.",
            SHAPES.len()
        ),
    );
    report.table(&["decoder", "time", "by", "memory", "by"], &rows);
}
