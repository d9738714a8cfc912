//! Mutants: what is done to an input to get another one that may behave in a new way.

const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "-1",
    "1",
    "255",
    "256",
    "65535",
    "65536",
    "2147483648",
    "4294967296",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "18446744073709551615",
    "1e308",
    "1e309",
    "-1e400",
    "1e-400",
    "0.1",
    "1.",
    ".5",
    "00",
    "268435455",
    "268435456",
    "1e18",
    "99999999999999999999",
    "NaN",
    "inf",
    "0x10",
    "253402300800",
    "-62135596801",
];
const BYTES: &[u8] =
    &[0, 1, 0x7f, 0x80, 0xff, b'"', b'\\', b'{', b'}', b'[', b']', b',', b':', b'/', b'\n', b' '];

pub struct Mutator {
    random: fastrand::Rng,
    words: &'static [&'static str],
    longest: usize,
}

impl Mutator {
    pub fn new(seed: u64, words: &'static [&'static str], longest: usize) -> Self {
        Self { random: fastrand::Rng::with_seed(seed), words, longest }
    }

    pub fn between(&mut self, low: usize, high: usize) -> usize {
        self.random.usize(low..high)
    }

    /// One to eight changes to one of the corpus; young inputs are taken as often as old ones.
    pub fn mutant(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let newest = corpus.len() - 1;
        let at = if self.random.bool() {
            self.random.usize(newest / 2..=newest)
        } else {
            self.random.usize(..=newest)
        };
        let mut input = corpus[at].clone();
        for _ in 0..1 << self.random.u8(0..4) {
            let other = &corpus[self.random.usize(..corpus.len())];
            self.change(&mut input, other);
        }
        input.truncate(self.longest);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>, other: &[u8]) {
        let place = self.random.usize(..=input.len());
        let range = self.range(input.len());
        match self.random.u8(..12) {
            0 if place < input.len() => input[place] ^= 1 << self.random.u8(..8),
            1 if place < input.len() => input[place] = self.random.u8(..),
            2 if place < input.len() => input[place] = BYTES[self.random.usize(..BYTES.len())],
            3 => input.insert(place, BYTES[self.random.usize(..BYTES.len())]),
            4 => drop(input.drain(range)),
            5 => {
                // The same again, and again: nesting and long lists.
                let piece = input[range].to_vec();
                let times = 1 << self.random.u8(0..6);
                let more = (0..times).flat_map(|_| piece.iter().copied()).take(self.longest);
                drop(input.splice(place..place, more.collect::<Vec<_>>()));
            }
            6 => {
                let piece = &other[self.range(other.len())];
                drop(input.splice(range, piece.iter().copied()));
            }
            7 => {
                let piece = &other[self.range(other.len())];
                drop(input.splice(place..place, piece.iter().copied()));
            }
            8 => self.number(input, place),
            9 if place + 8 <= input.len() => self.binary(&mut input[place..]),
            _ if !self.words.is_empty() => {
                let word = self.words[self.random.usize(..self.words.len())];
                let end = if self.random.bool() { place } else { range.end.max(place) };
                drop(input.splice(place..end, word.bytes()));
            }
            _ => input.truncate(place),
        }
        input.truncate(self.longest);
    }

    /// Mostly short.
    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let from = self.random.usize(..=length);
        let most = if self.random.u8(..4) == 0 { length - from } else { (length - from).min(16) };
        from..from + self.random.usize(..=most)
    }

    /// A number in the text becomes one at an edge.
    fn number(&mut self, input: &mut Vec<u8>, place: usize) {
        let part = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e' | b'E');
        let from = input[place..].iter().position(u8::is_ascii_digit).map_or(place, |at| place + at);
        let end = input[from..].iter().position(|byte| !part(byte)).map_or(input.len(), |at| from + at);
        let new = NUMBERS[self.random.usize(..NUMBERS.len())];
        drop(input.splice(from..end, new.bytes()));
    }

    /// A whole number at an edge, in one of its widths.
    fn binary(&mut self, at: &mut [u8]) {
        let edges = [
            0,
            1,
            8,
            35,
            0x7f,
            0xff,
            0xffff,
            0x7fff_ffff,
            0xffff_ffff,
            u64::MAX >> 1,
            u64::MAX - 1,
            u64::MAX,
        ];
        let number = edges[self.random.usize(..edges.len())].to_le_bytes();
        let width = 1 << self.random.u8(0..4);
        at[..width].copy_from_slice(&number[..width]);
    }
}
