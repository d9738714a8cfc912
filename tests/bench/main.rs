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

    /// How often each figure is taken; the median is told.
    pub const fn rounds(self) -> usize {
        self.of(1, 3)
    }
}

type Measure = fn(Scale, &mut Report);

const MEASURES: &[(&str, Measure)] = &[
    ("parts", parts::measure),
    ("formats", formats::measure),
    ("hostile", hostile::measure),
    ("store", store::measure),
    ("backlog", backlog::measure),
    ("latency", latency::measure),
    ("puback", puback::measure),
    ("memory", memory::measure),
    ("page", page::measure),
    ("small", small::measure),
    ("start", start::measure),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if arguments.first().is_some_and(|first| first == "client") {
        return client::run(&arguments[1..]);
    }
    if arguments.len() == 3 && arguments[0] == "hostile" {
        return hostile::run(&arguments[1..]);
    }
    let scale = Scale { quick: arguments.iter().any(|argument| argument == "--quick") };
    let chosen: Vec<_> = arguments.iter().filter(|argument| !argument.starts_with("--")).collect();
    let mut report = Report::default();
    for (name, measure) in MEASURES {
        if chosen.is_empty() || chosen.iter().any(|chosen| chosen == name) {
            println!("== {name}");
            measure(scale, &mut report);
            if !scale.quick {
                report.write();
            }
        }
    }
}
