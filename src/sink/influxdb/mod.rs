//! The writer: gives every line of a batch its verdict, however often and in however small pieces it must ask.
//!
//! A batch of `n` lines with `k` bad ones needs one request where all are good; one more for each answer that names
//! its bad lines; else at most `1 + 2·k·(log2(n/k) + 2)` by halving. An answer that says all were dropped is
//! believed. Lines that were not named are sent again even where the database says that it took them, because a
//! list can be cut; sending a line again is harmless: it overwrites itself. While a bucket is in trouble one request
//! at a time asks on behalf of all.

mod answer;
mod client;
pub mod control;
mod standing;
mod verdict;

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::config::Influx;
use super::{LineVerdict, Meter, Stopped, Template};
use crate::backoff::Backoff;
use crate::batch::Batch;
use crate::outcome::{Reason, Rejection};
use crate::status::Part;
use client::Client;
use standing::Standings;
use verdict::{Refusal, Verdict};

const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// A database that asks for more is asked again sooner.
const LONGEST_ASKED: Duration = Duration::from_secs(300);
const FOR_TOO_LONG: &str = "; for longer than hold_for, so what is for it goes to quarantine";
/// An answer that names lines is followed this often; then halving is quicker.
const NAMED_ROUNDS: u32 = 3;

/// Writes to one InfluxDB; several deliveries may be under way at once.
#[derive(Debug)]
pub struct Writer {
    client: Client,
    template: Template,
    standings: Standings,
    hold_for: Option<Duration>,
    pub meter: Meter,
}

/// How one piece of a batch ended.
enum Piece {
    Stored,
    Refused(Refusal),
    TooLarge,
    /// Everything has been refused for too long.
    GivenUp(String),
}

impl Writer {
    pub fn new(config: &Influx, part: Part) -> Result<Self, reqwest::Error> {
        let place = config.url.host_str().unwrap_or("?").to_owned();
        let place = format!("{place}:{}", config.url.port_or_known_default().unwrap_or(0));
        let template = config.place.template().clone();
        Ok(Self {
            client: Client::new(config)?,
            standings: Standings::new(place, !template.is_fixed(), part),
            template,
            hold_for: config.hold_for,
            meter: Meter::new(),
        })
    }

    /// The name of the bucket or database, or how it follows from a point's tags.
    pub const fn template(&self) -> &Template {
        &self.template
    }

    /// Returns when every line has its verdict, or when stopped. `bucket` is where the lines go, unless the name is
    /// fixed.
    pub async fn deliver(
        &self,
        batch: &Batch,
        bucket: Option<&str>,
        stop: &CancellationToken,
    ) -> Result<Vec<LineVerdict>, Stopped> {
        let bucket = bucket.unwrap_or_else(|| self.template.as_str());
        let mut verdicts = vec![None; batch.len()];
        let mut pieces = vec![(Vec::from_iter(0..batch.len()), 0)];
        let mut doubt = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        while let Some((lines, rounds)) = pieces.pop() {
            match self.settle(bucket, batch, &lines, stop).await? {
                Piece::Stored => self.keep_good_line(bucket, batch, &lines, &mut verdicts),
                Piece::TooLarge => match lines.as_slice() {
                    [line] => {
                        let size = batch.line(*line).len();
                        let detail = format!("the database takes no line of {size} bytes");
                        refuse(&mut verdicts, *line, Reason::LineTooLarge, detail);
                    }
                    _ => halve(lines, &mut pieces),
                },
                Piece::GivenUp(why) => {
                    let rest = pieces.drain(..).flat_map(|(lines, _)| lines);
                    for line in lines.into_iter().chain(rest) {
                        refuse(&mut verdicts, line, Reason::DestinationRefused, why.clone());
                    }
                }
                Piece::Refused(refusal) => {
                    if let [line] = lines.as_slice() {
                        let nothing_accepted = !verdicts.contains(&Some(LineVerdict::Stored));
                        if nothing_accepted && !self.takes_good_line(bucket, stop).await? {
                            // Not about the line: the whole batch is tried again.
                            verdicts.fill(None);
                            pieces = vec![(Vec::from_iter(0..batch.len()), 0)];
                            if let Some(why) = self.doubt(bucket, &mut doubt, stop).await? {
                                pieces.clear();
                                for line in 0..batch.len() {
                                    refuse(&mut verdicts, line, Reason::DestinationRefused, why.clone());
                                }
                            }
                            continue;
                        }
                        self.standings.recovered(bucket);
                        refuse(&mut verdicts, *line, Reason::RefusedByDatabase, refusal.why);
                        continue;
                    }
                    if dropped(&refusal.whole).is_some_and(|dropped| dropped >= lines.len()) {
                        self.standings.recovered(bucket);
                        for line in lines {
                            refuse(&mut verdicts, line, Reason::RefusedByDatabase, refusal.why.clone());
                        }
                        continue;
                    }
                    let named = named(batch, &lines, &refusal, rounds);
                    if !named.is_empty() {
                        self.standings.recovered(bucket);
                    }
                    let rest: Vec<_> =
                        lines.iter().copied().filter(|line| !named.contains_key(line)).collect();
                    // Few names in a long answer: halving is quicker than to go on from name to name.
                    let slow = rounds >= NAMED_ROUNDS && named.len().saturating_mul(4) < lines.len();
                    for (line, why) in named {
                        refuse(&mut verdicts, line, Reason::RefusedByDatabase, why);
                    }
                    match rest.len() {
                        0 => {}
                        1 => pieces.push((rest, rounds)),
                        left if slow || left == lines.len() => halve(rest, &mut pieces),
                        _ => pieces.push((rest, rounds.saturating_add(1))),
                    }
                }
            }
        }
        Ok(verdicts.into_iter().map(|verdict| verdict.unwrap_or(LineVerdict::Stored)).collect())
    }

