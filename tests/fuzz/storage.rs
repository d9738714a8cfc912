//! What the disk gives back: the journal from any bytes in its segments, and every other file of the data directory.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nadikota::clock::Clock;
use nadikota::delivery::InHand;
use nadikota::journal::cursor;
use nadikota::journal::disk::{Disk, RealDisk};
use nadikota::journal::{self, Entry};
use nadikota::message::Record;
use nadikota::quarantine::{self, Filter, Quarantine};
use nadikota::snapshot;
use nadikota::status::Board;
use tokio::runtime::Runtime;

use super::{Target, Try, hash, shape};

/// The block that stands twice at the beginning of a segment.
const HEADER: usize = 40;
const LIMIT: Duration = Duration::from_secs(5);

pub fn targets() -> Vec<Target> {
    vec![
        Target { name: "journal", build: journal, words: &["NADIJRNL", "\u{1}\0\0\0", "NADIQUAR"] },
        Target { name: "data_dir", build: data_dir, words: FILES },
    ]
}

const FILES: &[&str] = &[
    "nadikota-cursor 1 ",
    "nadikota state 1 ",
    "\"destinations\":{",
    "\"position\":",
    "\"outcomes\":{",
    "\"stored\":",
    "\"known_floor\":",
    "\"routing\":[",
    "\"next\":",
    "\"state\":{",
    "NADIQUAR",
    "nkinhnd1",
    "\"quarantined\":{",
];

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Makes the checksums of a segment right, as a device that knew the salt could: what lies behind them is reached.
fn mended(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.len() < 2 * HEADER {
        return bytes;
    }
    let sum = crc32fast::hash(&bytes[..36]).to_le_bytes();
    bytes[36..40].copy_from_slice(&sum);
    bytes.copy_within(..HEADER, HEADER);
    let salt = bytes[28..36].to_vec();
    let mut at = 2 * HEADER;
    while let Some(length) = bytes.get(at..at + 4) {
        let length = u32::from_le_bytes(length.try_into().expect("four bytes"));
        let end = at.saturating_add(8).saturating_add(usize::try_from(length).expect("a length"));
        let Some(body) = bytes.get(at + 8..end) else { break };
        let mut sum = crc32fast::Hasher::new();
        sum.update(&salt);
        sum.update(&bytes[at..at + 4]);
        sum.update(body);
        let sum = sum.finalize().to_le_bytes();
        bytes[at + 4..at + 8].copy_from_slice(&sum);
        at = end;
    }
    bytes
}

/// The first byte says how the rest lies in files.
fn journal(dir: &Path) -> Try {
    let (dir, runtime) = (dir.join("journal"), runtime());
    Box::new(move |input| {
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir(&dir).expect("a directory");
        let (how, bytes) = input.split_first().map_or((0, input), |(first, rest)| (*first, rest));
        let middle = if how & 2 != 0 { bytes.len() / 2 } else { bytes.len() };
        for part in [&bytes[..middle], &bytes[middle..]].into_iter().filter(|part| !part.is_empty()) {
            let bytes = if how & 1 != 0 { mended(part.to_vec()) } else { part.to_vec() };
            let told =
                bytes.get(12..20).map_or(1, |number| u64::from_le_bytes(number.try_into().expect("eight")));
            let number = if how & 4 != 0 { 1 } else { told };
            fs::write(dir.join(format!("{number:020}-{:04}.seg", how >> 6)), bytes).expect("a segment");
        }
        let first = opened(&runtime, &dir);
        // What was recovered once is recovered again, with the message that was added.
        let again = opened(&runtime, &dir);
        if let (Some(first), Some(again)) = (first, again) {
            assert!(again.0 > first.0, "the end moved from {} to {}", first.0, again.0);
        }
        hash(&(first.map(|found| found.1), again.is_some()))
    })
}

