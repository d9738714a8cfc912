//! Threads: codecs that take long, each on a thread of its own while there are enough, so that no other codec's uplinks
//! wait for them.
//!
//! The calls of one codec are made in the order in which they were handed over. Whoever hands them over keeps what
//! belongs to them by a number of its own.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::call::LONG;
use super::engine::thread_time;
use super::{Call, Fault, FaultKind, Output};

/// Threads at once; each has an engine of its own, with its memory.
const MOST_THREADS: usize = 4;
/// Calls of one codec that may wait, if no more than can be made in [`LONGEST_WAIT`].
const MOST_WAITING: usize = 100;
const LONGEST_WAIT: Duration = Duration::from_secs(4);
/// The same of a codec that is stopped again and again: whatever is wrong with it, it must not hold the city.
const MOST_WAITING_IN_VAIN: usize = 8;
/// After so many quick answers in a row a codec needs no thread any more.
const CALM: u32 = 16;
/// It is stopped again and again if a limit stopped half of its last answers, where there are so few and at most so many.
const LOOKED_AT: std::ops::RangeInclusive<u32> = 4..=u32::BITS;

/// The threads of one who judges messages.
#[derive(Debug)]
pub struct Threads {
    codecs: HashMap<Arc<str>, Own>,
    answers: UnboundedReceiver<Answer>,
    answer: UnboundedSender<Answer>,
}

/// The thread of one codec.
#[derive(Debug)]
struct Own {
    calls: Sender<(u64, Box<Call>)>,
    waiting: usize,
    quick: u32,
    answers: u32,
    /// One bit for each of the last answers: a limit stopped it.
    stopped: u32,
    /// It was said that it is not called any more.
    told: bool,
}

/// What a codec answered to a call.
#[derive(Debug)]
pub struct Answer {
    pub number: u64,
    pub call: Box<Call>,
    pub result: Result<Output, Fault>,
    took: Duration,
}

/// What became of a call that was handed over.
#[derive(Debug)]
pub enum Handed {
    /// It will be answered.
    Over,
    /// As many wait as may; there will be room when one of them is answered.
    Full,
    /// As many wait as may, and most were stopped by a limit: this one is not called at all.
    Refused(Box<Call>, Fault),
    /// There is no thread for it.
    NoThread,
}

impl Own {
    const fn new(calls: Sender<(u64, Box<Call>)>) -> Self {
        Self { calls, waiting: 0, quick: 0, answers: 0, stopped: 0, told: false }
    }

    fn is_stopped_again_and_again(&self) -> bool {
        let looked_at = self.answers.min(*LOOKED_AT.end());
        looked_at >= *LOOKED_AT.start() && self.stopped.count_ones() * 2 >= looked_at
    }

    fn most_waiting(&self, max_time: Duration) -> usize {
        let most = if self.is_stopped_again_and_again() { MOST_WAITING_IN_VAIN } else { MOST_WAITING };
        let within = LONGEST_WAIT.as_micros() / max_time.as_micros().max(1);
        usize::try_from(within).unwrap_or(usize::MAX).clamp(1, most)
    }
}

/// A panic on a codec's thread ends the process, as one elsewhere would: what waits for it would wait for ever. The
/// message is found at the next starts.
struct Whole;

impl Drop for Whole {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::abort();
        }
    }
}

impl Default for Threads {
    fn default() -> Self {
        let (answer, answers) = unbounded_channel();
        Self { codecs: HashMap::new(), answers, answer }
    }
}

impl Threads {
    /// Whether this codec has a thread now.
    pub fn has(&self, codec: &str) -> bool {
        self.codecs.contains_key(codec)
    }

