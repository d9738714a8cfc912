//! The writer: gives every line of a batch its verdict, however often and in however small pieces it must ask.
//!
//! A batch of `n` lines with `k` bad ones needs one request where all are good; one more for each answer that names
//! its bad lines; else at most `1 + 2·k·(log2(n/k) + 2)` by halving. An answer that says all were dropped is
//! believed. Sending a line again is harmless: it overwrites itself.

mod client;
pub mod control;
mod verdict;

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::config::Influx;
use super::{LineVerdict, Stopped};
use crate::backoff::Backoff;
use crate::batch::Batch;
use crate::outcome::{Reason, Rejection};
use crate::status::Part;
use client::Client;
use verdict::Verdict;

const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// A database that asks for more is asked again sooner.
const LONGEST_ASKED: Duration = Duration::from_secs(300);
/// An answer that names lines is followed this often; then halving is quicker.
const NAMED_ROUNDS: u32 = 3;

/// Writes to one InfluxDB; several deliveries may be under way at once.
#[derive(Debug)]
pub struct Writer {
    client: Client,
    place: String,
    part: Part,
    /// A line the database took: if even that is refused, it is not about our lines.
    good_line: Mutex<Option<Vec<u8>>>,
    troubled: Mutex<Option<String>>,
    pub requests: AtomicU64,
    pub retries: AtomicU64,
    pub write_nanos: AtomicU64,
}

/// How one piece of a batch ended.
enum Piece {
    Stored,
    Refused { why: String, whole: String },
    TooLarge,
}

impl Writer {
    pub fn new(config: &Influx, part: Part) -> Result<Self, reqwest::Error> {
        let place = config.url.host_str().unwrap_or("?").to_owned();
        let place = format!("{place}:{}", config.url.port_or_known_default().unwrap_or(0));
        part.ok();
        Ok(Self {
            client: Client::new(config)?,
            place,
            part,
            good_line: Mutex::default(),
            troubled: Mutex::default(),
            requests: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            write_nanos: AtomicU64::new(0),
        })
    }

    /// Returns when every line has its verdict, or when stopped.
    pub async fn deliver(
        &self,
        batch: &Batch,
        stop: &CancellationToken,
    ) -> Result<Vec<LineVerdict>, Stopped> {
        let mut verdicts = vec![None; batch.len()];
        let mut pieces = vec![(Vec::from_iter(0..batch.len()), 0)];
        while let Some((lines, rounds)) = pieces.pop() {
            match self.settle(batch, &lines, stop).await? {
                Piece::Stored => self.keep_good_line(batch, &lines, &mut verdicts),
                Piece::TooLarge => match lines.as_slice() {
                    [line] => {
                        let size = batch.line(*line).len();
                        let detail = format!("the database takes no line of {size} bytes");
                        refuse(&mut verdicts, *line, Reason::LineTooLarge, detail);
                    }
                    _ => halve(lines, &mut pieces),
                },
                Piece::Refused { why, whole } => {
                    if let [line] = lines.as_slice() {
                        let nothing_accepted = !verdicts.contains(&Some(LineVerdict::Stored));
                        if nothing_accepted && !self.takes_good_line(stop).await? {
                            // Not about the line: the whole batch is tried again.
                            verdicts.fill(None);
                            pieces = vec![(Vec::from_iter(0..batch.len()), 0)];
                            continue;
                        }
                        refuse(&mut verdicts, *line, Reason::RefusedByDatabase, why);
                    } else if dropped(&whole).is_some_and(|dropped| dropped >= lines.len()) {
                        for line in lines {
                            refuse(&mut verdicts, line, Reason::RefusedByDatabase, why.clone());
                        }
                    } else {
                        let named =
                            if rounds < NAMED_ROUNDS { named(batch, &lines, &whole) } else { HashSet::new() };
                        if named.is_empty() {
                            halve(lines, &mut pieces);
                            continue;
                        }
                        for line in &named {
                            refuse(&mut verdicts, *line, Reason::RefusedByDatabase, why.clone());
                        }
                        let rest: Vec<_> = lines.into_iter().filter(|line| !named.contains(line)).collect();
                        if !rest.is_empty() {
                            pieces.push((rest, rounds + 1));
                        }
                    }
                }
            }
        }
        Ok(verdicts.into_iter().map(|verdict| verdict.unwrap_or(LineVerdict::Stored)).collect())
    }

    /// Sends some lines until the database says something about them.
    async fn settle(
        &self,
        batch: &Batch,
        lines: &[usize],
        stop: &CancellationToken,
    ) -> Result<Piece, Stopped> {
        let text = if lines.len() == batch.len() {
            batch.text.clone()
        } else {
            lines.iter().flat_map(|line| batch.lines(*line, line + 1)).copied().collect()
        };
        self.ask(&text, stop).await
    }

