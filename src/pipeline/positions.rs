//! Positions: where each destination begins at a start, from the cursor and the configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::PipelineError;
use crate::clock::Clock;
use crate::config::Config;
use crate::journal::cursor::{Cursor, Progress};
use crate::journal::disk::Disk;
use crate::outcome::{Outcome, Outcomes, Reason};
use crate::quarantine::{Quarantine, QuarantineError};

/// Fits the cursor to the configured destinations. Who settles which message may change only at one position.
pub(super) fn take_over(cursor: &mut Cursor, config: &Config) -> Result<(), PipelineError> {
    let highest = cursor.highest();
    let changed = cursor.routing != config.routing;
    if changed && cursor.lowest() != highest {
        let positions = cursor.destinations.iter();
        let positions: Vec<_> =
            positions.map(|(name, progress)| format!("{name}: {}", progress.position)).collect();
        return Err(PipelineError::RoutingChanged { positions: positions.join(", ") });
    }
    let mut former = std::mem::take(&mut cursor.destinations);
    for destination in &config.destinations {
        let progress = former.remove(&destination.name).unwrap_or_else(|| Progress {
            position: highest,
            outcomes: Outcomes { elsewhere: highest.saturating_sub(1), ..Outcomes::default() },
        });
        cursor.destinations.insert(destination.name.clone(), progress);
    }
    // What a removed destination had settled stays in the account.
    for (name, progress) in former {
        tracing::info!(destination = name, "no longer configured; what it settled stays in the account");
        cursor.retired.entry(name).or_default().add(&progress.outcomes);
    }
    cursor.routing.clone_from(&config.routing);
    Ok(())
}

/// Without its cursor the service settles again all that the journal keeps: points are written onto themselves, and
/// what is in quarantine of it is judged again. So it begins at the journal's oldest message.
///
/// Also where no cursor is found at all: it may have been set aside by a start that ended before it saved another.
pub(super) fn begin_again(cursor: &mut Cursor, config: &Config, oldest: u64) {
    if oldest > 1 {
        tracing::error!(
            oldest,
            "there is no cursor; what became of the messages before is told by the quarantine only"
        );
    }
    for destination in &config.destinations {
        let progress = Progress { position: oldest, outcomes: Outcomes::default() };
        cursor.destinations.insert(destination.name.clone(), progress);
    }
}

/// Counts the messages before the first that is settled again: those that the quarantine knows as it does, in `known`
/// by destination, all others as unknown.
pub(super) fn account_for(cursor: &mut Cursor, config: &Config, known: BTreeMap<String, Outcomes>) {
    let before = cursor.lowest().saturating_sub(1);
    let unknown = before.saturating_sub(known.values().map(Outcomes::settled_here).sum());
    for (name, outcomes) in known {
        match cursor.destinations.get_mut(&name) {
            Some(progress) => progress.outcomes = outcomes,
            None => cursor.retired.entry(name).or_default().add(&outcomes),
        }
    }
    for (index, destination) in config.destinations.iter().enumerate() {
        let Some(progress) = cursor.destinations.get_mut(&destination.name) else { continue };
        if index == 0 && unknown > 0 {
            progress.outcomes.count_times(Outcome::Discarded(Reason::CursorDamage), unknown);
        }
        let elsewhere = before.saturating_sub(progress.outcomes.settled_here());
        progress.outcomes.count_times(Outcome::Elsewhere, elsewhere);
    }
}

