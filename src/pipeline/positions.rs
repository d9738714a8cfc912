//! Positions: where each destination begins at a start, from the cursor and the configuration.

use super::PipelineError;
use crate::config::Config;
use crate::journal::cursor::{Cursor, Progress};
use crate::outcome::{Outcome, Outcomes, Reason};

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
/// what is in quarantine is judged again. What became of the messages before is not known any more.
pub(super) fn begin_again(cursor: &mut Cursor, config: &Config, oldest: u64) {
    let before = oldest.saturating_sub(1);
    for (index, destination) in config.destinations.iter().enumerate() {
        let unknown = if index == 0 { Outcome::Discarded(Reason::CursorDamage) } else { Outcome::Elsewhere };
        let mut outcomes = Outcomes::default();
        outcomes.count_times(unknown, before);
        cursor.destinations.insert(destination.name.clone(), Progress { position: oldest, outcomes });
    }
}