    async fn ask(&self, text: &[u8], stop: &CancellationToken) -> Result<Piece, Stopped> {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        loop {
            let started = Instant::now();
            self.requests.fetch_add(1, Ordering::Relaxed);
            let answer = tokio::select! {
                () = stop.cancelled() => return Err(Stopped),
                answer = self.client.write(text) => answer,
            };
            let verdict = match answer {
                Ok(answer) => {
                    let after = answer.retry_after.as_deref();
                    verdict::judge(answer.status, after, &answer.body, Timestamp::now())
                }
                Err(why) => Verdict::Wait { after: None, why },
            };
            let (wait, why, what_to_do) = match verdict {
                Verdict::Stored => {
                    let nanos = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
                    self.write_nanos.fetch_add(nanos, Ordering::Relaxed);
                    self.recovered();
                    return Ok(Piece::Stored);
                }
                Verdict::Refused { why, whole } => {
                    self.recovered();
                    return Ok(Piece::Refused { why, whole });
                }
                Verdict::TooLarge => return Ok(Piece::TooLarge),
                Verdict::Wait { after, why } => {
                    let wait = backoff.next_wait();
                    let wait = after.map_or(wait, |after| after.min(LONGEST_ASKED).max(FIRST_WAIT));
                    (wait, why, "check that the database runs and is reachable; it tries again by itself")
                }
                Verdict::Hold { why, what_to_do } => (backoff.next_wait(), why, what_to_do),
            };
            self.retries.fetch_add(1, Ordering::Relaxed);
            self.trouble(&why, what_to_do);
            tokio::select! {
                () = stop.cancelled() => return Err(Stopped),
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Whether the database still takes a line that it took before; true where there is none to try.
    async fn takes_good_line(&self, stop: &CancellationToken) -> Result<bool, Stopped> {
        let line = self.good_line.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(line) = line else { return Ok(true) };
        match self.ask(&line, stop).await? {
            Piece::Stored => return Ok(true),
            // The line itself may have become bad: too old for the retention, or of a field that was made anew.
            Piece::Refused { whole, .. } if aged(&whole) => {
                *self.good_line.lock().unwrap_or_else(PoisonError::into_inner) = None;
                return Ok(true);
            }
            Piece::Refused { .. } | Piece::TooLarge => {}
        }
        self.trouble(
            "a line that it took before is refused now",
            "something between here and the database changes or refuses requests: check proxy and configuration",
        );
        tokio::select! {
            () = stop.cancelled() => Err(Stopped),
            () = tokio::time::sleep(LONGEST_WAIT) => Ok(false),
        }
    }

    fn keep_good_line(&self, batch: &Batch, lines: &[usize], verdicts: &mut [Option<LineVerdict>]) {
        for line in lines {
            if let Some(verdict) = verdicts.get_mut(*line) {
                *verdict = Some(LineVerdict::Stored);
            }
        }
        // The last one: of several of one identity it is the one whose values stand.
        if let Some(last) = lines.last() {
            let line = batch.lines(*last, last + 1).to_vec();
            *self.good_line.lock().unwrap_or_else(PoisonError::into_inner) = Some(line);
        }
    }

    /// Told once for each kind of trouble, not for each try.
    fn trouble(&self, why: &str, what_to_do: &str) {
        let place = &self.place;
        self.part.degraded(format!("{place}: {why}"), what_to_do);
        let mut troubled = self.troubled.lock().unwrap_or_else(PoisonError::into_inner);
        if troubled.as_deref() != Some(why) {
            tracing::warn!(database = place, why, "the database does not take points; they are kept");
            *troubled = Some(why.to_owned());
        }
    }

    fn recovered(&self) {
        self.part.ok();
        if self.troubled.lock().unwrap_or_else(PoisonError::into_inner).take().is_some() {
            tracing::info!(database = self.place, "the database takes points again");
        }
    }
}

fn refuse(verdicts: &mut [Option<LineVerdict>], line: usize, reason: Reason, detail: String) {
    if let Some(verdict) = verdicts.get_mut(line) {
        *verdict = Some(LineVerdict::Refused(Rejection::new(reason, detail)));
    }
}

fn halve(mut lines: Vec<usize>, pieces: &mut Vec<(Vec<usize>, u32)>) {
    let second = lines.split_off(lines.len() / 2);
    pieces.push((second, NAMED_ROUNDS));
    pieces.push((lines, NAMED_ROUNDS));
}

/// How many points a partial write dropped, where the answer tells.
fn dropped(why: &str) -> Option<usize> {
    // At the very end: anything before may be a device's own text.
    let (_, count) = why.trim_end().rsplit_once("dropped=")?;
    count.parse().ok()
}

/// Whether a refusal can be of a line that was once taken.
fn aged(why: &str) -> bool {
    let why = why.to_ascii_lowercase();
    ["retention", "time outside", "type conflict"].iter().any(|mark| why.contains(mark))
}

/// The lines that an answer names: `unable to parse '<line>': why`, once or several times.
fn named(batch: &Batch, lines: &[usize], why: &str) -> HashSet<usize> {
    let mut found = HashSet::new();
    for part in why.split("unable to parse '").skip(1) {
        let part = part.as_bytes();
        let line = lines.iter().find(|line| {
            let text = batch.line(**line);
            part.starts_with(text) && part.get(text.len()..).is_some_and(|rest| rest.starts_with(b"':"))
        });
        found.extend(line);
    }
    found
}

#[cfg(test)]
mod tests;
