//! Outcomes: what became of a message, why, and the counts of both.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $code:literal,)+) => {
        /// Why a message, or a part of it, was not stored. The codes are a closed list that operators filter by.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Reason {
            $($(#[$doc])* #[serde(rename = $code)] $variant,)+
        }

        impl Reason {
            /// Every reason there is.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The code that is stored and shown.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }
        }
    };
}

reasons! {
    // Discarded: nothing was lost by not storing it.
    /// An empty payload, as a broker sends when a retained message is cleared.
    Empty = "empty",
    /// The broker sent again what is already in the journal.
    Redelivery = "redelivery",
    /// A retained message without a time of its own: old state, not a new reading.
    Retained = "retained",
    /// Not a reading by its kind (a join, a bridge's log, an acknowledgement).
    NotData = "not_data",
    /// The subscription's cover brought it, but it lies outside every route's own filter.
    NotRouted = "not_routed",
    /// An operator dropped it from the quarantine.
    Dropped = "dropped",
    /// The quarantine's quota removed it.
    Expired = "expired",
    // Quarantined: a human may want to mend the cause and replay.
    /// No route matches the topic.
    NoRoute = "no_route",
    /// The topic is not valid UTF-8 or holds characters MQTT forbids.
    InvalidTopic = "invalid_topic",
    /// The payload is larger than `transform.max_payload`.
    PayloadTooLarge = "payload_too_large",
    /// Nested deeper, or with more values, than the limits allow.
    TooComplex = "too_complex",
    /// The payload is not what its format says.
    Malformed = "malformed",
    /// The route says `format = "auto"`, and not exactly one format claims the message.
    UnknownFormat = "unknown_format",
    /// The device's codec threw, told errors or went beyond its limits.
    CodecError = "codec_error",
    /// It decoded, but holds no value that can be stored.
    NoValue = "no_value",
    /// Text, or another type, where a number belongs.
    WrongType = "wrong_type",
    /// NaN or infinite.
    NotFinite = "not_finite",
    /// A time that cannot be read.
    InvalidTime = "invalid_time",
    /// Its own time is older than `time.max_backfill`.
    TimeTooOld = "time_too_old",
    /// The topic or payload does not say which device it is.
    NoDevice = "no_device",
    /// It names by a number what a message that did not arrive would have told (a Sparkplug birth).
    NoBirth = "no_birth",
    /// More unknown names than a measurement may hold.
    TooManyFields = "too_many_fields",
    /// More unregistered devices than may be stored.
    TooManyDevices = "too_many_devices",
    /// A unit told by the message cannot be converted to the quantity's.
    UnitConflict = "unit_conflict",
    /// The destination's bucket follows from a tag that the point lacks, or that no registered place has.
    NoBucket = "no_bucket",
    /// The database refused the point.
    RefusedByDatabase = "refused_by_database",
    /// The destination has refused everything for longer than its `hold_for`.
    DestinationRefused = "destination_refused",
    /// One line larger than the database takes.
    LineTooLarge = "line_too_large",
    /// The process died again and again while it processed this message.
    Poison = "poison",
    /// The record in the journal could not be read back.
    JournalDamage = "journal_damage",
    /// What became of it stood in the cursor, which was damaged.
    CursorDamage = "cursor_damage",
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl std::str::FromStr for Reason {
    type Err = String;

    fn from_str(code: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|reason| reason.code() == code)
            .ok_or_else(|| format!("there is no reason \"{code}\""))
    }
}

/// A reason with the sentence that says what exactly was wrong. Never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    pub reason: Reason,
    pub detail: String,
}

impl Rejection {
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.detail)
    }
}

/// What became of one message at one destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Stored,
    /// Some of its points are stored, the message is in quarantine for the rest.
    PartlyStored(Reason),
    Quarantined(Reason),
    Discarded(Reason),
    /// Its route names another destination, which counts it.
    Elsewhere,
}

/// How many messages had which outcome, up to a position.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcomes {
    pub stored: u64,
    pub partly_stored: u64,
    pub quarantined: BTreeMap<Reason, u64>,
    pub discarded: BTreeMap<Reason, u64>,
    #[serde(default)]
    pub elsewhere: u64,
}

impl Outcomes {
    /// Counts one message.
    pub fn count(&mut self, outcome: Outcome) {
        self.count_times(outcome, 1);
    }

    /// Counts `times` messages of one outcome.
    pub fn count_times(&mut self, outcome: Outcome, times: u64) {
        *self.counter(outcome) += times;
    }

