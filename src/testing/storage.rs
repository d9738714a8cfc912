//! Journal, cursor and quarantine on one disk, worked at random against a simple model of what they promise.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;

use super::crash::Crash;
use super::memory_disk::MemoryDisk;
use crate::clock::Clock;
use crate::journal::cursor::{self, Cursor, Found, Progress};
use crate::journal::{self, Entry, Journal, Reader, Writer};
use crate::message::{Message, Record};
use crate::outcome::{Outcomes, Reason, Rejection};
use crate::quarantine::{self, Filter, Held, Quarantine};
use crate::status::Board;

mod crashes;
mod leaving;
mod model;

const DATA: &str = "/data";
const JOURNAL: &str = "/data/journal";
const QUARANTINE: &str = "/data/quarantine";
const NO_QUOTA: u64 = 1 << 30;
/// Of some ten messages, in several segments.
const SMALL_QUOTA: u64 = 6000;

/// What was done, for the model; each is noted before or after the disk is used, as its name says.
#[derive(Debug, Clone)]
enum Event {
    /// Will be appended under this number by this life.
    Appending(u64, u32),
    Acknowledged(u64, u32),
    /// Is in quarantine, synced.
    Held(u64),
    /// May leave the quarantine: the mark is being written.
    Moving(u64),
    /// Has left it, synced.
    Moved(u64),
    /// What is held at or above it is void: it is judged again.
    Void(u64),
    SavingCursor(u64),
    SavedCursor(u64),
}

/// What must be true.
#[derive(Debug, Clone, Default)]
struct Model {
    /// Which lives tried each number.
    tried: BTreeMap<u64, BTreeSet<u32>>,
    acknowledged: BTreeMap<u64, u32>,
    /// What was put into quarantine and is not void, whether it has left since or not.
    held: BTreeSet<u64>,
    /// Of these: may have left, and have.
    moving: BTreeSet<u64>,
    moved: BTreeSet<u64>,
    /// What the quarantine may take up; a small one removes its oldest messages.
    quota: u64,
    /// The position of the cursor is between the two.
    saved: u64,
    saving: u64,
}

impl Model {
    fn note(&mut self, event: &Event) {
        match *event {
            Event::Appending(seq, life) => drop(self.tried.entry(seq).or_default().insert(life)),
            Event::Acknowledged(seq, life) => drop(self.acknowledged.insert(seq, life)),
            Event::Held(seq) => drop(self.held.insert(seq)),
            Event::Moving(seq) => drop(self.moving.insert(seq)),
            Event::Moved(seq) => drop(self.moved.insert(seq)),
            Event::Void(from) => {
                for seqs in [&mut self.held, &mut self.moving, &mut self.moved] {
                    seqs.split_off(&from);
                }
            }
            Event::SavingCursor(position) => self.saving = self.saving.max(position),
            Event::SavedCursor(position) => self.saved = self.saved.max(position),
        }
    }

    /// What was read from `from` on: all that was acknowledged, and nothing that was not appended.
    fn judge(&self, from: u64, entries: &[Entry]) {
        let mut next = from;
        for entry in entries {
            match entry {
                Entry::Record(record) => {
                    assert_eq!(record.seq, next);
                    let lives = self.tried.get(&record.seq).unwrap_or_else(|| panic!("{next} was made up"));
                    let acknowledged = self.acknowledged.get(&record.seq);
                    let may = |life: &&u32| acknowledged.is_none_or(|known| *life == known);
                    let same = lives.iter().filter(may).any(|life| record.message == message(next, *life));
                    assert!(same, "{next} is not what was appended: {record:?}");
                    next += 1;
                }
                Entry::Damage { first, last, .. } => {
                    assert_eq!(*first, next);
                    let lost = self.acknowledged.range(*first..=*last).next();
                    assert_eq!(lost, None, "lost in {first}..={last}");
                    next = last + 1;
                }
            }
        }
        assert_eq!(self.acknowledged.range(next..).next(), None, "lost at the end, {next}");
    }
}

fn message(seq: u64, life: u32) -> Message {
    let length = usize::try_from(seq * 37 % 400).unwrap();
    Message {
        topic: format!("city/device-{}", seq % 7).into(),
        payload: format!("{life} {seq} {}", "x".repeat(length)).into(),
        qos: 1,
        retain: false,
        dup: false,
        source: 1,
        session: life,
        packet_id: 3,
        redelivery_of: seq.is_multiple_of(5).then_some(seq / 2),
    }
}

/// One life of a process on the disk.
struct Life {
    journal: Journal,
    writer: Writer,
    reader: Reader,
    quarantine: Quarantine,
    position: u64,
}

