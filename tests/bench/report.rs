//! The report: tables of figures with their reference, told as they come and written to docs/performance.md.

use std::fmt::Write as _;
use std::path::Path;

use super::machine;

#[derive(Debug)]
pub struct Report {
    text: String,
    /// All sections that something makes, in the order of the page.
    titles: Vec<&'static str>,
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
    pub fn new(titles: Vec<&'static str>) -> Self {
        Self { text: String::new(), titles }
    }

    pub fn title(&mut self, title: &str, what: &str) {
        assert!(self.titles.contains(&title), "no measure is said to make {title:?}");
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

    /// Writes the page. Sections that were not measured this time stay; those that nothing makes any more go.
    pub fn write(&self) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/performance.md");
        let former = std::fs::read_to_string(&path).unwrap_or_default();
        let mut page = format!(
            "# Performance\n\nMade by `tests/bench/run`. Machines are shared and noisy: a figure means something \
             beside its reference, which was measured in the same run. A figure with a range is the median of some \
             rounds, with the lowest and highest; one without was taken once. A section that was not measured in the \
             last run has its own date, and may be of an earlier commit.\n\nThe last run: {}",
            machine::told(),
        );
        for title in &self.titles {
            let of = |page| sections(page).find(|(known, _)| known == title);
            if let Some((title, text)) = of(&self.text).or_else(|| of(&former)) {
                let _ = write!(page, "\n## {title}\n\n{}\n", text.trim());
            }
        }
        std::fs::write(&path, page).expect("docs/performance.md");
    }
}

/// Title and text of each section.
fn sections(page: &str) -> impl Iterator<Item = (&str, &str)> {
    page.split("\n## ").skip(1).filter_map(|section| section.split_once('\n'))
}
