//! A batch: lines of line protocol that are written together, and when it is large enough to go.

use std::time::Duration;

use crate::settings::{Section, Size, Span};

/// The settings of `[batch]`: a batch goes when any of them is reached.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    pub max_points: usize,
    pub max_bytes: usize,
    /// From its first point on.
    pub max_age: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self { max_points: 5000, max_bytes: 1024 * 1024, max_age: Duration::from_millis(200) }
    }
}

impl Config {
    pub fn read(section: &mut Section) -> Self {
        let default = Self::default();
        let max_points = section.get("max_points", default.max_points);
        if max_points == 0 {
            section.problem("max_points", "must be at least 1");
        }
        let bytes = u64::try_from(default.max_bytes).unwrap_or(u64::MAX);
        let max_bytes = usize::try_from(section.get("max_bytes", Size(bytes)).0).unwrap_or(usize::MAX);
        let max_age = section.get("max_age", Span(default.max_age)).0;
        Self { max_points: max_points.max(1), max_bytes, max_age }
    }
}

/// Lines, each ending in a newline.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    pub text: Vec<u8>,
    /// Where each line ends in `text`, its newline included.
    pub ends: Vec<usize>,
    /// A checksum of each line's measurement and tags.
    pub series: Vec<u32>,
}

impl Batch {
    /// An empty one with room for as much as another holds: growing anew would copy everything several times.
    #[must_use]
    pub fn like(other: &Self) -> Self {
        let (lines, bytes) = (other.ends.len(), other.text.len());
        let (ends, series) = (Vec::with_capacity(lines), Vec::with_capacity(lines));
        Self { text: Vec::with_capacity(bytes.saturating_add(bytes / 16)), ends, series }
    }

    /// Appends a line with its newline; `series` is a checksum of its measurement and tags.
    pub fn push(&mut self, line: &[u8], series: u32) {
        self.text.extend_from_slice(line);
        self.ends.push(self.text.len());
        self.series.push(series);
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The text of lines `from..to`.
    pub fn lines(&self, from: usize, to: usize) -> &[u8] {
        let start = from.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let end = to.checked_sub(1).and_then(|last| self.ends.get(last)).copied().unwrap_or(start);
        self.text.get(start..end).unwrap_or_default()
    }

    /// One line without its newline.
    pub fn line(&self, index: usize) -> &[u8] {
        let line = self.lines(index, index.saturating_add(1));
        line.strip_suffix(b"\n").unwrap_or(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_cut_at_lines() {
        let mut batch = Batch::default();
        for line in [&b"a v=1 1\n"[..], b"bb v=2 2\n", b"c v=3 3\n"] {
            batch.push(line, 0);
        }
        assert_eq!(batch.ends, [8, 17, 25]);
        assert_eq!(batch.lines(0, 3), &batch.text[..]);
        assert_eq!(batch.lines(1, 2), b"bb v=2 2\n");
        assert_eq!(batch.line(2), b"c v=3 3");
        assert_eq!((batch.lines(1, 1), batch.lines(3, 9)), (&b""[..], &b""[..]));
    }
}