    /// Sends some lines until the database says something about them.
    async fn settle(
        &self,
        bucket: &str,
        batch: &Batch,
        lines: &[usize],
        stop: &CancellationToken,
    ) -> Result<Piece, Stopped> {
        if lines.len() == batch.len() {
            return self.ask(bucket, &batch.text, stop).await;
        }
        let text: Vec<u8> = lines.iter().flat_map(|line| batch.lines(*line, line + 1)).copied().collect();
        self.ask(bucket, &text, stop).await
    }

    async fn ask(&self, bucket: &str, text: &[u8], stop: &CancellationToken) -> Result<Piece, Stopped> {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        let circuit = self.standings.circuit(bucket);
        let mut turn = None;
        if self.standings.in_trouble(bucket) {
            turn = Some(stopped(stop, circuit.turn()).await?);
        }
        loop {
            // Whoever had the turn before may have found all well: then nobody needs it.
            turn = turn.filter(|_| self.standings.in_trouble(bucket));
            let started = Instant::now();
            self.meter.sent();
            let answer = tokio::select! {
                () = stop.cancelled() => return Err(Stopped),
                answer = self.client.write(bucket, text) => answer,
            };
            let login_refused = answer.as_ref().is_ok_and(|answer| answer.status == 401);
            let verdict = match answer {
                Ok(answer) => {
                    let after = answer.retry_after.as_deref();
                    verdict::judge(answer.status, after, &answer.body, Timestamp::now())
                }
                Err(why) => Verdict::Wait { after: None, why },
            };
            let holds = matches!(verdict, Verdict::Hold { .. });
            let (wait, why, what_to_do) = match verdict {
                Verdict::Stored => {
                    self.meter.answered(started.elapsed());
                    self.standings.recovered(bucket);
                    return Ok(Piece::Stored);
                }
                Verdict::Refused(refusal) => {
                    // Whether that is about the lines is for the caller to find out.
                    self.meter.answered(started.elapsed());
                    return Ok(Piece::Refused(refusal));
                }
                Verdict::TooLarge => return Ok(Piece::TooLarge),
                Verdict::Wait { after, why } => {
                    let wait = backoff.next_wait();
                    let wait = after.map_or(wait, |after| after.min(LONGEST_ASKED).max(wait));
                    (wait, why, "check that the database runs and is reachable; it tries again by itself")
                }
                Verdict::Hold { why, what_to_do } => (backoff.next_wait(), why, what_to_do),
            };
            self.meter.failed();
            let mut why = why;
            if login_refused {
                match self.client.renew_login().await {
                    Ok(true) => {
                        tracing::info!(bucket, "the login was refused; its file holds another one now");
                        continue;
                    }
                    Ok(false) => {}
                    Err(error) => {
                        let file = self.client.secret_file().map(|file| file.display().to_string());
                        why = format!("{why}; {}: {error}", file.unwrap_or_default());
                    }
                }
            }
            let too_long = holds && {
                let held = self.standings.refuses(bucket, Instant::now());
                self.hold_for.is_some_and(|limit| held >= limit)
            };
            if too_long {
                why.push_str(FOR_TOO_LONG);
            }
            self.standings.trouble(bucket, &why, what_to_do);
            if too_long {
                return Ok(Piece::GivenUp(why));
            }
            let next = tokio::time::Instant::now() + wait;
            if turn.is_none() {
                turn = Some(stopped(stop, circuit.turn()).await?);
            }
            let recovered = circuit.recovered();
            if self.standings.in_trouble(bucket) {
                let waited = async {
                    tokio::select! {
                        () = recovered => {}
                        () = tokio::time::sleep_until(next) => {}
                    }
                };
                stopped(stop, waited).await?;
            }
        }
    }