/// Opens, reads all, appends one message and reads it back: the end then, and how it behaved.
fn opened(runtime: &Runtime, dir: &Path) -> Option<(u64, u64)> {
    let (clock, _) = Clock::fixed(1_795_478_400_000_000_000);
    let part = Board::new(clock.clone()).part("journal");
    let config = journal::Config { min_free: Some(0), ..journal::Config::default() };
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let (journal, writer, recovery) = match journal::open(dir, &config, disk, clock, 1, part) {
        Ok(opened) => opened,
        Err(error) => panic!("damage must not refuse a start: {error}"),
    };
    let end = journal.end();
    let writer = std::thread::spawn(move || writer.run());
    let record = Record::pasted(b"a/b".to_vec().into(), b"1".to_vec().into(), 0, false);
    let (mut records, mut damaged, mut next) = (0_u64, 0_u64, 1);
    let seq = runtime.block_on(async {
        let append = tokio::time::timeout(LIMIT, journal.append(record.message));
        let seq = append.await.expect("an answer in time").expect("a healthy disk").seq();
        assert!(seq >= end, "number {seq} was given again; the end was {end}");
        let mut reader = journal.reader(1);
        while next <= seq {
            let entries = tokio::time::timeout(LIMIT, reader.next(100)).await.expect("entries in time");
            for entry in entries.expect("a readable disk") {
                let (first, last) = match &entry {
                    Entry::Record(record) => (record.seq, record.seq),
                    Entry::Damage { first, last, .. } => (*first, *last),
                };
                assert_eq!(first, next, "a hole that is not told");
                assert!(last >= first);
                match entry {
                    Entry::Record(_) => records += 1,
                    Entry::Damage { .. } => damaged += 1,
                }
                next = last + 1;
            }
        }
        assert_eq!(next, seq + 1);
        seq
    });
    journal.close();
    drop(journal);
    writer.join().expect("the writer ends well");
    let few = |count: u64| count.min(6);
    Some((seq, hash(&(few(records), few(damaged), recovery.torn > 0, recovery.damaged > 0))))
}

/// The first byte says which file the rest is.
fn data_dir(dir: &Path) -> Try {
    let (dir, runtime) = (dir.join("data"), runtime());
    Box::new(move |input| {
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(dir.join("quarantine")).expect("a directory");
        let (which, bytes) = input.split_first().map_or((0, input), |(first, rest)| (*first, rest));
        let put = |name: &str, bytes: &[u8]| fs::write(dir.join(name), bytes).expect("a file");
        let behaved = match which % 5 {
            0 => {
                put("cursor", &summed(bytes, "nadikota-cursor 1"));
                let found = cursor::load(&dir);
                hash(&(found.is_err(), found.ok().flatten().map(|cursor| cursor.destinations.len().min(3))))
            }
            1 => {
                put("state.main.json", &summed(bytes, "nadikota state 1"));
                hash(&snapshot::load(&dir, "main").map(|snapshot| snapshot.state.size().min(4)))
            }
            2 => {
                put("in_hand.main", bytes);
                let first = format!("{:?}", InHand::open(&dir, "main", 1, &RealDisk));
                hash(&shape(&first))
            }
            3 => {
                let number = u64::from(bytes.len() % 2 == 0);
                put(&format!("quarantine/{number:020}-0000.seg"), &mended(bytes.to_vec()));
                quarantined(&runtime, &dir.join("quarantine"))
            }
            _ => {
                put("quarantine/counts", bytes);
                quarantined(&runtime, &dir.join("quarantine"))
            }
        };
        hash(&(which % 5, behaved))
    })
}

/// Text with its checksum made right, where it is of two lines: what lies behind it is reached.
fn summed(bytes: &[u8], mark: &str) -> Vec<u8> {
    let Some(at) = bytes.iter().position(|byte| *byte == b'\n') else { return bytes.to_vec() };
    let body = bytes[at + 1..].strip_suffix(b"\n").unwrap_or(&bytes[at + 1..]);
    let mut whole = format!("{mark} {:08x}\n", crc32fast::hash(body)).into_bytes();
    whole.extend(body);
    whole.push(b'\n');
    whole
}

fn quarantined(runtime: &Runtime, dir: &Path) -> u64 {
    let _inside = runtime.enter();
    let (clock, _) = Clock::fixed(1_795_478_400_000_000_000);
    let config = quarantine::Config::default();
    let positions = BTreeMap::from([("main".to_owned(), 1_000)]);
    let opened = Quarantine::open(dir, &config, Arc::new(RealDisk), clock, &positions);
    let mut held = 0_u64;
    let listed = quarantine::list(dir, &RealDisk, &positions, &Filter::default(), |_| held += 1);
    let counts = opened.as_ref().map(|quarantine| quarantine.counts().expired.min(3)).ok();
    hash(&(opened.is_ok(), listed.is_ok(), held.min(5), counts))
}