    /// Makes the call on its codec's own thread.
    pub fn hand_over(&mut self, number: u64, call: Box<Call>) -> Handed {
        let name = Arc::clone(call.codec());
        if !self.has(&name) && !self.begin(&name) {
            return Handed::NoThread;
        }
        let Some(own) = self.codecs.get_mut(&name) else { return Handed::NoThread };
        if own.waiting >= own.most_waiting(call.max_time()) {
            if !own.is_stopped_again_and_again() {
                return Handed::Full;
            }
            if !std::mem::replace(&mut own.told, true) {
                tracing::warn!(
                    codec = &*name,
                    "this codec is stopped by its limits again and again, and more comes than it can be tried with: \
                     what it has no time for goes to quarantine; mend it and replay"
                );
            }
            let text = format!(
                "it was not run: {} uplinks wait for it already, and it is stopped by its limits again and again",
                own.waiting
            );
            return Handed::Refused(call, Fault { kind: FaultKind::Time, text, errors: Vec::new() });
        }
        if own.calls.send((number, call)).is_err() {
            self.codecs.remove(&name);
            return Handed::NoThread;
        }
        own.waiting = own.waiting.saturating_add(1);
        Handed::Over
    }

    /// The next answer, of whichever codec. Only where something waits.
    pub async fn answered(&mut self) -> Option<Answer> {
        let answer = self.answers.recv().await?;
        if let Some(own) = self.codecs.get_mut(answer.call.codec()) {
            let limit = answer.result.as_ref().is_err_and(|fault| fault.kind != FaultKind::Thrown);
            own.answers = own.answers.saturating_add(1);
            own.stopped = own.stopped << 1 | u32::from(limit);
            own.quick = if limit || answer.took >= LONG { 0 } else { own.quick.saturating_add(1) };
            own.waiting = own.waiting.saturating_sub(1);
            if own.waiting == 0 && own.quick >= CALM {
                self.codecs.remove(answer.call.codec());
            }
        }
        Some(answer)
    }

