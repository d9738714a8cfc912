//! Lanes: batches in the making, by bucket and device, at most one of each lane under way.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::batch::{Batch, Config};
use crate::hashing::Seeded;
use crate::line_protocol;
use crate::point::Point;
use crate::sink::embedded::{pairs, parts};

/// A batch under way, and which message each of its lines came from.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) lane: usize,
    /// Nothing where the destination has one bucket only.
    pub(super) bucket: Option<Arc<str>>,
    pub(super) batch: Batch,
    pub(super) seqs: Vec<u64>,
}

/// All lanes of one destination.
#[derive(Debug)]
pub(super) struct Lanes {
    config: Config,
    /// For each bucket.
    count: usize,
    lanes: Vec<Lane>,
    /// The first lane of each bucket.
    first: HashMap<Option<Arc<str>>, usize>,
    /// The line that is written just now.
    line: Vec<u8>,
}

#[derive(Debug, Default)]
struct Lane {
    bucket: Option<Arc<str>>,
    filling: Batch,
    seqs: Vec<u64>,
    /// When the first line of `filling` came.
    since: Option<Instant>,
    /// When the last batch left.
    left: Option<Instant>,
    full: VecDeque<(Batch, Vec<u64>)>,
    under_way: bool,
    /// The last line of `filling` of each series, told by its checksum, and time.
    held: HashMap<(u32, i64), usize, Seeded>,
}

/// What became of a point that was to go into a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pushed {
    /// Nothing in it can be written.
    Nothing,
    Line,
    /// A line, but the batch holds another point of the same identity with other values: the later one wins.
    Overwrites,
}

impl Lane {
    fn close(&mut self) {
        self.since = None;
        self.held.clear();
        let (next, seqs) = (Batch::like(&self.filling), Vec::with_capacity(self.seqs.len()));
        let full = (std::mem::replace(&mut self.filling, next), std::mem::replace(&mut self.seqs, seqs));
        self.full.push_back(full);
    }

    /// When what fills must leave: at once where nothing left for as long as a batch may wait, so that a quiet lane
    /// tells each value while it is new and a busy one writes no more often than before.
    fn due(&self, max_age: Duration) -> Option<Instant> {
        let since = self.since?;
        Some(self.left.map_or(since, |left| (left + max_age).max(since)).min(since + max_age))
    }
}

impl Lanes {
    pub(super) fn new(count: usize, config: Config) -> Self {
        Self { config, count: count.max(1), lanes: Vec::new(), first: HashMap::new(), line: Vec::new() }
    }

    /// Writes the point as a line into its device's lane. Each bucket has lanes of its own, so that one which takes
    /// nothing holds none of the others.
    pub(super) fn push(
        &mut self,
        seq: u64,
        point: &Point,
        bucket: Option<&Arc<str>>,
        now: Instant,
    ) -> Pushed {
        self.line.clear();
        let Some(series) = line_protocol::write_line(point, &mut self.line) else { return Pushed::Nothing };
        let checksum = crc32fast::hash(self.line.get(..series).unwrap_or_default());
        let index = self.first_of(bucket).saturating_add(self.lane_of(checksum));
        let Some(lane) = self.lanes.get_mut(index) else { return Pushed::Nothing };
        let filling = &mut lane.filling;
        filling.push(&self.line, checksum);
        let former = lane.held.insert((checksum, point.time), lane.seqs.len());
        let overwrites = former.is_some_and(|former| differ(filling.line(former), &self.line));
        lane.seqs.push(seq);
        lane.since.get_or_insert(now);
        if lane.seqs.len() >= self.config.max_points || lane.filling.text.len() >= self.config.max_bytes {
            lane.close();
        }
        if overwrites { Pushed::Overwrites } else { Pushed::Line }
    }

    /// When the next lane must send what it has.
    pub(super) fn due(&self) -> Option<Instant> {
        let free = self.lanes.iter().filter(|lane| !lane.under_way);
        free.filter_map(|lane| lane.due(self.config.max_age)).min()
    }

    /// Takes one batch of each free lane that has a full or a due one.
    pub(super) fn ready(&mut self, now: Instant) -> Vec<Load> {
        let mut loads = Vec::new();
        for (index, lane) in self.lanes.iter_mut().enumerate().filter(|(_, lane)| !lane.under_way) {
            if lane.full.is_empty() && lane.due(self.config.max_age).is_some_and(|due| now >= due) {
                lane.close();
            }
            if let Some((batch, seqs)) = lane.full.pop_front() {
                (lane.under_way, lane.left) = (true, Some(now));
                loads.push(Load { lane: index, bucket: lane.bucket.clone(), batch, seqs });
            }
        }
        loads
    }

    /// The write of this lane came back.
    pub(super) fn free(&mut self, lane: usize) {
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.under_way = false;
        }
    }

    fn first_of(&mut self, bucket: Option<&Arc<str>>) -> usize {
        let bucket = bucket.cloned();
        if let Some(first) = self.first.get(&bucket) {
            return *first;
        }
        let first = self.lanes.len();
        let new = || Lane { bucket: bucket.clone(), ..Lane::default() };
        self.lanes.extend(std::iter::repeat_with(new).take(self.count));
        self.first.insert(bucket, first);
        first
    }

    fn lane_of(&self, series: u32) -> usize {
        usize::try_from(series).unwrap_or(0) % self.count
    }
}

