//! The report: tables of figures with their reference, told as they come and written to docs/performance.md.

use std::fmt::Write as _;
use std::path::Path;

#[derive(Debug, Default)]
pub struct Report {
    text: String,
}

/// The middle of some figures, with the lowest and highest.
#[derive(Debug, Clone, Copy)]
pub struct Median {
    pub value: f64,
    low: f64,
    high: f64,
}

impl Median {
    pub fn of(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        let value = figures[figures.len() / 2];
        Self { value, low: figures[0], high: figures[figures.len() - 1] }
    }

    /// With its spread, in the given unit.
    pub fn told(self, unit: &str) -> String {
        format!("{} {unit} ({}–{})", short(self.value), short(self.low), short(self.high))
    }
}

/// Three digits are all that a shared machine can tell.
pub fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 1000.0 => {
            let digits = format!("{value:.0}");
            let (mut told, start) = (String::new(), digits.len() % 3);
            for (index, digit) in digits.chars().enumerate() {
                if index > 0 && index % 3 == start % 3 {
                    told.push(',');
                }
                told.push(digit);
            }
            told
        }
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

impl Report {
    pub fn title(&mut self, title: &str, what: &str) {
        let day = jiff::Timestamp::now().strftime("%Y-%m-%d");
        self.add(&format!("\n## {title}\n\n{what} Measured {day}.\n\n"));
    }

    pub fn table(&mut self, head: &[&str], rows: &[Vec<String>]) {
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let mut text = line(head.iter().map(|cell| (*cell).to_owned()).collect());
        text.push_str(&line(head.iter().map(|_| "---".to_owned()).collect()));
        rows.iter().for_each(|row| text.push_str(&line(row.clone())));
        self.add(&text);
    }

    pub fn note(&mut self, text: &str) {
        self.add(&format!("\n{text}\n"));
    }

    fn add(&mut self, text: &str) {
        print!("{text}");
        self.text.push_str(text);
    }

    /// Writes the page; sections that were not measured this time stay.
    pub fn write(&self) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/performance.md");
        let former = std::fs::read_to_string(&path).unwrap_or_default();
        let mut sections: Vec<_> = sections(&former).collect();
        for (title, text) in self::sections(&self.text) {
            match sections.iter_mut().find(|(known, _)| *known == title) {
                Some(section) => section.1 = text,
                None => sections.push((title, text)),
            }
        }
        let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpu
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
            .map_or("unknown", |(_, name)| name);
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let mut page = format!(
            "# Performance\n\nMade by `tests/bench/run`. Machines are shared and noisy: a figure means something \
             beside its reference, which was measured in the same run. Medians, with the lowest and highest.\n\n\
             nadikota {}, release profile; {cores} cores of {model}; Mosquitto 2.0.11, InfluxDB 1.6.7, all on one \
             machine over loopback.\n",
            env!("CARGO_PKG_VERSION"),
        );
        for (title, text) in sections {
            let _ = write!(page, "\n## {title}\n\n{}\n", text.trim());
        }
        std::fs::write(&path, page).expect("docs/performance.md");
    }
}

/// Title and text of each section.
fn sections(page: &str) -> impl Iterator<Item = (&str, &str)> {
    page.split("\n## ").skip(1).filter_map(|section| section.split_once('\n'))
}
