//! Repeats: which lines were said a moment ago and are only counted now.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// So many different lines of one place in the program are said in one period; a device can make up any number.
const DIFFERENT: usize = 10;

/// What is held back, by the place in the program that speaks.
#[derive(Debug)]
pub(super) struct Repeats<P> {
    period: Duration,
    places: HashMap<P, Spoken>,
    /// Counts up with every line that is held back.
    held: u64,
}

#[derive(Debug)]
struct Spoken {
    since: Instant,
    /// Hashes of what was said.
    said: Vec<u64>,
    held: Option<Held>,
}

/// Lines of one place that were not said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) count: u64,
    /// The last one's text.
    pub(super) last: String,
    /// The later the greater, over all places.
    order: u64,
}

impl<P: Copy + Eq + Hash> Repeats<P> {
    pub(super) fn new(period: Duration) -> Self {
        Self { period, places: HashMap::new(), held: 0 }
    }

    /// Whether the line is said. `content` is the hash of all it holds, `text` is asked for where it is held back.
    pub(super) fn is_said(
        &mut self,
        place: P,
        content: u64,
        now: Instant,
        text: impl FnOnce() -> String,
    ) -> bool {
        let spoken =
            self.places.entry(place).or_insert_with(|| Spoken { since: now, said: Vec::new(), held: None });
        // What was held back is told by `over`, not forgotten here.
        if now.duration_since(spoken.since) >= self.period && spoken.held.is_none() {
            spoken.since = now;
            spoken.said.clear();
        }
        if !spoken.said.contains(&content) && spoken.said.len() < DIFFERENT {
            spoken.said.push(content);
            return true;
        }
        self.held = self.held.saturating_add(1);
        let count = spoken.held.as_ref().map_or(0, |held| held.count).saturating_add(1);
        spoken.held = Some(Held { count, last: text(), order: self.held });
        false
    }

    /// Forgets every place whose period is over, and gives what it had held back, in the order of the last lines.
    pub(super) fn over(&mut self, now: Instant) -> Vec<(P, Held)> {
        let period = self.period;
        let over = self.places.extract_if(|_, spoken| now.duration_since(spoken.since) >= period);
        let mut over: Vec<_> = over.filter_map(|(place, spoken)| Some((place, spoken.held?))).collect();
        over.sort_by_key(|(_, held)| held.order);
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_secs(30);

    fn told(over: Vec<(char, Held)>) -> Vec<(char, u64, String)> {
        over.into_iter().map(|(place, held)| (place, held.count, held.last)).collect()
    }

    #[test]
    fn the_same_line_is_said_once_in_a_period_and_the_rest_is_counted() {
        let (mut repeats, start) = (Repeats::new(PERIOD), Instant::now());
        let mut say = |place, content, after| {
            repeats.is_said(place, content, start + Duration::from_secs(after), || format!("{content}"))
        };
        assert!(say('a', 1, 0) && say('b', 1, 0));
        assert!((1..100).all(|after| !say('a', 1, after)), "held back until it is told, however long");
        assert!(say('a', 2, 20), "another line of the same place");
        assert!(!say('b', 1, 29));
        assert_eq!(repeats.over(start + Duration::from_secs(29)), []);
        let over = repeats.over(start + PERIOD);
        assert_eq!(told(over), [('a', 99, "1".to_owned()), ('b', 1, "1".to_owned())]);
        assert!(repeats.is_said('a', 1, start + PERIOD, String::new));
        assert_eq!(repeats.over(start + PERIOD * 2), [], "nothing was held back since");
        assert!(repeats.places.is_empty());
    }

    #[test]
    fn a_place_says_ten_different_lines_whatever_a_device_makes_up() {
        let (mut repeats, now) = (Repeats::new(PERIOD), Instant::now());
        let said = (0..1000).filter(|content| repeats.is_said('a', *content, now, || format!("{content}")));
        assert_eq!(said.count(), DIFFERENT);
        let over = repeats.over(now + PERIOD);
        assert_eq!(told(over), [('a', 990, "999".to_owned())]);
    }

    #[test]
    fn what_was_held_back_is_told_in_the_order_of_the_last_lines() {
        let (mut repeats, now) = (Repeats::new(PERIOD), Instant::now());
        for round in 0..5 {
            for place in ['d', 'c', 'b', 'a'] {
                assert_eq!(repeats.is_said(place, 1, now, String::new), round == 0);
            }
        }
        let places: String = repeats.over(now + PERIOD).into_iter().map(|(place, _)| place).collect();
        assert_eq!(places, "dcba");
    }

    #[test]
    fn a_period_without_repeats_begins_anew_by_itself() {
        let (mut repeats, now) = (Repeats::new(PERIOD), Instant::now());
        for period in 0..5 {
            assert!(repeats.is_said('a', 1, now + PERIOD * period, String::new));
        }
    }
}
