//! Measures what nadikota costs, each figure beside a reference of the same run; never judged by time.

#![allow(unreachable_pub, reason = "a bench binary exports nothing")]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a bench ends at the first surprise, and its figures are for people"
)]

mod backlog;
mod boxed;
mod cases;
mod client;
mod formats;
mod hostile;
mod latency;
mod load;
mod machine;
mod memory;
mod page;
mod parts;
mod puback;
mod report;
mod sink;
mod small;
mod start;
mod store;
#[path = "../it/support/mod.rs"]
mod support;

use std::process::ExitCode;
use std::time::Instant;

use report::Report;

/// How much is done.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    pub quick: bool,
}

impl Scale {
    /// The first in a quick run, the second in a whole one.
    pub const fn of<T: Copy>(self, quick: T, whole: T) -> T {
        if self.quick { quick } else { whole }
    }

    /// How often a figure is taken whose median is told.
    pub const fn rounds(self) -> usize {
        self.of(1, 3)
    }
}

type Measure = fn(Scale, &mut Report);

/// Name, title of its section, and what makes it; the page has the sections in this order.
const MEASURES: &[(&str, &str, Measure)] = &[
    ("parts", "The parts alone", parts::measure),
    ("formats", "Formats", formats::measure),
    ("hostile", "Hostile payloads", hostile::measure),
    ("store", "The embedded store", store::measure),
    ("backlog", "Draining a backlog", backlog::measure),
    ("latency", "From publish to query", latency::measure),
    ("puback", "The time to the PUBACK", puback::measure),
    ("memory", "Memory", memory::measure),
    ("page", "The live page", page::measure),
    ("small", "A small box", small::measure),
    ("start", "Starting, and a large backlog", start::measure),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if arguments.first().is_some_and(|first| first == "client") {
        client::run(&arguments[1..]);
        return ExitCode::SUCCESS;
    }
    if arguments.len() == 3 && arguments[0] == "hostile" {
        hostile::run(&arguments[1..]);
        return ExitCode::SUCCESS;
    }
    let (options, chosen): (Vec<_>, Vec<_>) =
        arguments.iter().partition(|argument| argument.starts_with('-'));
    let known = |name: &str| MEASURES.iter().any(|(known, ..)| *known == name);
    let unknown = options
        .iter()
        .filter(|option| *option != &"--quick")
        .chain(chosen.iter().filter(|name| !known(name)));
    let unknown: Vec<_> = unknown.map(|argument| argument.as_str()).collect();
    if !unknown.is_empty() {
        let names: Vec<_> = MEASURES.iter().map(|(name, ..)| *name).collect();
        println!("unknown: {}; there are --quick and {}", unknown.join(", "), names.join(", "));
        return ExitCode::from(2);
    }
    let scale = Scale { quick: !options.is_empty() };
    let titles: Vec<_> = MEASURES.iter().map(|(_, title, _)| *title).collect();
    let mut report = Report::new(titles);
    println!("{}", machine::told());
    for (name, _, measure) in MEASURES {
        if chosen.is_empty() || chosen.iter().any(|chosen| chosen == name) {
            println!("== {name}");
            let begin = Instant::now();
            measure(scale, &mut report);
            println!("== {name} took {} s", begin.elapsed().as_secs());
            if !scale.quick {
                report.write();
            }
        }
    }
    ExitCode::SUCCESS
}