impl Life {
    /// Starts as the pipeline does. A disk that fails is tried again.
    fn start(disk: &MemoryDisk, quota: u64, mut note: impl FnMut(&MemoryDisk, Event)) -> Self {
        let again = |what: &mut dyn FnMut() -> Result<(), String>| {
            let mut tries = 0;
            while let Err(error) = what() {
                tries += 1;
                assert!(tries < 200, "{error}");
            }
        };
        let (clock, _) = Clock::fixed(1_800_000_000_000_000_000);
        let shared: Arc<MemoryDisk> = Arc::new(disk.clone());
        let mut found = Found::Nothing;
        again(&mut || {
            found = cursor::open(Path::new(DATA), disk).map_err(|error| error.to_string())?;
            Ok(())
        });
        let position = match &found {
            Found::Nothing => 1,
            Found::Cursor(cursor) => cursor.highest(),
            Found::Lost => panic!("the cursor is lost"),
        };
        note(disk, Event::SavingCursor(position));
        note(disk, Event::SavedCursor(position));
        note(disk, Event::Void(position));
        let config = journal::Config {
            segment_size: 1500,
            keep_size: 4000,
            min_free: Some(0),
            ..journal::Config::default()
        };
        let part = Board::new(clock.clone()).part("journal");
        let mut opened = None;
        again(&mut || {
            let (disk, clock, part) = (shared.clone(), clock.clone(), part.clone());
            let new = journal::open_with(Path::new(JOURNAL), &config, disk, clock, position, part, 8);
            opened = Some(new.map_err(|error| error.to_string())?);
            Ok(())
        });
        let (journal, mut writer, _) = opened.unwrap();
        (writer.wait, writer.look_every) = (Duration::ZERO, Duration::ZERO);
        let mut quarantine = None;
        again(&mut || {
            let config = quarantine::Config { max_size: quota, ..quarantine::Config::default() };
            let positions = [("main".to_owned(), position)].into();
            let (dir, disk) = (Path::new(QUARANTINE), shared.clone());
            let new = Quarantine::open(dir, &config, disk, clock.clone(), &positions);
            quarantine = Some(new.map_err(|error| error.to_string())?);
            Ok(())
        });
        let reader = journal.reader(position);
        Self { journal, writer, reader, quarantine: quarantine.unwrap(), position }
    }

    /// Everything from the position on.
    fn read(&self, runtime: &tokio::runtime::Runtime) -> Vec<Entry> {
        let (mut reader, mut next) = (self.journal.reader(self.position), self.position);
        let mut entries = Vec::new();
        while next < self.journal.end() {
            entries.extend(runtime.block_on(reader.next(7)).unwrap());
            next = entries.last().map_or(next, |entry| last(entry) + 1);
        }
        entries
    }

    /// All that is promised of the disk this life has begun on.
    fn check(&self, disk: &MemoryDisk, model: &Model, runtime: &tokio::runtime::Runtime) {
        let position = self.position;
        assert!((model.saved.max(1)..=model.saving.max(1)).contains(&position), "{position}: {model:?}");
        model.judge(position, &self.read(runtime));
        let mut held = Vec::new();
        let positions = [("main".to_owned(), position)].into();
        let dir = Path::new(QUARANTINE);
        quarantine::list(dir, disk, &positions, &Filter::default(), |one| held.push(one.record.seq)).unwrap();
        held.sort_unstable();
        // All that was put there is held once, or has left once: by a mark, or because of the quota.
        let put: BTreeSet<_> = model.held.range(..position).copied().collect();
        let moved = self.quarantine.moved().remove("main").unwrap_or_default();
        let left = put.len() - held.len();
        assert_eq!(
            moved.from.quarantined_total(),
            u64::try_from(left).unwrap(),
            "of {put:?} {held:?} are held"
        );
        assert_eq!(moved.to.settled_here(), moved.from.settled_here());
        let held: BTreeSet<_> = held.into_iter().collect();
        assert!(held.is_subset(&put) && held.is_disjoint(&model.moved), "{held:?}: {model:?}");
        if model.quota == NO_QUOTA {
            let gone: BTreeSet<_> = put.difference(&held).copied().collect();
            assert!(gone.is_subset(&model.moving), "{gone:?} are missing: {model:?}");
        }
    }
}

fn last(entry: &Entry) -> u64 {
    match entry {
        Entry::Record(record) => record.seq,
        Entry::Damage { last, .. } => *last,
    }
}

/// Lives, one after another, on one disk.
struct Machine {
    disk: MemoryDisk,
    /// What the disk held, durable, when its log was begun.
    base: Crash,
    life: Option<Life>,
    number: u32,
    model: Model,
    /// What happened, each with how many operations of the disk came before.
    events: Vec<(usize, Event)>,
    runtime: tokio::runtime::Runtime,
    rng: Rng,
    /// How often the disk fails.
    faults: f64,
}

