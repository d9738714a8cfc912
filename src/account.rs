//! The account: where every received message is, in numbers that must add up.

use std::collections::BTreeMap;
use std::fmt;

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
    /// From the journal's next sequence number and the first outcomes at every destination; `retired` are those that
    /// are no longer there, `moved` is what has left the quarantine since.
    ///
    /// Whose a damaged message was cannot be read any more, and each destination that met it has counted it. Where
    /// all stand at one place the difference tells how many nobody has settled; until then it is the most that any
    /// of them met.
    pub fn new<'a>(
        end: u64,
        destinations: impl IntoIterator<Item = &'a Outcomes>,
        retired: impl IntoIterator<Item = &'a Outcomes>,
        moved: impl IntoIterator<Item = &'a Moved>,
    ) -> Self {
        let received = end.saturating_sub(1);
        let met =
            |outcomes: &Outcomes| outcomes.discarded.get(&Reason::JournalDamage).copied().unwrap_or_default();
        let (mut all, mut most, mut sum) = (Outcomes::default(), 0, 0_u64);
        let (mut lowest, mut highest) = (u64::MAX, 0);
        for outcomes in destinations {
            lowest = lowest.min(outcomes.total());
            highest = highest.max(outcomes.total());
            most = most.max(met(outcomes));
            sum = sum.saturating_add(met(outcomes));
            all.add(outcomes);
        }
        for outcomes in retired {
            most = most.max(met(outcomes));
            sum = sum.saturating_add(met(outcomes));
            all.add(outcomes);
        }
        all.discarded.remove(&Reason::JournalDamage);
        let settled = all.settled_here();
        let damaged = if lowest == highest { highest.saturating_sub(settled).min(sum) } else { most };
        let damaged = damaged.min(received.saturating_sub(settled));
        if damaged > 0 {
            all.discarded.insert(Reason::JournalDamage, damaged);
        }
        for moved in moved {
            moved.apply(&mut all);
        }
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

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "received       {:>8}", self.received)?;
        writeln!(f, "stored         {:>8}", self.stored)?;
        writeln!(f, "partly stored  {:>8}", self.partly_stored)?;
        writeln!(f, "quarantined    {:>8}{}", self.quarantined, reasons(&self.quarantined_by_reason))?;
        writeln!(f, "discarded      {:>8}{}", self.discarded_total(), reasons(&self.discarded))?;
        writeln!(f, "pending        {:>8}", self.pending)?;
        write!(f, "the account {}", if self.balances() { "balances" } else { "DOES NOT BALANCE" })
    }
}

fn reasons(reasons: &BTreeMap<Reason, u64>) -> String {
    let told: Vec<_> = reasons.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
    if told.is_empty() { String::new() } else { format!("  ({})", told.join(", ")) }
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
        let account = Account::new(7, [&city, &water], [], []);
        assert_eq!((account.received, account.settled(), account.pending), (6, 4, 2));
        assert_eq!(account.quarantined_by_reason.get(&Reason::Malformed), Some(&1));
        assert!(account.balances());
    }

    #[test]
    fn a_message_counted_twice_shows_as_an_account_that_does_not_balance() {
        let one = outcomes(&[Outcome::Stored]);
        assert!(!Account::new(2, [&one, &one], [], []).balances());
    }
    #[test]
    fn a_damaged_message_is_counted_once_however_many_destinations_met_it() {
        let damaged = Outcome::Discarded(Reason::JournalDamage);
        let account = |city: &[Outcome], water: &[Outcome], retired: &[Outcome]| {
            let account = Account::new(4, [&outcomes(city), &outcomes(water)], [&outcomes(retired)], []);
            assert!(account.balances(), "{account:?}");
            (account.discarded_total(), account.pending)
        };
        let (stored, elsewhere) = (Outcome::Stored, Outcome::Elsewhere);
        assert_eq!(account(&[damaged, stored, elsewhere], &[damaged, elsewhere, stored], &[]), (1, 0));
        // The one had settled it before it was damaged for the other; or it was the other's.
        assert_eq!(account(&[stored, stored, elsewhere], &[damaged, elsewhere, stored], &[]), (0, 0));
        assert_eq!(account(&[elsewhere, stored, elsewhere], &[damaged, elsewhere, stored], &[]), (1, 0));
        // Not all have passed it.
        assert_eq!(account(&[damaged, stored], &[], &[]), (1, 1));
        assert_eq!(account(&[elsewhere, stored, stored], &[elsewhere; 3], &[damaged]), (1, 0));
        // A message that nobody settled and that was not damaged is no damage: it shows as pending.
        assert_eq!(account(&[elsewhere; 3], &[elsewhere, stored, stored], &[]), (0, 1));
    }
}