    fn counter(&mut self, outcome: Outcome) -> &mut u64 {
        match outcome {
            Outcome::Stored => &mut self.stored,
            Outcome::PartlyStored(_) => &mut self.partly_stored,
            Outcome::Quarantined(reason) => self.quarantined.entry(reason).or_default(),
            Outcome::Discarded(reason) => self.discarded.entry(reason).or_default(),
            Outcome::Elsewhere => &mut self.elsewhere,
        }
    }

    /// Takes back what was counted. What was never counted cannot be: the account then does not balance, and says so.
    pub fn take(&mut self, outcome: Outcome, times: u64) {
        let counter = self.counter(outcome);
        *counter = counter.saturating_sub(times);
        self.quarantined.retain(|_, count| *count > 0);
        self.discarded.retain(|_, count| *count > 0);
    }

    /// Messages that this destination itself settled.
    pub fn settled_here(&self) -> u64 {
        self.stored + self.partly_stored + self.quarantined_total() + self.discarded_total()
    }

    /// Every message it has passed; equals the position at each cursor write.
    pub fn total(&self) -> u64 {
        self.settled_here() + self.elsewhere
    }

    pub fn quarantined_total(&self) -> u64 {
        self.quarantined.values().sum()
    }

    pub fn discarded_total(&self) -> u64 {
        self.discarded.values().sum()
    }

    /// Adds another destination's counts, for the account of the whole.
    pub fn add(&mut self, other: &Self) {
        self.stored += other.stored;
        self.partly_stored += other.partly_stored;
        self.elsewhere += other.elsewhere;
        for (reason, count) in &other.quarantined {
            *self.quarantined.entry(*reason).or_default() += count;
        }
        for (reason, count) in &other.discarded {
            *self.discarded.entry(*reason).or_default() += count;
        }
    }
}

/// Messages whose outcome has changed since they were first settled: each left one count and entered another.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Moved {
    pub from: Outcomes,
    pub to: Outcomes,
}

impl Moved {
    pub fn count(&mut self, from: Outcome, to: Outcome, times: u64) {
        self.from.count_times(from, times);
        self.to.count_times(to, times);
    }

    pub fn add(&mut self, other: &Self) {
        self.from.add(&other.from);
        self.to.add(&other.to);
    }

    /// Brings counts of first outcomes up to date.
    pub fn apply(&self, outcomes: &mut Outcomes) {
        outcomes.add(&self.to);
        outcomes.stored = outcomes.stored.saturating_sub(self.from.stored);
        outcomes.partly_stored = outcomes.partly_stored.saturating_sub(self.from.partly_stored);
        for (reason, count) in &self.from.quarantined {
            outcomes.take(Outcome::Quarantined(*reason), *count);
        }
        for (reason, count) in &self.from.discarded {
            outcomes.take(Outcome::Discarded(*reason), *count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moved_message_leaves_one_count_and_enters_another() {
        let mut counts = Outcomes::default();
        counts.count_times(Outcome::Quarantined(Reason::NoRoute), 2);
        counts.count(Outcome::PartlyStored(Reason::NotFinite));
        let total = counts.total();
        let mut moved = Moved::default();
        moved.count(Outcome::Quarantined(Reason::NoRoute), Outcome::Stored, 2);
        moved.count(Outcome::PartlyStored(Reason::NotFinite), Outcome::Stored, 1);
        moved.apply(&mut counts);
        assert_eq!(counts, Outcomes { stored: 3, ..Outcomes::default() });
        assert_eq!(counts.total(), total);
    }

    #[test]
    fn every_reason_is_read_back_from_its_code() {
        for reason in Reason::ALL {
            assert_eq!(reason.code().parse::<Reason>(), Ok(*reason));
            let json = serde_json::to_string(reason).unwrap();
            assert_eq!(json, format!("\"{}\"", reason.code()));
        }
    }

    #[test]
    fn each_outcome_is_counted_once() {
        let mut counts = Outcomes::default();
        for outcome in [
            Outcome::Stored,
            Outcome::PartlyStored(Reason::NotFinite),
            Outcome::Quarantined(Reason::NoRoute),
            Outcome::Discarded(Reason::Empty),
            Outcome::Elsewhere,
        ] {
            counts.count(outcome);
        }
        assert_eq!((counts.settled_here(), counts.total()), (4, 5));
        let mut sum = counts.clone();
        sum.add(&counts);
        assert_eq!(sum.total(), 10);
    }
}
