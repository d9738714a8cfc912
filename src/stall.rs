//! Stall: whether something that waits to be served has stood still for too long, and what is to be done then.

use std::time::{Duration, Instant};

use crate::settings::{Section, Span};

/// So often something is begun anew before the process itself is given up.
const HEALS: u32 = 3;

/// The settings of `[watch]`.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// Zero: nothing is watched.
    pub stall_after: Duration,
}

impl Config {
    pub fn read(section: &mut Section) -> Self {
        let stall_after = section.get("stall_after", Span(Duration::from_secs(120))).0;
        if !stall_after.is_zero() && stall_after < Duration::from_secs(1) {
            section.problem("stall_after", "must be at least 1s, or 0s for never");
        }
        Self { stall_after }
    }
}

/// What is seen of the watched thing at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    /// Something waits, and nothing outside is to blame that it does.
    pub waits: bool,
    /// Changes whenever something was served.
    pub served: u64,
}

/// What follows from a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// It moves, or nothing waits.
    Fine,
    /// It moves again after it had been begun anew.
    Recovered,
    /// It stands still, but not for long.
    Wait,
    /// It has stood still for too long: begin it anew, for the so manieth time.
    Heal(u32),
    /// That did not help.
    GiveUp,
}

/// The memory of one watched thing.
#[derive(Debug)]
pub struct Stall {
    after: Duration,
    served: u64,
    /// Since when it stands still or, after each new beginning, since that.
    since: Option<Instant>,
    /// Since when nothing waits.
    calm: Option<Instant>,
    heals: u32,
}

impl Stall {
    pub const fn new(after: Duration) -> Self {
        Self { after, served: 0, since: None, calm: None, heals: 0 }
    }

    /// Whether it was begun anew and has not moved since.
    pub const fn is_told(&self) -> bool {
        self.heals > 0
    }

    pub fn look(&mut self, sight: Sight, now: Instant) -> Advice {
        let moved = sight.served != self.served;
        if moved || !sight.waits {
            self.served = sight.served;
            self.since = sight.waits.then_some(now);
            // While something is begun anew nothing may wait for a moment: that alone is no recovery.
            let calm = *self.calm.get_or_insert(now);
            self.calm = self.calm.filter(|_| !sight.waits);
            if self.heals > 0 && (moved || now.saturating_duration_since(calm) >= self.after) {
                self.heals = 0;
                return Advice::Recovered;
            }
            return Advice::Fine;
        }
        self.calm = None;
        let since = *self.since.get_or_insert(now);
        if now.saturating_duration_since(since) < self.after {
            return Advice::Wait;
        }
        self.since = Some(now);
        if self.heals >= HEALS {
            return Advice::GiveUp;
        }
        self.heals += 1;
        Advice::Heal(self.heals)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AFTER: Duration = Duration::from_secs(60);

    /// Looks once for each pair of seconds and sight.
    fn looks(sights: &[(u64, bool, u64)]) -> Vec<Advice> {
        let (mut stall, start) = (Stall::new(AFTER), Instant::now());
        let look = |(seconds, waits, served): &(u64, bool, u64)| {
            stall.look(Sight { waits: *waits, served: *served }, start + Duration::from_secs(*seconds))
        };
        sights.iter().map(look).collect()
    }

    #[test]
    fn whatever_moves_or_waits_for_nothing_is_fine_however_slow() {
        let slow: Vec<_> = (0..20).map(|n| (n * 59, true, n + 1)).collect();
        let idle: Vec<_> = (0..20).map(|n| (n * 1000, false, 7)).collect();
        for sights in [slow, idle] {
            assert!(looks(&sights).iter().all(|advice| *advice == Advice::Fine));
        }
    }

    #[test]
    fn a_stall_is_healed_once_for_each_span_and_then_given_up() {
        use Advice::{Fine, GiveUp, Heal, Wait};
        let sights = [0, 1, 60, 61, 119, 121, 180, 181, 240, 241, 242].map(|at| (at, true, 5));
        let told = looks(&sights);
        assert_eq!(
            told,
            [Fine, Wait, Heal(1), Wait, Wait, Heal(2), Wait, Heal(3), Wait, GiveUp, Wait],
            "the first look starts the clock"
        );
    }

    #[test]
    fn progress_after_a_heal_is_told_once_and_the_next_stall_counts_anew() {
        use Advice::{Fine, Heal, Recovered, Wait};
        let told = looks(&[
            (0, true, 1),
            (60, true, 1),
            (70, true, 2),
            (80, true, 3),
            (139, true, 3),
            (141, true, 3),
        ]);
        assert_eq!(told, [Fine, Heal(1), Recovered, Fine, Wait, Heal(1)]);
    }

    #[test]
    fn what_is_away_for_a_while_has_its_time_again_but_is_not_recovered() {
        use Advice::{Fine, Heal, Wait};
        // Between the heals the connection is down: nothing waits.
        let told = looks(&[
            (0, true, 1),
            (60, true, 1),
            (61, false, 1),
            (65, true, 1),
            (100, true, 1),
            (126, true, 1),
        ]);
        assert_eq!(told, [Fine, Heal(1), Fine, Wait, Wait, Heal(2)]);
    }

    #[test]
    fn where_nothing_has_waited_for_as_long_the_stall_is_over() {
        use Advice::{Fine, Heal, Recovered};
        let told = looks(&[
            (0, true, 1),
            (60, true, 1),
            (61, false, 1),
            (120, false, 1),
            (121, false, 1),
            (122, false, 1),
        ]);
        assert_eq!(told, [Fine, Heal(1), Fine, Fine, Recovered, Fine]);
    }
}
