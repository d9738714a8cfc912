//! Latency: durations counted in a fixed number of buckets, exact to about three per cent, however many there are.

use std::time::Duration;

/// Buckets for each power of two; a power of two itself.
const PARTS: u32 = 32;
const BITS: u32 = PARTS.trailing_zeros();
/// Microseconds beyond 2^40, which is twelve days, share the last bucket.
const POWERS: u32 = 40;

/// How often which latency was seen.
#[derive(Debug, Clone)]
pub struct Latency {
    buckets: Vec<u64>,
    count: u64,
    max: Duration,
}

impl Default for Latency {
    fn default() -> Self {
        let buckets = PARTS * (POWERS - BITS + 1);
        Self { buckets: vec![0; index(buckets)], count: 0, max: Duration::ZERO }
    }
}

impl Latency {
    pub fn add(&mut self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        let last = self.buckets.len().saturating_sub(1);
        if let Some(bucket) = self.buckets.get_mut(bucket_of(micros).min(last)) {
            *bucket = bucket.saturating_add(1);
            self.count = self.count.saturating_add(1);
            self.max = self.max.max(latency);
        }
    }

    /// Exact.
    pub fn max(&self) -> Duration {
        self.max
    }

    /// The latency that so many of a thousand do not exceed. Nothing where none was seen.
    pub fn per_mille(&self, per_mille: u64) -> Option<Duration> {
        let wanted = self.count.saturating_mul(per_mille).div_ceil(1000).max(1);
        let mut seen: u64 = 0;
        let at = self.buckets.iter().position(|count| {
            seen = seen.saturating_add(*count);
            seen >= wanted
        })?;
        Some(Duration::from_micros(highest_of(at)).min(self.max))
    }
}

/// Below `PARTS` each microsecond has its bucket; above, each power of two has `PARTS` of them.
fn bucket_of(micros: u64) -> usize {
    let Some(power) = micros.checked_ilog2().filter(|power| *power >= BITS) else {
        return usize::try_from(micros).unwrap_or(0);
    };
    let shift = power - BITS;
    let part = u32::try_from(micros >> shift).unwrap_or(PARTS) - PARTS;
    index(PARTS.saturating_mul(shift + 1).saturating_add(part))
}

/// The highest number of microseconds in a bucket.
fn highest_of(bucket: usize) -> u64 {
    let (bucket, parts) = (u64::try_from(bucket).unwrap_or(u64::MAX), u64::from(PARTS));
    if bucket < parts {
        return bucket;
    }
    let (power, part) = (bucket / parts - 1, bucket % parts);
    let lowest = (parts + part) << power;
    lowest + (1 << power) - 1
}

fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_exact_to_three_per_cent_and_the_maximum_is_exact() {
        let mut latency = Latency::default();
        assert_eq!((latency.per_mille(500), latency.max()), (None, Duration::ZERO));
        for micros in 1..=10_000_u64 {
            latency.add(Duration::from_micros(micros));
        }
        for per_mille in [1, 100, 500, 950, 990, 1000] {
            let exact = per_mille as f64 * 10.0;
            let told = latency.per_mille(per_mille).unwrap().as_micros() as f64;
            assert!(told >= exact && told <= exact * 1.032, "{per_mille}: {told}, exactly {exact}");
        }
        assert_eq!(latency.max(), Duration::from_micros(10_000));
    }

    #[test]
    fn every_duration_has_a_bucket_and_buckets_follow_each_other() {
        let mut latency = Latency::default();
        latency.add(Duration::ZERO);
        latency.add(Duration::MAX);
        assert_eq!(latency.per_mille(500), Some(Duration::ZERO));
        assert!(latency.per_mille(1000).unwrap() >= Duration::from_secs(86_400));
        for micros in (0..5_000_u64).chain([1 << 20, (1 << 33) + 7]) {
            let bucket = bucket_of(micros);
            assert!(highest_of(bucket) >= micros, "{micros}");
            assert!(bucket == 0 || highest_of(bucket - 1) < micros, "{micros}");
        }
    }
}