impl Machine {
    fn new(seed: u64, faults: f64) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let mut new = Self {
            disk: MemoryDisk::default(),
            base: Crash::default(),
            life: None,
            number: 0,
            model: Model { quota: if seed % 4 < 2 { NO_QUOTA } else { SMALL_QUOTA }, ..Model::default() },
            events: Vec::new(),
            runtime,
            rng: Rng::with_seed(seed),
            faults,
        };
        new.restart();
        new
    }

    fn note(&mut self, event: Event) {
        self.model.note(&event);
        self.events.push((self.disk.logged(), event));
    }

    /// kill -9 and a new start, which must find what is promised.
    fn restart(&mut self) {
        self.life = None;
        self.number += 1;
        self.disk.fail(self.faults, self.rng.u64(..));
        let mut events = Vec::new();
        let life =
            Life::start(&self.disk, self.model.quota, |disk, event| events.push((disk.logged(), event)));
        for (at, event) in events {
            self.model.note(&event);
            self.events.push((at, event));
        }
        life.check(&self.disk, &self.model, &self.runtime);
        self.life = Some(life);
    }

    /// The power goes, in the middle of whatever was not synced.
    fn power_cut(&mut self, crash: &Crash) {
        self.disk = crash.any(&mut self.rng);
        self.base = Crash::of(&self.disk);
        self.events.clear();
        self.restart();
    }

    fn step(&mut self) {
        match self.rng.u8(..10) {
            0 => self.restart(),
            1..6 => self.append(),
            6 => self.release(),
            _ => self.settle(),
        }
    }

    fn append(&mut self) {
        let (count, number) = (self.rng.u64(1..6), self.number);
        let Some(life) = &mut self.life else { return };
        let first = life.journal.end();
        let mut waiting = Vec::new();
        for seq in first..first + count {
            let event = Event::Appending(seq, number);
            self.model.note(&event);
            self.events.push((self.disk.logged(), event));
            waiting.push((seq, life.journal.try_append(message(seq, number)).unwrap()));
        }
        // Now and then it is stopped at the first fault.
        let closing = self.faults > 0.0 && self.rng.u8(..10) == 0;
        if closing {
            life.journal.close();
        }
        let taken = life.writer.turn();
        for (seq, mut pending) in waiting {
            match pending.try_now() {
                Some(Ok(durable)) => {
                    assert_eq!(durable.seq(), seq);
                    self.note(Event::Acknowledged(seq, number));
                }
                answer => assert!(!taken && !matches!(answer, Some(Ok(_))), "{answer:?}"),
            }
        }
        if closing || !taken {
            self.restart();
        }
    }

    /// Delivers some of what waits, refuses some of it, and moves the cursor.
    fn settle(&mut self) {
        let Some(life) = &mut self.life else { return };
        if life.position >= life.journal.end() {
            return;
        }
        let most = self.rng.usize(1..12);
        let entries = self.runtime.block_on(life.reader.next(most)).unwrap();
        let to = entries.last().map_or(life.position, |entry| last(entry) + 1);
        let mut held = Vec::new();
        for entry in entries {
            if let Entry::Record(record) = entry
                && self.rng.u8(..3) == 0
            {
                held.push(refused(record));
            }
        }
        let mut tries = 0;
        while !held.is_empty() && life.quarantine.put(&held).is_err() {
            tries += 1;
            assert!(tries < 200);
        }
        let quarantined: Vec<_> = held.iter().map(|held| Event::Held(held.record.seq)).collect();
        quarantined.into_iter().for_each(|event| self.note(event));
        let Some(life) = &mut self.life else { return };
        if life.quarantine.mend().is_err() {
            life.position = to;
            return;
        }
        self.note(Event::SavingCursor(to));
        let progress =
            Progress { position: to, outcomes: Outcomes { stored: to - 1, ..Outcomes::default() } };
        let cursor = Cursor { destinations: [("main".to_owned(), progress)].into(), ..Cursor::default() };
        let saved = cursor::save(&cursor, Path::new(DATA), &self.disk).is_ok();
        let Some(life) = &mut self.life else { return };
        life.position = to;
        if saved {
            life.journal.release(to);
            life.quarantine.settle([("main".to_owned(), to)].into());
            self.note(Event::SavedCursor(to));
        }
    }
}

fn refused(record: Record) -> Held {
    let rejection = Rejection::new(Reason::Malformed, "by chance");
    Held { record, destination: "main".to_owned(), rejection, partly: false }
}
