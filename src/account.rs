//! The account: where every received message is, in numbers that must add up.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::outcome::{Moved, Outcomes, Reason};

/// All messages since the data directory was made. Counts are messages, not points.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub received: u64,
    pub stored: u64,
    /// Some of the message's points are stored, the rest waits in quarantine.
    pub partly_stored: u64,
    pub quarantined: u64,
    pub quarantined_by_reason: BTreeMap<Reason, u64>,
    pub discarded: BTreeMap<Reason, u64>,
    /// On disk, without an outcome yet.
    pub pending: u64,
}

impl Account {
    /// From the journal's next sequence number, the first outcomes at every destination, and what has moved since.
    pub fn new<'a>(
        end: u64,
        destinations: impl IntoIterator<Item = &'a Outcomes>,
        moved: impl IntoIterator<Item = &'a Moved>,
    ) -> Self {
        let mut all = Outcomes::default();
        for outcomes in destinations {
            all.add(outcomes);
        }
        for moved in moved {
            moved.apply(&mut all);
        }
        let received = end.saturating_sub(1);
        Self {
            received,
            stored: all.stored,
            partly_stored: all.partly_stored,
            quarantined: all.quarantined_total(),
            pending: received.saturating_sub(all.settled_here()),
            quarantined_by_reason: all.quarantined,
            discarded: all.discarded,
        }
    }

    /// Messages that have their outcome.
    pub fn settled(&self) -> u64 {
        self.stored
            .saturating_add(self.partly_stored)
            .saturating_add(self.quarantined)
            .saturating_add(self.discarded_total())
    }

    pub fn discarded_total(&self) -> u64 {
        self.discarded.values().sum()
    }

    /// Every received message is somewhere, and none is in two places.
    pub fn balances(&self) -> bool {
        self.received == self.settled().saturating_add(self.pending)
    }
}

#[cfg(test)]
mod tests {
    use super::Account;
    use crate::outcome::{Outcome, Outcomes, Reason};

    fn outcomes(list: &[Outcome]) -> Outcomes {
        let mut outcomes = Outcomes::default();
        for outcome in list {
            outcomes.count(*outcome);
        }
        outcomes
    }

    #[test]
    fn destinations_share_the_messages_and_the_rest_is_pending() {
        let city = outcomes(&[
            Outcome::Stored,
            Outcome::Elsewhere,
            Outcome::Quarantined(Reason::Malformed),
            Outcome::Discarded(Reason::Empty),
        ]);
        let water = outcomes(&[Outcome::Elsewhere, Outcome::PartlyStored(Reason::WrongType)]);
        let account = Account::new(7, [&city, &water], []);
        assert_eq!((account.received, account.settled(), account.pending), (6, 4, 2));
        assert_eq!(account.quarantined_by_reason.get(&Reason::Malformed), Some(&1));
        assert!(account.balances());
    }

    #[test]
    fn a_message_counted_twice_shows_as_an_account_that_does_not_balance() {
        let one = outcomes(&[Outcome::Stored]);
        assert!(!Account::new(2, [&one, &one], []).balances());
    }
}