    fn begin(&mut self, name: &Arc<str>) -> bool {
        let least = self.codecs.values().min_by_key(|own| own.waiting);
        if let Some(least) = least.filter(|_| self.codecs.len() >= MOST_THREADS) {
            let own = Own::new(least.calls.clone());
            self.codecs.insert(Arc::clone(name), own);
            return true;
        }
        let (calls, to_make) = channel::<(u64, Box<Call>)>();
        let answer = self.answer.clone();
        let work = move || {
            let _whole = Whole;
            for (number, call) in to_make {
                let begin = thread_time();
                let result = call.make();
                let took = thread_time().saturating_sub(begin);
                if answer.send(Answer { number, call, result, took }).is_err() {
                    // Nobody wants those that wait either.
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("codec".to_owned()).spawn(work);
        match thread {
            Ok(_) => {
                tracing::info!(
                    codec = &**name,
                    "an uplink of this codec takes long: its uplinks are decoded on a thread of their own for a while"
                );
                self.codecs.insert(Arc::clone(name), Own::new(calls));
                true
            }
            Err(error) => {
                tracing::warn!(codec = &**name, %error, "there is no thread for a codec that takes long");
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Calling, Codecs, Input, Limits};

    const GAUGE: &str =
        "function decodeUplink(i) { if (i.bytes[0] === 1) { for (;;) {} } return {data: {n: i.bytes[1]}}; }";

    fn codecs(names: &[&str]) -> Codecs {
        let mut codecs = Codecs::new(Limits::default());
        for name in names {
            codecs.add(name, GAUGE).unwrap();
        }
        codecs
    }

    fn input(bytes: &[u8]) -> Input<'_> {
        Input { bytes, port: 1, received_ms: 0.0, variables: "" }
    }

    /// The answer at once, or the call for later.
    fn briefly(
        codecs: &Codecs,
        name: &str,
        bytes: &[u8],
        threads: &Threads,
    ) -> Result<Result<Output, Fault>, Box<Call>> {
        let mut calling = Calling::Briefly { threads, later: None };
        let answer = codecs.call_as(name, &input(bytes), &mut calling);
        calling.into_later().map_or(Ok(answer), Err)
    }

    fn later(codecs: &Codecs, name: &str, bytes: &[u8], threads: &Threads) -> Box<Call> {
        briefly(codecs, name, bytes, threads).expect_err("it takes long")
    }

    #[tokio::test]
    async fn who_takes_long_is_answered_later_in_order_while_others_are_answered_at_once() {
        let codecs = codecs(&["slow.js", "calm.js"]);
        let mut threads = Threads::default();
        let call = later(&codecs, "slow.js", &[1, 0], &threads);
        assert!(matches!(threads.hand_over(0, call), Handed::Over));
        for number in 1..=30 {
            let quick = later(&codecs, "slow.js", &[0, number], &threads);
            assert!(
                matches!(threads.hand_over(number.into(), quick), Handed::Over),
                "behind those before it"
            );
        }
        // A machine may be so busy that any call takes long.
        let calm = || briefly(&codecs, "calm.js", &[0, 7], &Threads::default()).ok();
        assert_eq!((0..100).find_map(|_| calm()).unwrap().unwrap().data, "{\"n\":7}");
        let first = threads.answered().await.unwrap();
        assert!(first.number == 0 && first.result.unwrap_err().kind != FaultKind::Thrown);
        for number in 1..=30 {
            let answer = threads.answered().await.unwrap();
            assert_eq!(answer.number, number);
            assert_eq!(answer.result.unwrap().data, format!("{{\"n\":{number}}}"));
        }
    }

    #[tokio::test]
    async fn a_codec_that_became_quick_again_has_no_thread_any_more() {
        let codecs = codecs(&["slow.js"]);
        let mut threads = Threads::default();
        let call = later(&codecs, "slow.js", &[1, 0], &threads);
        threads.hand_over(0, call);
        threads.answered().await.unwrap();
        assert!(threads.has("slow.js"));
        for _ in 0..10_000 {
            if !threads.has("slow.js") {
                return;
            }
            let call = later(&codecs, "slow.js", &[0, 1], &threads);
            threads.hand_over(1, call);
            threads.answered().await.unwrap();
        }
        panic!("it has a thread still");
    }

    #[tokio::test]
    async fn what_a_codec_that_is_always_stopped_has_no_time_for_is_refused_and_of_any_other_it_waits() {
        let codecs = codecs(&["slow.js"]);
        let mut threads = Threads::default();
        let fill = |threads: &mut Threads, byte: u8| loop {
            let call = later(&codecs, "slow.js", &[byte, 0], threads);
            match threads.hand_over(9, call) {
                Handed::Over => {}
                other => return other,
            }
        };
        let first = later(&codecs, "slow.js", &[1, 0], &threads);
        threads.hand_over(0, first);
        assert!(matches!(fill(&mut threads, 1), Handed::Full), "nothing is known of it yet");
        for _ in 0..*LOOKED_AT.start() {
            threads.answered().await.unwrap();
        }
        let Handed::Refused(_, fault) = fill(&mut threads, 1) else { panic!("it is stopped each time") };
        assert!(fault.text.starts_with("it was not run"), "{}", fault.text);
        threads = Threads::default();
        let call = later(&codecs, "slow.js", &[1, 0], &threads);
        threads.hand_over(0, call);
        assert!(matches!(fill(&mut threads, 0), Handed::Full), "it answers");
    }

    #[tokio::test]
    async fn more_codecs_than_threads_share_them_and_each_has_its_own_answers() {
        let names: Vec<_> = (0..MOST_THREADS + 2).map(|n| format!("{n}.js")).collect();
        let codecs = codecs(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let mut threads = Threads::default();
        for (number, name) in (0..).zip(&names) {
            let call = later(&codecs, name, &[1, 0], &threads);
            assert!(matches!(threads.hand_over(number, call), Handed::Over));
            let call = later(&codecs, name, &[0, 1], &threads);
            assert!(matches!(threads.hand_over(100 + number, call), Handed::Over));
        }
        let mut answered = Vec::new();
        for _ in 0..names.len() * 2 {
            let answer = threads.answered().await.unwrap();
            assert_eq!(answer.result.is_ok(), answer.number >= 100);
            assert!(answer.number < 100 || answered.contains(&(answer.number - 100)), "in their order");
            answered.push(answer.number);
        }
    }
}
