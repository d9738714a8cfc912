//! Hashing for maps on the hot path: fast, and seeded, so that nobody outside can aim at one bucket.
//!
//! Each sixteen bytes are folded in by one 128-bit product with a secret, as wyhash and its kin do. For keys that are
//! short or ours; the standard library's SipHash stays wherever an outsider may fill a map for long.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Makes hashers of one secret.
#[derive(Debug, Clone)]
pub struct Seeded(u64);

#[derive(Debug)]
pub struct Folded {
    state: u64,
    secret: u64,
}

impl Default for Seeded {
    fn default() -> Self {
        // The standard library's seeds come from the system's random numbers. An even factor would lose a bit.
        Self(RandomState::new().hash_one(0_u8) | 1)
    }
}

/// The same in every process: for what no map holds and only the broker could repeat.
impl Default for Folded {
    fn default() -> Self {
        Self { state: 0x9e37_79b9_7f4a_7c15, secret: 0xa076_1d64_78bd_642f }
    }
}

impl BuildHasher for Seeded {
    type Hasher = Folded;

    #[inline]
    fn build_hasher(&self) -> Folded {
        Folded { state: self.0.rotate_left(32), secret: self.0 }
    }
}

impl Folded {
    #[inline]
    fn fold(&mut self, word: u64) {
        self.fold_two(word, 0);
    }

    #[inline]
    fn fold_two(&mut self, one: u64, other: u64) {
        let product = u128::from(self.state ^ one).wrapping_mul(u128::from(self.secret ^ other));
        let [low, high] = halves(product);
        self.state = (low ^ high).wrapping_add(self.secret);
    }
}

const fn halves(product: u128) -> [u64; 2] {
    let bytes = product.to_le_bytes();
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = bytes;
    [u64::from_le_bytes([a, b, c, d, e, f, g, h]), u64::from_le_bytes([i, j, k, l, m, n, o, p])]
}

impl Hasher for Folded {
    /// Of a text that is no longer than sixteen bytes its two ends, which may share bytes, in one product.
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some((pair, after)) = rest.split_first_chunk::<16>().filter(|(_, after)| !after.is_empty())
        {
            let (words, _) = pair.as_chunks::<8>();
            if let [one, other] = words {
                self.fold_two(u64::from_le_bytes(*one), u64::from_le_bytes(*other));
            }
            rest = after;
        }
        let ends = (rest.first_chunk::<8>(), rest.last_chunk::<8>());
        let halves = (rest.first_chunk::<4>(), rest.last_chunk::<4>());
        let (one, other) = match (ends, halves) {
            ((Some(first), Some(last)), _) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
            (_, (Some(first), Some(last))) => {
                (u32::from_le_bytes(*first).into(), u32::from_le_bytes(*last).into())
            }
            _ => (rest.iter().fold(0, |all, byte| all << 8 | u64::from(*byte)), 0),
        };
        // The length tells "a" from "a\0".
        let length = u64::try_from(bytes.len()).unwrap_or(0);
        self.fold_two(one, other ^ length.rotate_left(56));
    }

    /// What ends a text, for one; a key of many of them is better told as bytes.
    #[inline]
    fn write_u8(&mut self, number: u8) {
        self.state = self.state.wrapping_add(number.into());
    }

    #[inline]
    fn write_u32(&mut self, number: u32) {
        self.fold(number.into());
    }

    #[inline]
    fn write_u64(&mut self, number: u64) {
        self.fold(number);
    }

    #[inline]
    fn write_i64(&mut self, number: i64) {
        self.fold(number.cast_unsigned());
    }

    #[inline]
    fn finish(&self) -> u64 {
        let product = u128::from(self.state).wrapping_mul(u128::from(self.secret));
        let [low, high] = halves(product);
        low ^ high
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;

    #[test]
    fn like_keys_get_unlike_hashes_under_every_seed() {
        for _ in 0..20 {
            let seeded = Seeded::default();
            let texts = (0..50_000).map(|number| seeded.hash_one(format!("device-{number}")));
            let pairs = (0..50_000_i64).map(|number| seeded.hash_one((7_u32, number * 1_000_000_000)));
            for hashes in [texts.collect::<Vec<_>>(), pairs.collect()] {
                // The map takes its places from the low bits and tells neighbours apart by the highest seven.
                let places: HashSet<u64> = hashes.iter().map(|hash| hash & 0xffff).collect();
                assert!(places.len() > 33_000, "{} of 65,536 places", places.len());
                let tops: HashSet<u64> = hashes.iter().map(|hash| hash >> 57).collect();
                assert_eq!(tops.len(), 128);
            }
        }
    }

    #[test]
    fn a_map_finds_what_was_put_whatever_its_length() {
        let mut map: HashMap<String, usize, Seeded> = HashMap::default();
        for length in 0..100 {
            map.insert("x".repeat(length), length);
        }
        assert!((0..100).all(|length| map.get("x".repeat(length).as_str()) == Some(&length)));
        assert_ne!(Seeded::default().hash_one("a"), Seeded::default().hash_one("a"), "each has its own seed");
    }
}
