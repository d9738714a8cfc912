//! Lanes: batches in the making, by device, at most one of each lane under way.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

use tokio::time::Instant;

use crate::batch::{Batch, Config};
use crate::line_protocol;
use crate::point::Point;

/// A batch under way, and which message each of its lines came from.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) lane: usize,
    pub(super) batch: Batch,
    pub(super) seqs: Vec<u64>,
}

/// All lanes of one destination.
#[derive(Debug)]
pub(super) struct Lanes {
    config: Config,
    lanes: Vec<Lane>,
}

#[derive(Debug, Default)]
struct Lane {
    filling: Batch,
    seqs: Vec<u64>,
    /// When the first line of `filling` came.
    since: Option<Instant>,
    full: VecDeque<(Batch, Vec<u64>)>,
    under_way: bool,
}

impl Lane {
    fn close(&mut self) {
        self.since = None;
        self.full.push_back((std::mem::take(&mut self.filling), std::mem::take(&mut self.seqs)));
    }
}

impl Lanes {
    pub(super) fn new(count: usize, config: Config) -> Self {
        Self { config, lanes: std::iter::repeat_with(Lane::default).take(count.max(1)).collect() }
    }

    /// Writes the point as a line into its device's lane; false where the point has nothing that can be written.
    pub(super) fn push(&mut self, seq: u64, point: &Point, now: Instant) -> bool {
        let index = self.lane_of(point);
        let Some(lane) = self.lanes.get_mut(index) else { return false };
        if !line_protocol::write(point, &mut lane.filling.text) {
            return false;
        }
        lane.filling.ends.push(lane.filling.text.len());
        lane.seqs.push(seq);
        lane.since.get_or_insert(now);
        if lane.seqs.len() >= self.config.max_points || lane.filling.text.len() >= self.config.max_bytes {
            lane.close();
        }
        true
    }

    /// When the next lane must send what it has.
    pub(super) fn due(&self) -> Option<Instant> {
        let free = self.lanes.iter().filter(|lane| !lane.under_way);
        free.filter_map(|lane| lane.since).min().map(|since| since + self.config.max_age)
    }

    /// Takes one batch of each free lane that has a full or a due one.
    pub(super) fn ready(&mut self, now: Instant) -> Vec<Load> {
        let mut loads = Vec::new();
        for (index, lane) in self.lanes.iter_mut().enumerate().filter(|(_, lane)| !lane.under_way) {
            if lane.full.is_empty() && lane.since.is_some_and(|since| now >= since + self.config.max_age) {
                lane.close();
            }
            if let Some((batch, seqs)) = lane.full.pop_front() {
                lane.under_way = true;
                loads.push(Load { lane: index, batch, seqs });
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

    fn lane_of(&self, point: &Point) -> usize {
        if self.lanes.len() == 1 {
            return 0;
        }
        let mut hasher = DefaultHasher::new();
        point.measurement.hash(&mut hasher);
        point.tags.hash(&mut hasher);
        let lanes = u64::try_from(self.lanes.len()).unwrap_or(1);
        usize::try_from(hasher.finish() % lanes).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::point::FieldValue;

    fn point(device: &str, time: i64) -> Point {
        Point {
            measurement: "noise".into(),
            tags: Arc::from(vec![(Arc::from("device"), Arc::from(device))]),
            fields: vec![("laeq_dba".into(), FieldValue::Float(55.0))],
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
            assert!(lanes.push(seq, &point("a", seq.try_into().unwrap()), now));
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
    fn one_device_is_always_in_one_lane() {
        let mut lanes = lanes(4, 1);
        let now = Instant::now();
        for seq in 1..=8 {
            lanes.push(seq, &point("a", seq.try_into().unwrap()), now);
        }
        assert_eq!(lanes.ready(now).len(), 1);
    }
}
