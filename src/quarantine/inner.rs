//! The quarantine's writer: appends, recovers after a failure as at a start, and keeps the quota.

use std::collections::BTreeMap;
use std::io;

use super::counts::{self, Counts, MovedBy, Tally};
use super::frame::{self, Group, Item};
use super::scan::{self, Scan};
use super::{DAMAGED, Held, Inner, Move, Open, SEGMENT_SIZE, Told};
use crate::journal::disk;
use crate::journal::frame::Salt;
use crate::journal::segment;
use crate::outcome::{Moved, Outcome, Outcomes, Reason};

impl Inner {
    pub(super) fn bytes(&self) -> u64 {
        self.tallies().map(|tally| tally.size).sum()
    }

    pub(super) fn told(&self) -> Told {
        let held = self.tallies().map(Tally::held).sum();
        let counts = super::Counts { bytes: self.bytes(), held, expired: self.gone.messages };
        Told { counts, moved: self.moved.clone() }
    }

    fn tallies(&self) -> impl Iterator<Item = &Tally> {
        self.closed.values().chain(self.open.as_ref().map(|open| &open.tally))
    }

    /// Counts what the files hold, and makes void what is at or above these positions.
    pub(super) fn recover(&mut self, positions: &BTreeMap<String, u64>) -> io::Result<()> {
        self.open = None;
        let disk = self.disk.clone();
        let found = Counts::read(&self.dir, disk.as_ref())?;
        self.gone = found.counts;
        self.set_aside(&found.damaged);
        if self.forgets {
            self.gone.moved.clear();
        }
        self.closed.clear();
        self.moved = self.gone.moved.clone();
        for (number, _, path) in segment::list(&self.dir, disk.as_ref())? {
            // A crash came between counting it and removing it.
            if self.gone.through.is_some_and(|through| number <= through)
                && !scan::is_foreign(&path, disk.as_ref())?
            {
                disk.remove(&path)?;
            }
            self.next = self.next.max(number.saturating_add(1));
        }
        self.next = self.next.max(self.gone.through.map_or(1, |through| through.saturating_add(1)));
        let mut scan = Scan::new(&self.dir, disk.as_ref())?;
        self.damage.met(scan.harm(), None, disk.as_ref());
        self.partial = scan.is_partial();
        for (number, size) in scan.segments() {
            self.closed.insert(number, Tally { size, ..Tally::default() });
        }
        // Also of messages that a mark makes void already: one that is read here need not be durable.
        let above = |(destination, highest): (&String, &u64)| {
            let from = positions.get(destination).copied().filter(|from| from <= highest)?;
            Some((destination.clone(), from))
        };
        let mut unsettled: BTreeMap<String, u64> = scan.highest().iter().filter_map(above).collect();
        while let Some((number, item)) = scan.next_item(disk.as_ref())? {
            let tally = self.closed.entry(number).or_default();
            match item {
                Item::Held(held) if held.is_settled(positions) => tally.hold(&held),
                Item::Held(_) => {}
                Item::Moved(mut group) => {
                    // Only a cursor that had to fall back stands before a message that has moved.
                    let from = positions.get(&group.destination).copied().unwrap_or(u64::MAX);
                    if group.seqs.iter().any(|seq| *seq >= from) {
                        group.seqs.retain(|seq| *seq < from);
                        unsettled.insert(group.destination.clone(), from);
                    }
                    group.count(&mut self.moved);
                    group.count(&mut tally.moved);
                }
                Item::Void { .. } => {}
            }
        }
        let made = self.make_void(&unsettled).and_then(|()| self.forget());
        if made.is_err() {
            self.broken = Some(positions.clone());
        }
        made
    }

    /// The next write would put a damaged file in the place of the sound one before it.
    fn set_aside(&self, names: &[&str]) {
        let (aside, disk) = (self.dir.join(DAMAGED), self.disk.as_ref());
        let one = |name: &&str| disk.rename(&self.dir.join(name), &aside.join(name));
        let all = || disk::make_dir(&aside, disk).and_then(|()| names.iter().rev().try_for_each(one));
        if !names.is_empty()
            && let Err(error) = all().and_then(|()| disk.sync_dir(&aside))
        {
            tracing::warn!(dir = %self.dir.display(), %error, "damaged counts cannot be set aside");
        }
        if !names.is_empty() {
            self.damage.look(disk);
        }
    }

