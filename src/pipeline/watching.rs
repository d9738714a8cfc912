//! Watching: a thread of its own looks whether sources and deliveries make progress, and has them begun anew where not.
//!
//! A thread, because a task that never gives way could keep every other task from running, this one too.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::delivery::Worker;
use crate::journal::Journal;
use crate::source::Counts;
use crate::stall::{Advice, Config, Sight, Stall};
use crate::status::{Board, Part, State};

/// How often each thing was begun anew, by the name of its part.
pub(super) type Stalls = Vec<(String, Arc<AtomicU64>)>;

/// The part of the keeper.
const CURSOR: &str = "cursor";

/// What is watched.
pub(super) struct Watching {
    config: Config,
    board: Board,
    part: Part,
    things: Vec<Thing>,
}

/// One thing that should make progress.
struct Thing {
    /// Its part on the board.
    name: String,
    /// What does not happen while it stalls.
    lacks: &'static str,
    stall: Stall,
    stalls: Arc<AtomicU64>,
    look: Box<dyn Fn() -> Sight + Send>,
    begin_anew: Box<dyn Fn() + Send>,
}

/// The watch at work; dropping it ends it.
#[derive(Debug)]
pub(super) struct Guard {
    _stop: Sender<()>,
    gave_up: watch::Receiver<bool>,
}

