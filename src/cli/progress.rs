//! Progress of long work: one line on stderr, where that is a terminal, with rate and time left.

use crate::settings::Span;
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_millis(200);

#[derive(Debug)]
pub(super) struct Progress {
    shown: bool,
    /// What is counted.
    thing: &'static str,
    began: Instant,
    drawn: Instant,
}

impl Progress {
    /// `free`: nothing else is written to the terminal meanwhile.
    pub(super) fn new(free: bool) -> Self {
        Self::of("points", free)
    }

    /// The same for other things than points.
    pub(super) fn of(thing: &'static str, free: bool) -> Self {
        let now = Instant::now();
        Self { shown: free && std::io::stderr().is_terminal(), thing, began: now, drawn: now }
    }

    /// `count` are done, which is the share `done` of all.
    pub(super) fn step(&mut self, count: u64, done: f64) {
        if self.shown && self.drawn.elapsed() >= EVERY {
            self.drawn = Instant::now();
            self.draw(&format!("\r{}\x1b[K", line(count, self.thing, done, self.began.elapsed())));
        }
    }

    /// The line goes.
    pub(super) fn end(&self) {
        if self.shown {
            self.draw("\r\x1b[K");
        }
    }

    /// A terminal that cannot be written to spoils no work.
    fn draw(&self, text: &str) {
        let mut err = std::io::stderr().lock();
        let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn line(count: u64, thing: &str, done: f64, taken: Duration) -> String {
    let done = if done.is_finite() { done.clamp(0.0, 1.0) } else { 0.0 };
    let rate = count as f64 / taken.as_secs_f64().max(0.001);
    let mut line = format!("{count} {thing}, {:.0} %, {rate:.0}/s", done * 100.0);
    // Before one per cent is done nobody can tell.
    if done >= 0.01
        && let Ok(left) = Duration::try_from_secs_f64(taken.as_secs_f64() * (1.0 - done) / done)
    {
        let left = Duration::from_secs(left.as_secs());
        line.push_str(&format!(", {} left", Span(left)));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_and_time_left_are_told_once_they_can_be() {
        let ten = Duration::from_secs(10);
        assert_eq!(line(5_000, "points", 0.25, ten), "5000 points, 25 %, 500/s, 30s left");
        assert_eq!(line(5, "points", 0.001, ten), "5 points, 0 %, 0/s");
        assert_eq!(line(0, "points", f64::NAN, Duration::ZERO), "0 points, 0 %, 0/s");
        assert_eq!(line(7, "points", 9.0, ten), "7 points, 100 %, 1/s, 0s left");
    }
}