    /// Each mark twice: without it a message that was judged again would be held and stored.
    fn make_void(&mut self, from: &BTreeMap<String, u64>) -> io::Result<()> {
        if from.is_empty() {
            return Ok(());
        }
        self.append(|salt, out| {
            for (destination, from) in from.iter().chain(from) {
                frame::write_void(destination, *from, salt, out);
            }
        })
    }

    /// Before a position is saved the file says what counts.
    fn forget(&mut self) -> io::Result<()> {
        if self.forgets {
            self.gone.write(&self.dir, self.disk.as_ref())?;
            self.forgets = false;
        }
        Ok(())
    }

    /// Counts in the file of what is gone what nobody can find any more; never while more may be found another time.
    pub(super) fn settle_lost(&mut self, first: &BTreeMap<String, Outcomes>) -> io::Result<u64> {
        if self.partial || self.broken.is_some() {
            return Ok(0);
        }
        let mut held = BTreeMap::<String, Outcomes>::new();
        for (destination, live) in self.tallies().flat_map(|tally| &tally.live) {
            held.entry(destination.clone()).or_default().add(live);
        }
        let (mut moved, mut lost) = (MovedBy::new(), 0);
        for (destination, first) in first {
            let left = self.moved.get(destination).map(|moved| &moved.from.quarantined);
            let held = held.get(destination).map(|held| &held.quarantined);
            for (reason, count) in &first.quarantined {
                let of =
                    |counts: Option<&BTreeMap<Reason, u64>>| counts.and_then(|all| all.get(reason)).copied();
                let known = of(left).unwrap_or(0).saturating_add(of(held).unwrap_or(0));
                let missing = count.saturating_sub(known);
                if missing > 0 {
                    tracing::error!(destination, %reason, messages = missing, "messages in quarantine are lost to damage");
                    let to = Outcome::Discarded(Reason::JournalDamage);
                    moved.entry(destination.clone()).or_default().count(
                        Outcome::Quarantined(*reason),
                        to,
                        missing,
                    );
                    lost += missing;
                }
            }
        }
        if lost > 0 {
            let mut gone = self.gone.clone();
            counts::add(&mut gone.moved, &moved);
            gone.write(&self.dir, self.disk.as_ref())?;
            self.gone = gone;
            counts::add(&mut self.moved, &moved);
        }
        Ok(lost)
    }

    /// Of what is held the outcome it was settled as, and of what has left the one before its first move.
    pub(super) fn first_outcomes(&self) -> BTreeMap<String, Outcomes> {
        let mut all = BTreeMap::<String, Outcomes>::new();
        for (destination, live) in self.tallies().flat_map(|tally| &tally.live) {
            all.entry(destination.clone()).or_default().add(live);
        }
        for (destination, Moved { from, to }) in &self.moved {
            let first = all.entry(destination.clone()).or_default();
            first.add(from);
            // These are counted where they left, whether they are still held for the rest of them or have left again.
            first.partly_stored = first.partly_stored.saturating_sub(to.partly_stored);
        }
        all
    }

    pub(super) fn mend(&mut self) -> io::Result<()> {
        let Some(void) = self.broken.clone() else { return Ok(()) };
        let mended = self.recover(&void);
        // The mark may not be on disk: what it is about stays to be made void.
        self.broken = mended.is_err().then_some(void);
        mended
    }

    pub(super) fn put(&mut self, held: &[Held]) -> io::Result<()> {
        self.mend()?;
        let written =
            self.append(|salt, out| held.iter().for_each(|held| frame::write_held(held, salt, out)));
        if let (Err(_), Some(void)) = (&written, &mut self.broken) {
            for held in held {
                let from = void.entry(held.destination.clone()).or_insert(u64::MAX);
                *from = held.record.seq.min(*from);
            }
        }
        written?;
        if let Some(open) = &mut self.open {
            held.iter().for_each(|held| open.tally.hold(held));
        }
        Ok(())
    }

