//! A step of the machine: messages leave the quarantine.

use super::*;
use crate::outcome::Outcome;
use crate::quarantine::Move;

impl Machine {
    /// Some of what is in quarantine leaves it, as after a replay.
    pub(super) fn release(&mut self) {
        let Some(life) = &self.life else { return };
        let (settled, mut moves) = (life.quarantine.settled(), Vec::new());
        let mut scan = life.quarantine.scan().unwrap();
        while let Some((segment, held)) = life.quarantine.next(&mut scan).unwrap() {
            if held.is_settled(&settled) && self.rng.u8(..3) == 0 {
                let to = [Outcome::Stored, Outcome::Discarded(Reason::Dropped)][self.rng.usize(..2)];
                let (seq, from) = (held.record.seq, held.outcome());
                moves.push(Move { segment, seq, destination: held.destination, from, to });
            }
        }
        moves.iter().for_each(|one| self.note(Event::Moving(one.seq)));
        let Some(life) = &self.life else { return };
        if life.quarantine.record(&moves).is_ok() {
            moves.iter().for_each(|one| self.note(Event::Moved(one.seq)));
        }
    }
}