/// Opens the quarantine at the cursor's positions; `told` is what it tells of itself where there was no cursor.
pub(super) fn open_quarantine(
    cursor: &mut Cursor,
    config: &Config,
    disk: &Arc<dyn Disk>,
    clock: &Clock,
    told: Option<BTreeMap<String, u64>>,
) -> Result<Quarantine, QuarantineError> {
    let positions = cursor.destinations.iter().map(|(name, progress)| (name.clone(), progress.position));
    let mut positions: BTreeMap<_, _> = positions.collect();
    let dir = config.data_dir.join("quarantine");
    let Some(told) = told else {
        let quarantine =
            Quarantine::open(&dir, &config.quarantine, Arc::clone(disk), clock.clone(), &positions)?;
        let progress = cursor.destinations.iter().map(|(name, progress)| (name, &progress.outcomes));
        let mut first = BTreeMap::<_, Outcomes>::new();
        for (name, outcomes) in progress.chain(&cursor.retired) {
            first.entry(name.clone()).or_default().add(outcomes);
        }
        quarantine.settle_lost(&first);
        return Ok(quarantine);
    };
    // Whatever of destinations that are gone the journal still keeps is another one's to settle now.
    let lowest = cursor.lowest();
    for name in told.into_keys() {
        positions.entry(name).or_insert(lowest);
    }
    let quarantine =
        Quarantine::open_anew(&dir, &config.quarantine, Arc::clone(disk), clock.clone(), &positions)?;
    account_for(cursor, config, quarantine.first_outcomes());
    Ok(quarantine)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::account::Account;
    use crate::journal::disk::RealDisk;
    use crate::message::{Message, Record};
    use crate::outcome::Rejection;
    use crate::quarantine::{self, Held, Move};

    const NO_ROUTE: Outcome = Outcome::Quarantined(Reason::NoRoute);

    fn config(dir: &Path) -> Config {
        let path = dir.join("nadikota.toml");
        let text = "time_zone = \"Asia/Jakarta\"\n[[destinations]]\nname = \"main\"\nkind = \"embedded\"\n\
                    [[destinations]]\nname = \"water\"\nkind = \"embedded\"\n\
                    [[routes]]\ntopic = \"{device}\"\nformat = \"json\"\ndestination = \"main\"\n\
                    [[routes]]\ntopic = \"w/{device}\"\nformat = \"json\"\ndestination = \"water\"\n";
        std::fs::write(&path, text).unwrap();
        Config { data_dir: dir.to_owned(), ..crate::config::load(&[path], []).unwrap() }
    }

    fn held(seq: u64, destination: &str, partly: bool) -> Held {
        let message = Message {
            topic: "t".into(),
            payload: "p".into(),
            qos: 1,
            retain: false,
            dup: false,
            source: 0,
            session: 1,
            packet_id: 1,
            redelivery_of: None,
        };
        let record = Record { seq, received: 999_000_000_000, clock_suspect: false, message };
        let rejection = Rejection::new(Reason::NoRoute, "why");
        Held { record, destination: destination.to_owned(), rejection, partly }
    }

    fn mv(seq: u64, destination: &str, from: Outcome, to: Outcome) -> Move {
        Move { segment: 1, seq, destination: destination.to_owned(), from, to }
    }

    /// A start that finds no cursor, with a journal whose oldest and next numbers these are.
    fn start(config: &Config, oldest: u64, end: u64) -> (Cursor, Quarantine, Account) {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let (clock, _) = Clock::fixed(1_000_000_000_000);
        let told = quarantine::highest(&config.data_dir.join("quarantine"), disk.as_ref()).unwrap();
        let mut cursor = Cursor::default();
        take_over(&mut cursor, config).unwrap();
        begin_again(&mut cursor, config, oldest);
        let quarantine = open_quarantine(&mut cursor, config, &disk, &clock, Some(told)).unwrap();
        for progress in cursor.destinations.values() {
            assert_eq!(progress.outcomes.total(), progress.position - 1, "{cursor:?}");
        }
        let account = account(&cursor, &quarantine, end);
        (cursor, quarantine, account)
    }

    fn account(cursor: &Cursor, quarantine: &Quarantine, end: u64) -> Account {
        let outcomes = cursor.destinations.values().map(|progress| &progress.outcomes);
        let account = Account::new(end, outcomes, cursor.retired.values(), quarantine.moved().values());
        assert!(account.balances(), "{account}");
        account
    }

    /// Of 20 messages: 1 to 6 and 8 in quarantine, 3 replayed and stored, 4 stored in part, 5 of a destination that is
    /// gone, 6 the water's, 8 and 12 still in the journal of [`start`].
    fn filled(config: &Config) {
        let dir = config.data_dir.join("quarantine");
        let (clock, _) = Clock::fixed(1_000_000_000_000);
        let positions = ["main", "water", "old"].map(|name| (name.to_owned(), 21)).into();
        let quarantine =
            Quarantine::open(&dir, &config.quarantine, Arc::new(RealDisk), clock, &positions).unwrap();
        let mut all: Vec<_> = [1, 2, 3, 4, 8, 12].map(|seq| held(seq, "main", false)).into();
        all.extend([held(5, "old", false), held(12, "old", false), held(6, "water", true)]);
        quarantine.put(&all).unwrap();
        let partly = Outcome::PartlyStored(Reason::NoRoute);
        let moves = [mv(3, "main", NO_ROUTE, Outcome::Stored), mv(4, "main", NO_ROUTE, partly)];
        quarantine.record(&moves).unwrap();
        quarantine.record(&[mv(8, "main", NO_ROUTE, Outcome::Stored)]).unwrap();
    }

    #[test]
    fn without_a_cursor_the_quarantine_tells_what_it_knows_and_the_account_balances() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path());
        filled(&config);
        let (cursor, quarantine, told) = start(&config, 8, 21);
        assert_eq!((told.received, told.pending, quarantine.counts().held), (20, 13, 5));
        // 1, 2 and 5; 3; 4 and 6; and 7, of which nobody knows.
        assert_eq!((told.quarantined, told.stored, told.partly_stored), (3, 1, 2), "{told}");
        assert_eq!(told.discarded, [(Reason::CursorDamage, 1)].into());
        // What is mended later leaves one count and enters another.
        quarantine.record(&[mv(1, "main", NO_ROUTE, Outcome::Stored)]).unwrap();
        quarantine.record(&[mv(5, "old", NO_ROUTE, Outcome::Discarded(Reason::Dropped))]).unwrap();
        let told = account(&cursor, &quarantine, 21);
        assert_eq!((told.quarantined, told.stored, told.discarded_total()), (1, 2, 2), "{told}");
    }

    #[test]
    fn starts_that_end_before_they_save_a_cursor_cost_the_quarantine_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path());
        filled(&config);
        let (.., first) = start(&config, 8, 21);
        for _ in 0..3 {
            let (_, quarantine, again) = start(&config, 8, 21);
            assert_eq!((&again, quarantine.counts().held), (&first, 5));
        }
    }

    #[test]
    fn moves_of_segments_that_are_gone_are_not_counted_beside_messages_that_are_settled_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = config(dir.path());
        filled(&config);
        config.quarantine.max_age = std::time::Duration::ZERO;
        let (clock, _) = Clock::fixed(2_000_000_000_000);
        let positions = ["main", "water", "old"].map(|name| (name.to_owned(), 21)).into();
        let (place, disk) = (dir.path().join("quarantine"), Arc::new(RealDisk));
        let quarantine = Quarantine::open(&place, &config.quarantine, disk, clock, &positions).unwrap();
        quarantine.tidy();
        assert_eq!(quarantine.counts().held, 0);
        drop(quarantine);
        // The journal keeps all of them: each is pending, and none is anything else.
        let (_, _, told) = start(&config, 1, 21);
        assert_eq!((told.pending, told.settled()), (20, 0), "{told}");
        // It keeps the last.
        let (.., told) = start(&config, 20, 21);
        assert_eq!((told.pending, told.discarded), (1, [(Reason::CursorDamage, 19)].into()));
    }
}