    pub(super) fn record(&mut self, moves: &[Move]) -> io::Result<()> {
        self.mend()?;
        let there = |number: u64| {
            self.closed.contains_key(&number) || self.open.as_ref().is_some_and(|open| open.number == number)
        };
        let moves: Vec<_> = moves.iter().filter(|one| there(one.segment)).collect();
        let mut groups = Vec::<Group>::new();
        for one in &moves {
            let same = |group: &&mut Group| {
                group.destination == one.destination && group.from == one.from && group.to == one.to
            };
            match groups.iter_mut().find(same) {
                Some(group) => group.seqs.push(one.seq),
                None => groups.push(Group {
                    destination: one.destination.clone(),
                    from: one.from,
                    to: one.to,
                    seqs: vec![one.seq],
                }),
            }
        }
        if groups.is_empty() {
            return Ok(());
        }
        self.append(|salt, out| groups.iter().for_each(|group| frame::write_moved(group, salt, out)))?;
        for one in moves {
            let open =
                self.open.as_mut().filter(|open| open.number == one.segment).map(|open| &mut open.tally);
            if let Some(tally) = open.or_else(|| self.closed.get_mut(&one.segment)) {
                tally.release(&one.destination, one.from, one.to);
            }
        }
        if let Some(open) = &mut self.open {
            for group in &groups {
                group.count(&mut self.moved);
                group.count(&mut open.tally.moved);
            }
        }
        Ok(())
    }

    /// Appends and syncs; a segment that failed is left as it is and a new one begun.
    fn append(&mut self, encode: impl Fn(Salt, &mut Vec<u8>)) -> io::Result<()> {
        let most = SEGMENT_SIZE.min(self.config.max_size / 4);
        let mut open = match self.open.take() {
            Some(open) if open.tally.size < most => open,
            Some(full) => {
                self.closed.insert(full.number, full.tally);
                self.begin()?
            }
            None => self.begin()?,
        };
        let mut frames = Vec::new();
        encode(open.salt, &mut frames);
        let written = open.file.append(&frames).and_then(|()| open.file.sync());
        open.tally.size += u64::try_from(frames.len()).unwrap_or(u64::MAX);
        if let Err(error) = written {
            // All of it, a part or nothing may stand there.
            self.closed.insert(open.number, open.tally);
            self.broken.get_or_insert_default();
            return Err(error);
        }
        self.open = Some(open);
        Ok(())
    }

    fn begin(&mut self) -> io::Result<Open> {
        let number = self.next;
        self.next += 1;
        let path = segment::path(&self.dir, number, 0);
        let mut file = self.disk.create(&path)?;
        let (header, salt) = segment::header(frame::MAGIC, number, self.clock.now());
        let begun =
            file.append(&header).and_then(|()| file.sync()).and_then(|()| self.disk.sync_dir(&self.dir));
        if let Err(error) = begun {
            let _ = self.disk.remove(&path);
            return Err(error);
        }
        let size = u64::try_from(header.len()).unwrap_or(0);
        Ok(Open { number, file, salt, tally: Tally { size, ..Tally::default() } })
    }

    pub(super) fn tidy(&mut self) {
        if let Err(error) = self.mend().and_then(|()| self.keep_quota()) {
            tracing::warn!(%error, "the quarantine's quota could not be kept");
        }
    }

    /// Removes the oldest segments that hold nothing any more, are too old or too much, never a message that is
    /// not settled yet. Only from the front: a mark may speak of anything before it.
    fn keep_quota(&mut self) -> io::Result<()> {
        let age = i64::try_from(self.config.max_age.as_nanos()).unwrap_or(i64::MAX);
        let oldest = self.clock.now().saturating_sub(age);
        let too_old = |tally: &Tally| tally.newest.is_some_and(|newest| newest < oldest);
        if let Some(open) = self.open.take_if(|open| too_old(&open.tally)) {
            self.closed.insert(open.number, open.tally);
        }
        while let Some((&number, tally)) = self.closed.first_key_value() {
            let held = tally.held();
            let beyond = self.bytes() > self.config.max_size || too_old(tally);
            let passed =
                |(name, last): (&String, &u64)| self.settled.get(name).is_none_or(|next| last < next);
            if held > 0 && !(beyond && tally.last.iter().all(passed)) {
                break;
            }
            // Counts first, so that a crash between the two neither forgets nor counts twice.
            let (expired, bytes) = (tally.expire(), tally.size);
            let mut gone = self.gone.clone();
            gone.messages += held;
            gone.through = Some(number);
            counts::add(&mut gone.moved, &tally.moved);
            counts::add(&mut gone.moved, &expired);
            gone.write(&self.dir, self.disk.as_ref())?;
            self.gone = gone;
            counts::add(&mut self.moved, &expired);
            self.closed.remove(&number);
            if held > 0 {
                tracing::warn!(messages = held, bytes, "the quarantine's quota removed its oldest messages");
            }
            self.disk.remove(&segment::path(&self.dir, number, 0))?;
        }
        Ok(())
    }
}