impl Guard {
    /// Returns when nothing helped.
    pub(super) async fn gave_up(&self) {
        if self.gave_up.clone().wait_for(|gave_up| *gave_up).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Watching {
    pub(super) fn new(config: Config, board: &Board) -> Self {
        let part = board.part("watch");
        part.ok();
        Self { config, board: board.clone(), part, things: Vec::new() }
    }

    /// Whatever brought the messages, the embedded broker too. A disk that does not answer cannot be begun anew.
    pub(super) fn journal(&mut self, journal: Journal) {
        self.things.push(Thing {
            name: "journal".to_owned(),
            lacks: "messages wait for the disk, and none is written",
            stall: Stall::new(self.config.stall_after),
            stalls: Arc::default(),
            look: Box::new(move || journal.sight()),
            begin_anew: Box::new(|| {}),
        });
    }

    /// The count of its rounds, for the keeper of the cursor. A disk that holds it up cannot be begun anew.
    pub(super) fn keeper(&mut self) -> Arc<AtomicU64> {
        let rounds = Arc::<AtomicU64>::default();
        let seen = Arc::clone(&rounds);
        self.things.push(Thing {
            name: CURSOR.to_owned(),
            lacks: "where the destinations stand is not written down, and the journal fills",
            stall: Stall::new(self.config.stall_after),
            stalls: Arc::default(),
            look: Box::new(move || Sight { waits: true, served: seen.load(Ordering::Relaxed) }),
            begin_anew: Box::new(|| {}),
        });
        rounds
    }

    pub(super) fn source(&mut self, name: &str, counts: Arc<Counts>) {
        let bell = Arc::clone(&counts);
        self.things.push(Thing {
            name: name.to_owned(),
            lacks: "no message is acknowledged, or the subscription has no answer",
            stall: Stall::new(self.config.stall_after),
            stalls: Arc::default(),
            look: Box::new(move || counts.sight()),
            begin_anew: Box::new(move || bell.connect_anew.notify_one()),
        });
    }

    /// `slowest` is how long the database may take for an answer, which is no stall yet.
    pub(super) fn worker(&mut self, name: &str, worker: Worker, slowest: Duration) {
        let bell = Arc::clone(&worker.begin_anew);
        self.things.push(Thing {
            name: format!("destination {name}"),
            lacks: "messages wait, and none is settled",
            stall: Stall::new(self.config.stall_after.max(slowest.saturating_mul(2))),
            stalls: Arc::default(),
            look: Box::new(move || worker.sight()),
            begin_anew: Box::new(move || bell.notify_one()),
        });
    }

    pub(super) fn stalls(&self) -> Stalls {
        self.things.iter().map(|thing| (thing.name.clone(), Arc::clone(&thing.stalls))).collect()
    }

    /// Looks from now on, until the guard is dropped.
    pub(super) fn begin(self) -> std::io::Result<Guard> {
        let (stop, stopped) = channel();
        let (give_up, gave_up) = watch::channel(false);
        if !self.config.stall_after.is_zero() {
            let every = (self.config.stall_after / 8).min(Duration::from_secs(1));
            let mut watching = self;
            let look = move || {
                while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                    if !watching.look(Instant::now()) {
                        give_up.send_replace(true);
                    }
                }
            };
            std::thread::Builder::new().name("watch".to_owned()).spawn(look)?;
        }
        Ok(Guard { _stop: stop, gave_up })
    }

    /// False where nothing helped.
    fn look(&mut self, now: Instant) -> bool {
        let parts = self.board.parts();
        // A part that is not well says itself why nothing moves, and goes on by itself.
        let well = |name: &str| parts.get(name).is_none_or(|part| part.state == State::Ok);
        let (journal, quarantine) = (well("journal"), well("quarantine"));
        let (mut standing_still, mut hopeless) = (Vec::new(), false);
        for thing in &mut self.things {
            let held = if thing.name.starts_with("destination ") {
                !quarantine || !well(&thing.name)
            } else if thing.name == CURSOR {
                !well(CURSOR)
            } else {
                !journal
            };
            let sight = (thing.look)();
            let (name, lacks) = (&thing.name, thing.lacks);
            let advice = thing.stall.look(Sight { waits: sight.waits && !held, ..sight }, now);
            match advice {
                Advice::Fine | Advice::Wait => {}
                Advice::Recovered => tracing::info!(part = name, "moves again"),
                Advice::Heal(time) => {
                    if time == 1 {
                        tracing::error!(part = name, "it stands still: {lacks}; it is begun anew");
                    }
                    thing.stalls.fetch_add(1, Ordering::Relaxed);
                    (thing.begin_anew)();
                }
                Advice::GiveUp => {
                    tracing::error!(part = name, "it stands still: {lacks}; to begin anew did not help");
                    hopeless = true;
                }
            }
            if thing.stall.is_told() {
                standing_still.push(format!("{name} stands still: {lacks}"));
            }
        }
        if standing_still.is_empty() {
            self.part.ok();
        } else {
            self.part.degraded(
                standing_still.join("; "),
                "keep the log and report it; it is begun anew by itself, and at last the process ends with code 3",
            );
        }
        !hopeless
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    const AFTER: Duration = Duration::from_secs(60);

    /// A watch over one thing whose sight the test says, and how often it was begun anew.
    fn watching(name: &str, served: &Arc<AtomicU64>) -> (Watching, Board, Arc<AtomicU64>) {
        let board = Board::new(Clock::fixed(1).0);
        let mut watching = Watching::new(Config { stall_after: AFTER }, &board);
        let (served, begun) = (Arc::clone(served), Arc::<AtomicU64>::default());
        let count = Arc::clone(&begun);
        watching.things.push(Thing {
            name: name.to_owned(),
            lacks: "nothing is served",
            stall: Stall::new(AFTER),
            stalls: Arc::default(),
            look: Box::new(move || Sight { waits: true, served: served.load(Ordering::SeqCst) }),
            begin_anew: Box::new(move || {
                count.fetch_add(1, Ordering::SeqCst);
            }),
        });
        (watching, board, begun)
    }

    #[test]
    fn a_stall_is_named_counted_healed_and_at_last_the_process_is_given_up() {
        let served = Arc::<AtomicU64>::default();
        let (mut watching, board, begun) = watching("mqtt", &served);
        let start = Instant::now();
        let mut look = |spans: u32| watching.look(start + AFTER * spans);
        assert!(look(0) && look(1));
        let part = board.parts()["watch"].clone();
        assert_eq!((part.state, &*part.reason), (State::Degraded, "mqtt stands still: nothing is served"));
        assert!(look(2) && look(3));
        assert!(!look(4), "three new beginnings did not help");
        assert_eq!(begun.load(Ordering::SeqCst), 3);
        assert_eq!(watching.stalls()[0].1.load(Ordering::SeqCst), 3);
        served.store(1, Ordering::SeqCst);
        assert!(watching.look(start + AFTER * 5));
        assert_eq!(board.parts()["watch"].state, State::Ok);
    }

    #[test]
    fn a_keeper_of_the_cursor_that_hangs_is_named_and_at_last_the_process_is_given_up() {
        let board = Board::new(Clock::fixed(1).0);
        let mut watching = Watching::new(Config { stall_after: AFTER }, &board);
        let (rounds, start) = (watching.keeper(), Instant::now());
        for span in 0..5 {
            rounds.fetch_add(1, Ordering::Relaxed);
            assert!(watching.look(start + AFTER * span));
            assert_eq!(board.parts()["watch"].state, State::Ok);
        }
        assert!(watching.look(start + AFTER * 5));
        assert!(board.parts()["watch"].reason.starts_with("cursor stands still"));
        assert!(watching.look(start + AFTER * 6) && watching.look(start + AFTER * 7));
        assert!(!watching.look(start + AFTER * 8));
    }

    #[test]
    fn what_says_itself_why_nothing_moves_has_not_stalled() {
        for (name, held_by) in [
            ("mqtt", "journal"),
            ("destination main", "destination main"),
            ("destination main", "quarantine"),
            ("cursor", "cursor"),
        ] {
            let (mut watching, board, begun) = watching(name, &Arc::default());
            board.part(held_by).degraded("away", "wait");
            let start = Instant::now();
            assert!((0..20).all(|spans| watching.look(start + AFTER * spans)));
            assert_eq!(begun.load(Ordering::SeqCst), 0, "{name} held by {held_by}");
        }
    }
}
