//! Reading a capture line by line, so that no file is too long for the memory.

use std::io::{self, BufRead, Read as _};

use super::{Captured, MAX_PAYLOAD};

/// The longest line: a payload whose every byte is escaped, its topic, and the rest.
const MAX_LINE: u64 = 6 * (MAX_PAYLOAD as u64 + 65_535) + 1024;

/// Why a capture cannot be read further.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("cannot read: {0}")]
    Io(io::Error),
    #[error("line {line}: {why}")]
    Line { line: u64, why: String },
}

/// The messages of a capture in order. Empty lines are passed over.
#[derive(Debug)]
pub struct Reader<R> {
    from: R,
    line: u64,
    /// Bytes read so far.
    read: u64,
    text: Vec<u8>,
}

impl<R: BufRead> Reader<R> {
    pub const fn new(from: R) -> Self {
        Self { from, line: 0, read: 0, text: Vec::new() }
    }

    /// How many bytes are read.
    pub const fn position(&self) -> u64 {
        self.read
    }

    /// The line of the message that was read last.
    pub const fn line(&self) -> u64 {
        self.line
    }

    fn next_line(&mut self) -> Result<Option<Captured>, Fault> {
        loop {
            self.text.clear();
            let read =
                (&mut self.from).take(MAX_LINE).read_until(b'\n', &mut self.text).map_err(Fault::Io)?;
            if read == 0 {
                return Ok(None);
            }
            self.line = self.line.saturating_add(1);
            let read = u64::try_from(read).unwrap_or(u64::MAX);
            self.read = self.read.saturating_add(read);
            let wrong = |why: String| Fault::Line { line: self.line, why };
            if read == MAX_LINE && self.text.last() != Some(&b'\n') {
                return Err(wrong(format!("longer than {MAX_LINE} bytes")));
            }
            let text = std::str::from_utf8(&self.text).map_err(|error| wrong(error.to_string()))?;
            let text = text.trim_start_matches('\u{feff}').trim();
            if !text.is_empty() {
                return Captured::parse(text).map(Some).map_err(wrong);
            }
        }
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Captured, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_line().transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_line_is_named_and_empty_ones_are_passed_over() {
        let good = r#"{"time":"2026-11-24T06:00:00Z","topic":"a","payload":"1"}"#;
        let text = format!("\u{feff}{good}\r\n\n  \n{good}\nnot JSON\n");
        let mut reader = Reader::new(text.as_bytes());
        assert!(reader.next().unwrap().is_ok());
        assert!(reader.next().unwrap().is_ok());
        assert_eq!(reader.line(), 4);
        let wrong = reader.next().unwrap().unwrap_err().to_string();
        assert!(wrong.starts_with("line 5: "), "{wrong}");
        assert!(reader.next().is_none());
        assert_eq!(reader.position(), u64::try_from(text.len()).unwrap());
    }

    #[test]
    fn a_line_without_an_end_costs_no_more_than_the_longest() {
        let mut reader = Reader::new(io::BufReader::new(io::repeat(b'x')));
        let wrong = reader.next().unwrap().unwrap_err().to_string();
        assert!(wrong.contains("longer than"), "{wrong}");
    }
}
