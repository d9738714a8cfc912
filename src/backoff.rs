//! Back-off: how long to wait before the next try, growing with each failure, spread by jitter.

use std::time::Duration;

/// Doubles from `first` up to `cap`; each wait is drawn between half of that and all of it.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    cap: Duration,
    failures: u32,
}

impl Backoff {
    pub const fn new(first: Duration, cap: Duration) -> Self {
        Self { first, cap, failures: 0 }
    }

    /// The wait after one more failure.
    pub fn next_wait(&mut self) -> Duration {
        let doubled = self.first.saturating_mul(2_u32.saturating_pow(self.failures.min(30)));
        self.failures = self.failures.saturating_add(1);
        let full = doubled.min(self.cap);
        full.mul_f64(0.5 + fastrand::f64() / 2.0)
    }

    /// How many failures in a row.
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// It worked: the next failure waits shortly again.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_cap_and_start_again_after_a_success() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
        for step in 0..50_u32 {
            let full = Duration::from_millis(100 * 2_u64.pow(step.min(6))).min(Duration::from_secs(5));
            let wait = backoff.next_wait();
            assert!(wait >= full / 2 && wait <= full, "step {step}: {wait:?} of {full:?}");
        }
        backoff.reset();
        assert!(backoff.next_wait() <= Duration::from_millis(100));
    }
}
