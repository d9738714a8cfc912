//! A set of sequence numbers, small where they are dense.

use std::collections::HashMap;

/// One bit for each number, in words of 64.
#[derive(Debug, Default)]
pub struct Seqs(HashMap<u64, u64>);

impl Seqs {
    pub fn insert(&mut self, seq: u64) {
        *self.0.entry(seq / 64).or_default() |= bit(seq);
    }

    pub fn contains(&self, seq: u64) -> bool {
        self.0.get(&(seq / 64)).is_some_and(|word| word & bit(seq) != 0)
    }

    /// Takes out all numbers from `from` on.
    pub(super) fn cut(&mut self, from: u64) {
        self.0.retain(|word, _| *word <= from / 64);
        if let Some(word) = self.0.get_mut(&(from / 64)) {
            *word &= bit(from) - 1;
        }
    }
}

const fn bit(seq: u64) -> u64 {
    1 << (seq % 64)
}

#[cfg(test)]
mod tests {
    use super::Seqs;

    #[test]
    fn numbers_from_a_cut_on_are_gone() {
        let mut seqs = Seqs::default();
        (0..300).for_each(|seq| seqs.insert(seq));
        seqs.cut(128);
        seqs.cut(130);
        assert!((0..300).all(|seq| seqs.contains(seq) == (seq < 128)));
    }
}
