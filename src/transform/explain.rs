//! Explanation: what the transform saw and did with one message, filled in by the very code that production runs.

use std::sync::Arc;

use serde::Serialize;

use super::Decision;
use crate::catalogue::Heard;
use crate::line_protocol;
use crate::outcome::{Reason, Rejection};
use crate::point::{FieldValue, Point};
use crate::quality::Flag;
use crate::reading::{Reading, ReadingValue};

/// Everything there is to say about one message.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Explanation {
    pub topic: String,
    /// The template of the route that matched.
    pub route: Option<String>,
    pub format: Option<String>,
    /// The format that `auto` recognised.
    pub recognised: Option<String>,
    pub destination: Option<String>,
    pub captures: Vec<Capture>,
    /// Of the first sample.
    pub device: Option<String>,
    pub samples: Vec<SampleStory>,
    /// What decoded the device's bytes, and what it warned of.
    pub notes: Vec<String>,
    /// As line protocol, without line ends.
    pub points: Vec<String>,
    pub decision: DecisionStory,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Capture {
    pub name: String,
    pub text: String,
}

/// One sample: whose it is, when it was and what it holds.
#[derive(Debug, Clone, Serialize)]
pub struct SampleStory {
    pub device: Option<String>,
    pub registered: bool,
    pub profile: String,
    pub measurement: String,
    /// Unix time in nanoseconds that the payload told.
    pub told_time: Option<i64>,
    /// Unix time in nanoseconds that its points get.
    pub time: i64,
    /// What was thought of the told time.
    pub time_check: String,
    pub readings: Vec<ReadingStory>,
}

/// One reading and what became of it.
#[derive(Debug, Clone, Serialize)]
pub struct ReadingStory {
    pub name: String,
    pub value: String,
    pub unit: Option<String>,
    /// Whether the profile has the name.
    pub known: bool,
    /// The field it was stored as; `<field>_failed` where it was impossible.
    pub field: Option<String>,
    /// In the field's unit.
    pub stored: Option<f64>,
    pub flag: Option<i64>,
    /// Why it was not stored.
    pub refused: Option<String>,
    /// It was not stored because there was nothing to store.
    pub passed_over: bool,
}

/// The decision in words that JSON can hold.
#[derive(Debug, Clone, Default, Serialize)]
pub struct DecisionStory {
    /// `stored`, `partly_stored`, `quarantined` or `discarded`.
    pub outcome: String,
    pub reason: Option<Reason>,
    pub detail: Option<String>,
}

impl From<&Decision> for DecisionStory {
    fn from(decision: &Decision) -> Self {
        let (outcome, rejection) = match decision {
            Decision::Points { rest: None } => ("stored", None),
            Decision::Points { rest: Some(rest) } => ("partly_stored", Some(rest)),
            Decision::Quarantine(rejection) => ("quarantined", Some(rejection)),
            Decision::Discard(rejection) => ("discarded", Some(rejection)),
        };
        Self {
            outcome: outcome.to_owned(),
            reason: rejection.map(|rejection| rejection.reason),
            detail: rejection.map(|rejection| rejection.detail.clone()),
        }
    }
}

/// Where the transform tells what it does; in production nobody listens and nothing is built.
#[derive(Debug, Default)]
pub(super) struct Trace {
    pub(super) story: Option<Explanation>,
    /// What a codec warned of, in production too.
    pub(super) warned: Option<Warned>,
}

/// What a codec warned of.
#[derive(Debug)]
pub(super) struct Warned {
    pub(super) by: Arc<Heard>,
    pub(super) device: String,
    pub(super) texts: Vec<String>,
}

/// Of warnings in a reason: how many, and how many characters of each.
const MOST_WARNINGS: (usize, usize) = (5, 200);