/// Whether two lines are of one point and give a field two values.
fn differ(former: &[u8], line: &[u8]) -> bool {
    fn read(line: &[u8]) -> Option<(&str, &str, i64)> {
        parts(std::str::from_utf8(line.strip_suffix(b"\n").unwrap_or(line)).ok()?)
    }
    let (Some(former), Some(line)) = (read(former), read(line)) else { return false };
    let of_line = |name| pairs(line.1).find(|(known, _)| *known == name);
    let changed = |(name, value)| of_line(name).is_some_and(|(_, now)| now != value);
    former.0 == line.0 && former.2 == line.2 && pairs(former.1).any(changed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::point::{Field, FieldValue, Tags};

    fn point(device: &str, time: i64) -> Point {
        Point {
            measurement: "noise".into(),
            tags: Tags::from(vec![(Arc::from("device"), Arc::from(device))]),
            fields: vec![Field::of("laeq_dba", FieldValue::Float(55.0))],
            time,
        }
    }

    fn lanes(count: usize, max_points: usize) -> Lanes {
        let config = Config { max_points, max_bytes: 1 << 20, max_age: Duration::from_millis(200) };
        Lanes::new(count, config)
    }

    #[test]
    fn a_lane_has_one_batch_under_way_and_keeps_the_order() {
        let mut lanes = lanes(1, 2);
        let now = Instant::now();
        for seq in 1..=5 {
            assert_eq!(lanes.push(seq, &point("a", seq.try_into().unwrap()), None, now), Pushed::Line);
        }
        let first = lanes.ready(now);
        assert_eq!(first.len(), 1);
        assert_eq!(first[0].seqs, vec![1, 2]);
        assert!(lanes.ready(now + Duration::from_secs(1)).is_empty());
        lanes.free(0);
        assert_eq!(lanes.ready(now)[0].seqs, vec![3, 4]);
        lanes.free(0);
        assert!(lanes.ready(now).is_empty());
        assert_eq!(lanes.due(), Some(now + Duration::from_millis(200)));
        assert_eq!(lanes.ready(now + Duration::from_millis(200))[0].seqs, vec![5]);
    }

    #[test]
    fn a_quiet_lane_writes_at_once_and_a_busy_one_no_more_often_than_its_batches_may_wait() {
        let (mut lanes, begin) = (lanes(1, 1000), Instant::now());
        let at = |millis| begin + Duration::from_millis(millis);
        let mut sent = |seq: u64, millis: u64| {
            lanes.push(seq, &point("a", seq.try_into().unwrap()), None, at(millis));
            let loads = lanes.ready(at(millis));
            lanes.free(0);
            (loads.into_iter().map(|load| load.seqs).collect::<Vec<_>>(), lanes.due())
        };
        assert_eq!(sent(1, 0), (vec![vec![1]], None), "the first of all");
        assert_eq!(sent(2, 50), (vec![], Some(at(200))), "a load: it waits until the last write is old");
        assert_eq!(sent(3, 120), (vec![], Some(at(200))));
        assert_eq!(sent(4, 200), (vec![vec![2, 3, 4]], None));
        assert_eq!(sent(5, 401), (vec![vec![5]], None), "quiet again");
    }

    #[test]
    fn one_device_is_always_in_one_lane() {
        let mut lanes = lanes(4, 1);
        let now = Instant::now();
        for seq in 1..=8 {
            lanes.push(seq, &point("a", seq.try_into().unwrap()), None, now);
        }
        assert_eq!(lanes.ready(now).len(), 1);
    }

    #[test]
    fn a_bucket_whose_write_is_under_way_holds_no_other() {
        let mut lanes = lanes(1, 2);
        let now = Instant::now();
        let (held, free) = (Arc::from("held"), Arc::from("free"));
        for seq in 1..=4 {
            lanes.push(seq, &point("a", 1), Some(&held), now);
            lanes.push(seq + 10, &point("a", 1), Some(&free), now);
        }
        let first: Vec<_> = lanes.ready(now).into_iter().map(|load| (load.bucket, load.seqs)).collect();
        assert_eq!(first, [(Some(held.clone()), vec![1, 2]), (Some(free.clone()), vec![11, 12])]);
        lanes.free(1);
        let second: Vec<_> = lanes.ready(now).into_iter().map(|load| (load.bucket, load.seqs)).collect();
        assert_eq!(second, [(Some(free), vec![13, 14])]);
        lanes.free(0);
        assert_eq!(lanes.ready(now)[0].seqs, [3, 4]);
    }

    #[test]
    fn two_points_of_one_identity_with_different_values_are_told() {
        let mut lanes = lanes(1, 10);
        let now = Instant::now();
        let mut other = point("a", 1);
        other.fields = vec![Field::of("laeq_dba", FieldValue::Float(56.0))];
        assert_eq!(lanes.push(1, &point("a", 1), None, now), Pushed::Line);
        assert_eq!(lanes.push(2, &point("a", 1), None, now), Pushed::Line, "the same again");
        assert_eq!(lanes.push(3, &other, None, now), Pushed::Overwrites);
        assert_eq!(lanes.push(4, &point("a", 2), None, now), Pushed::Line);
        other.fields = vec![Field::of("lamax_dba", FieldValue::Float(56.0))];
        assert_eq!(lanes.push(5, &other, None, now), Pushed::Line, "another field of the same point");
    }
}