    /// Whether the bucket still takes a line that it took before; true where there is none to try.
    async fn takes_good_line(&self, bucket: &str, stop: &CancellationToken) -> Result<bool, Stopped> {
        let Some(line) = self.standings.good_line(bucket) else { return Ok(true) };
        match self.ask(bucket, &line, stop).await? {
            Piece::Stored => Ok(true),
            // The line itself may have become bad: too old for the retention, or of a field that was made anew.
            Piece::Refused(refusal) if aged(&refusal.whole) || aged(&refusal.why) => {
                self.standings.keep_good_line(bucket, None);
                Ok(true)
            }
            // The whole batch is tried again, and given up then.
            Piece::GivenUp(_) | Piece::Refused(_) | Piece::TooLarge => Ok(false),
        }
    }

    /// Even a good line is refused: waits before all is tried again, or says why it is given up.
    async fn doubt(
        &self,
        bucket: &str,
        backoff: &mut Backoff,
        stop: &CancellationToken,
    ) -> Result<Option<String>, Stopped> {
        let mut why = "a line that it took before is refused now".to_owned();
        let held = self.standings.refuses(bucket, Instant::now());
        let too_long = self.hold_for.is_some_and(|limit| held >= limit);
        if too_long {
            why.push_str(FOR_TOO_LONG);
        }
        self.standings.trouble(
            bucket,
            &why,
            "something between here and the database changes or refuses requests: check proxy and configuration",
        );
        if too_long {
            return Ok(Some(why));
        }
        stopped(stop, tokio::time::sleep(backoff.next_wait())).await?;
        Ok(None)
    }

    fn keep_good_line(
        &self,
        bucket: &str,
        batch: &Batch,
        lines: &[usize],
        verdicts: &mut [Option<LineVerdict>],
    ) {
        for line in lines {
            if let Some(verdict) = verdicts.get_mut(*line) {
                *verdict = Some(LineVerdict::Stored);
            }
        }
        // The last one: of several of one identity it is the one whose values stand.
        if let Some(last) = lines.last() {
            let line = batch.lines(*last, last.saturating_add(1)).to_vec();
            self.standings.keep_good_line(bucket, Some(line));
        }
    }
}

/// What the work comes to, unless it is stopped.
async fn stopped<T>(stop: &CancellationToken, work: impl Future<Output = T>) -> Result<T, Stopped> {
    tokio::select! {
        () = stop.cancelled() => Err(Stopped),
        done = work => Ok(done),
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
    ["retention", "time outside", "type conflict", "invalid column type", "explicit schemas"]
        .iter()
        .any(|mark| why.contains(mark))
}

/// The lines that an answer names, each with its reason: by number, or as `unable to parse '<line>': why` once or
/// several times.
fn named(batch: &Batch, lines: &[usize], refusal: &Refusal, rounds: u32) -> HashMap<usize, String> {
    let by_number = refusal.lines.iter().filter_map(|named| {
        let why = if named.why.is_empty() { &refusal.why } else { &named.why };
        Some((*lines.get(named.place)?, why.clone()))
    });
    let by_number: HashMap<_, _> = by_number.collect();
    if !by_number.is_empty() || rounds >= NAMED_ROUNDS {
        return by_number;
    }
    let mut found = HashSet::new();
    for part in refusal.whole.split("unable to parse '").skip(1) {
        let part = part.as_bytes();
        let line = lines.iter().find(|line| {
            let text = batch.line(**line);
            part.starts_with(text) && part.get(text.len()..).is_some_and(|rest| rest.starts_with(b"':"))
        });
        found.extend(line.copied());
    }
    found.into_iter().map(|line| (line, refusal.why.clone())).collect()
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_v3;