impl Warned {
    /// Counts them, logs what is new, and adds them to the reason why something was not stored.
    pub(super) fn tell(self, decision: &mut Decision, secrets: impl Fn(&mut String), counts: bool) {
        let (most, long) = MOST_WARNINGS;
        let told = |text: &String| text.chars().take(long).collect::<String>();
        if counts {
            let mut device = self.device;
            secrets(&mut device);
            for text in &self.texts {
                if self.by.warning(&device, text) {
                    let mut warning = told(text);
                    secrets(&mut warning);
                    tracing::info!(device, warning, "the codec warns");
                }
            }
        }
        if let Decision::Quarantine(rejection) | Decision::Points { rest: Some(rejection) } = decision {
            let told: Vec<String> = self.texts.iter().take(most).map(told).collect();
            rejection.detail = format!("{}; the codec warns: {}", rejection.detail, told.join("; "));
        }
    }
}

impl Trace {
    /// Whether somebody is told; then nothing counts.
    pub(super) const fn listens(&self) -> bool {
        self.story.is_some()
    }

    pub(super) fn note(&mut self, tell: impl FnOnce(&mut Explanation)) {
        if let Some(explanation) = &mut self.story {
            tell(explanation);
        }
    }

    pub(super) fn stored(&mut self, reading: &Reading<'_>, field: &str, value: Option<f64>, flag: Flag) {
        self.reading(reading, |story| {
            let failed = if flag == Flag::Fail { "_failed" } else { "" };
            story.field = Some(format!("{field}{failed}"));
            story.stored = value;
            story.flag = Some(flag.number());
        });
    }

    /// A reading stored under its own name.
    pub(super) fn kept(&mut self, reading: &Reading<'_>, field: &str, value: &FieldValue) {
        self.reading(reading, |story| {
            story.field = Some(field.to_owned());
            if let FieldValue::Float(number) = value {
                story.stored = Some(*number);
            }
        });
    }

    pub(super) fn refused(&mut self, reading: &Reading<'_>, rejection: &Rejection) {
        self.reading(reading, |story| story.refused = Some(rejection.to_string()));
    }

    pub(super) fn skipped(&mut self, reading: &Reading<'_>, why: &str) {
        self.reading(reading, |story| {
            story.refused = Some(why.to_owned());
            story.passed_over = true;
        });
    }

    fn reading(&mut self, reading: &Reading<'_>, finish: impl FnOnce(&mut ReadingStory)) {
        let Some(sample) = self.story.as_mut().and_then(|explanation| explanation.samples.last_mut()) else {
            return;
        };
        let mut story = ReadingStory {
            name: reading.name.clone().into_owned(),
            value: shown(&reading.value),
            unit: reading.unit.as_deref().map(str::to_owned),
            known: false,
            field: None,
            stored: None,
            flag: None,
            refused: None,
            passed_over: false,
        };
        finish(&mut story);
        sample.readings.push(story);
    }

    /// Closes the story with its outcome.
    pub(super) fn finish(self, points: &[Point], decision: &Decision) -> Explanation {
        let mut explanation = self.story.unwrap_or_default();
        for point in points {
            let mut line = Vec::new();
            line_protocol::write(point, &mut line);
            explanation.points.push(String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned());
        }
        explanation.decision = decision.into();
        explanation
    }
}

impl Explanation {
    /// Every text that came from the message.
    pub(super) fn hide(&mut self, hide: impl Fn(&mut String)) {
        let Self { captures, device, samples, notes, points, decision, .. } = self;
        captures.iter_mut().for_each(|capture| hide(&mut capture.text));
        device.iter_mut().chain(notes).chain(points).chain(&mut decision.detail).for_each(&hide);
        for sample in samples {
            sample.device.iter_mut().for_each(&hide);
            for reading in &mut sample.readings {
                let ReadingStory { name, value, unit, field, refused, .. } = reading;
                [name, value].into_iter().chain(unit).chain(field).chain(refused).for_each(&hide);
            }
        }
    }
}

fn shown(value: &ReadingValue<'_>) -> String {
    match value {
        ReadingValue::Number(number) => number.to_string(),
        ReadingValue::Boolean(truth) => truth.to_string(),
        ReadingValue::Text(text) => format!("\"{}\"", text.escape_debug()),
        ReadingValue::Null => "null".to_owned(),
    }
}
