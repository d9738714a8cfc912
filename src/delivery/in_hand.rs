//! In hand: a small file that says which messages are inside transform, so that one that kills us is found.
//!
//! It is written for each group of messages and never synced: the pages of a file outlive the process. After two
//! deaths with messages in hand, those messages enter one by one, and one that is alone in hand at two deaths, the
//! third at the earliest, is the culprit. A kill from outside would have to hit one and the same message again and
//! again to have it blamed; as soon as the suspects have left alive, all is forgotten. A message that waits for its codec
//! stays in hand when its group leaves, but while suspects enter one by one none is set aside.

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::journal::cursor;
use crate::journal::disk::{Disk, Note, read_at_most};
use crate::outcome::{Reason, Rejection};

/// How the file's name begins, and how it ends while it is written.
pub(super) const NAME: &str = "in_hand.";
pub(super) const FRESH: &str = ".new";
const MARK: &[u8; 8] = b"nkinhnd1";
/// The note, its checksum, and nothing up to the culprits.
const HEAD: usize = 64;
const SUMMED: usize = 56;
/// The number of a culprit and its checksum.
const CULPRIT: usize = 12;
/// Far more culprits than anybody waits for.
const LARGEST: u64 = 1 << 20;
/// From this many deaths on, suspects enter alone.
const ONE_BY_ONE: u64 = 2;
/// At this many deaths the one message left is the culprit, if it was alone at two of them.
const GUILTY: u64 = 3;

/// A stretch of sequence numbers; none where `last` is below `first`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stretch {
    first: u64,
    last: u64,
}

const NOBODY: Stretch = Stretch { first: 1, last: 0 };

impl Stretch {
    const fn holds(self, seq: u64) -> bool {
        self.first <= seq && seq <= self.last
    }

    fn common(self, other: Self) -> Self {
        Self { first: self.first.max(other.first), last: self.last.min(other.last) }
    }

    const fn is_empty(self) -> bool {
        self.last < self.first
    }
}

/// What the note holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Noted {
    in_hand: Stretch,
    /// In hand at every death so far.
    suspects: Stretch,
    deaths: u64,
    /// Deaths at which only one message was suspect.
    alone: u64,
}

const CALM: Noted = Noted { in_hand: NOBODY, suspects: NOBODY, deaths: 0, alone: 0 };

impl Noted {
    /// What follows from a death that left this behind; the second is the culprit, where one is found.
    fn died(self) -> (Self, Option<u64>) {
        if self.in_hand.is_empty() {
            return (self, None);
        }
        let common = self.suspects.common(self.in_hand);
        let next = if common.is_empty() {
            // Whatever killed us before, it was none of these.
            Self { suspects: self.in_hand, deaths: 1, alone: 0, ..CALM }
        } else {
            Self { suspects: common, deaths: self.deaths.saturating_add(1), alone: self.alone, ..CALM }
        };
        let Stretch { first, last } = next.suspects;
        let next = Self { alone: next.alone + u64::from(first == last), ..next };
        if first == last && next.deaths >= GUILTY && next.alone >= 2 {
            (CALM, Some(first))
        } else {
            (next, None)
        }
    }

    fn bytes(self) -> [u8; HEAD] {
        let numbers = [
            self.in_hand.first,
            self.in_hand.last,
            self.suspects.first,
            self.suspects.last,
            self.deaths,
            self.alone,
        ];
        let mut bytes = [0; HEAD];
        let parts = numbers.map(u64::to_le_bytes);
        let summed = MARK.iter().chain(parts.iter().flatten());
        for (to, from) in bytes.iter_mut().zip(summed) {
            *to = *from;
        }
        let sum = crc32fast::hash(bytes.get(..SUMMED).unwrap_or_default()).to_le_bytes();
        for (to, from) in bytes.iter_mut().skip(SUMMED).zip(sum) {
            *to = from;
        }
        bytes
    }

    /// Nothing where the bytes are not a whole note.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let number = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        let sum = u32::from_le_bytes(bytes.get(SUMMED..SUMMED + 4)?.try_into().ok()?);
        let summed = bytes.get(..SUMMED)?;
        (summed.starts_with(MARK) && crc32fast::hash(summed) == sum).then_some(())?;
        Some(Self {
            in_hand: Stretch { first: number(8)?, last: number(16)? },
            suspects: Stretch { first: number(24)?, last: number(32)? },
            deaths: number(40)?,
            alone: number(48)?,
        })
    }
}

/// The file of one delivery.
#[derive(Debug)]
pub struct InHand {
    note: Option<Note>,
    now: Noted,
    /// The last message of the group that is entering.
    group_last: u64,
    /// The last message that entered.
    entered: u64,
    /// Messages that stay inside when their group leaves.
    staying: Stretch,
    /// The furthest that any worker let enter; the watch looks at it.
    furthest: Arc<AtomicU64>,
    culprits: Vec<u64>,
}

