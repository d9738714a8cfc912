//! Index: where a spelling of a unit stands in the table. Made at compile time, so that looking one up costs one look.

use super::table::{Row, TABLE};

/// Twice the spellings there are, and a power of two.
const SLOTS: usize = 1024;
/// In bytes; a longer text is none of them.
const LONGEST: usize = 32;

/// A spelling and the number of its row; an empty one is a free slot.
type Slot = (&'static str, usize);

static INDEX: [Slot; SLOTS] = index();

/// The row of that spelling.
pub(super) fn row(text: &str) -> Option<&'static Row> {
    if text.is_empty() || text.len() > LONGEST {
        return None;
    }
    let mut slot = slot(text.as_bytes());
    loop {
        match INDEX.get(slot)? {
            ("", _) => return None,
            (name, row) if *name == text => return TABLE.get(*row),
            _ => slot = next(slot),
        }
    }
}

const fn next(slot: usize) -> usize {
    (slot + 1) % SLOTS
}

/// Where a spelling is looked for first.
const fn slot(mut text: &[u8]) -> usize {
    let mut hash = 0_usize;
    while let [first, rest @ ..] = text {
        hash = (hash.wrapping_mul(31)).wrapping_add(*first as usize);
        text = rest;
    }
    (hash ^ (hash >> 10)) % SLOTS
}

#[expect(clippy::indexing_slicing, reason = "what is out of bounds does not compile")]
const fn index() -> [Slot; SLOTS] {
    let (mut index, mut row, mut count) = ([("", 0); SLOTS], 0, 0);
    while row < TABLE.len() {
        put(&mut index, TABLE[row].name, row);
        let mut alias = 0;
        while alias < TABLE[row].aliases.len() {
            put(&mut index, TABLE[row].aliases[alias], row);
            alias += 1;
        }
        row += 1;
        count += 1 + alias;
    }
    assert!(count * 2 <= SLOTS, "more slots are needed");
    index
}

#[expect(clippy::indexing_slicing, reason = "what is out of bounds does not compile")]
const fn put(index: &mut [Slot; SLOTS], name: &'static str, row: usize) {
    assert!(name.len() <= LONGEST, "a longer spelling than is looked for");
    let mut slot = slot(name.as_bytes());
    while !index[slot].0.is_empty() {
        slot = next(slot);
    }
    index[slot] = (name, row);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_found_in_its_row_and_no_other_text_is() {
        for known in TABLE {
            for name in known.aliases.iter().chain([&known.name]) {
                assert_eq!(row(name).map(|row| row.name), Some(known.name), "{name}");
                assert_eq!(row(&format!("{name}?")), None, "{name}");
            }
        }
        for text in ["", "x", "cel", "°", "\0", &"m".repeat(33), &"é".repeat(10_000)] {
            assert_eq!(row(text).map(|row| row.name), (text == "°").then_some("deg"), "{text}");
        }
    }
}