impl InHand {
    /// Reads what the last process left, and draws the conclusion. `needed` is the first message that may enter.
    /// Without the file deliveries go on, unguarded: it is said.
    pub fn open(dir: &Path, destination: &str, needed: u64, disk: &dyn Disk) -> Self {
        let name = format!("{NAME}{destination}");
        let path = dir.join(&name);
        let left = read_at_most(&path, LARGEST).unwrap_or_default();
        let noted = Noted::parse(&left);
        let mut culprits: Vec<_> = culprits(&left).filter(|seq| *seq >= needed).collect();
        let before = noted.unwrap_or(CALM);
        let (now, found) = before.died();
        if let Some(seq) = found {
            tracing::error!(
                destination,
                seq,
                "a message has killed the process again and again; it is not processed any more"
            );
            culprits.push(seq);
        } else if !before.in_hand.is_empty() {
            let Stretch { first, last } = before.in_hand;
            let deaths = now.deaths;
            tracing::warn!(destination, first, last, deaths, "the process died with these messages in hand");
        }
        let mut whole = now.bytes().to_vec();
        for culprit in &culprits {
            whole.extend(culprit.to_le_bytes());
            whole.extend(crc32fast::hash(&culprit.to_le_bytes()).to_le_bytes());
        }
        let kept = if whole == left {
            Ok(())
        } else {
            cursor::replace(dir, &name, &format!("{name}{FRESH}"), None, &whole, disk)
        };
        let note = kept.and_then(|()| Note::open(&path));
        if let Err(error) = &note {
            tracing::warn!(
                path = %path.display(),
                %error,
                "what is in hand cannot be noted; a message that kills the process would not be found"
            );
        }
        Self {
            note: note.ok(),
            now,
            group_last: 0,
            entered: 0,
            staying: NOBODY,
            furthest: Arc::default(),
            culprits,
        }
    }

    /// The furthest message that entered is told here.
    #[must_use]
    pub fn telling(self, furthest: Arc<AtomicU64>) -> Self {
        Self { furthest, ..self }
    }

    /// Whether this message has killed us before.
    pub(super) fn is_culprit(&self, seq: u64) -> bool {
        !self.culprits.is_empty() && self.culprits.contains(&seq)
    }

    /// Whether this one must enter alone.
    pub(super) const fn is_suspect(&self, seq: u64) -> bool {
        self.now.deaths >= ONE_BY_ONE && self.now.suspects.holds(seq)
    }

    /// Whether a message killed us that is not found yet: then all enter alone, and none stays.
    pub(super) const fn is_wary(&self) -> bool {
        self.now.deaths >= ONE_BY_ONE
    }

    /// From now on these stay inside when others leave; none where there is no stretch.
    pub(super) fn stay(&mut self, stretch: Option<(u64, u64)>) {
        self.staying = stretch.map_or(NOBODY, |(first, last)| Stretch { first, last });
    }

    /// A group is about to enter.
    pub(super) const fn takes(&mut self, last: u64) {
        self.group_last = last;
    }

    /// This one enters now; suspects do so alone.
    pub(super) fn enters(&mut self, seq: u64) {
        self.entered = seq;
        self.furthest.fetch_max(seq, Ordering::Relaxed);
        if self.now.in_hand.holds(seq) || self.is_culprit(seq) {
            return;
        }
        let suspects = self.now.suspects;
        let one_by_one = self.now.deaths >= ONE_BY_ONE && !suspects.is_empty();
        let last = match () {
            () if self.is_suspect(seq) => seq,
            () if one_by_one && seq < suspects.first => self.group_last.min(suspects.first.saturating_sub(1)),
            () => self.group_last,
        };
        let first = if self.staying.is_empty() { seq } else { self.staying.first.min(seq) };
        self.write(Noted { in_hand: Stretch { first, last: last.max(seq) }, ..self.now });
    }

    /// This one did not enter after all: it comes again.
    pub(super) const fn comes_again(&mut self, seq: u64) {
        self.entered = seq.saturating_sub(1);
    }

    /// It stops in good order, whatever is inside: nothing of it is a death.
    pub(super) fn stops(&mut self) {
        if !self.now.in_hand.is_empty() {
            self.write(Noted { in_hand: NOBODY, ..self.now });
        }
    }

    /// All that entered have left, but for those that stay; whoever was suspected and has left was not it.
    pub(super) fn left(&mut self) {
        let Noted { suspects, deaths, in_hand, .. } = self.now;
        let stays = !self.staying.common(suspects).is_empty();
        let innocent = deaths > 0 && suspects.last <= self.entered && !stays;
        if innocent {
            tracing::info!(
                first = suspects.first,
                last = suspects.last,
                "what was in hand when the process died went through; no message is to blame"
            );
            self.write(Noted { in_hand: self.staying, ..CALM });
        } else if in_hand != self.staying {
            self.write(Noted { in_hand: self.staying, ..self.now });
        }
    }

    fn write(&mut self, noted: Noted) {
        self.now = noted;
        let Some(note) = &self.note else { return };
        if let Err(error) = note.write(&noted.bytes()) {
            tracing::warn!(%error, "what is in hand cannot be noted any more");
            self.note = None;
        }
    }
}

/// Why a culprit is not processed.
pub(super) fn poison() -> Rejection {
    let detail = "the process died several times with this message alone in hand; it was not processed";
    Rejection::new(Reason::Poison, detail)
}

/// The culprits of a file, as far as it can be read.
pub(super) fn found_guilty(path: &Path) -> Vec<u64> {
    culprits(&read_at_most(path, LARGEST).unwrap_or_default()).collect()
}

fn culprits(file: &[u8]) -> impl Iterator<Item = u64> + '_ {
    let listed = file.get(HEAD..).unwrap_or_default().chunks_exact(CULPRIT);
    listed.filter_map(|entry| {
        let (seq, sum) = entry.split_at_checked(8)?;
        let sum = u32::from_le_bytes(sum.try_into().ok()?);
        (crc32fast::hash(seq) == sum).then_some(u64::from_le_bytes(seq.try_into().ok()?))
    })
}
