//! Sessions: the serial of the broker's session, on record before the first message of a new one can come.
//!
//! A redelivery is one of its own session only. Were the serial known by the journal alone, a kill before the first
//! message of a new session is on disk would leave the next start with the former one, and an equal message under
//! the same identifier would be taken for one that is there already.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::Line;
use crate::mqtt::Event;

/// The serial as the polling task keeps it.
#[derive(Debug)]
pub(super) struct Sessions {
    line: Line,
    serial: Arc<AtomicU32>,
    /// The last one could not be put on record yet.
    owed: bool,
}

impl Sessions {
    pub(super) fn new(line: Line, serial: u32) -> Self {
        Self { line, serial: Arc::new(AtomicU32::new(serial)), owed: false }
    }

    /// The serial of the session of the connection that is up.
    pub(super) fn serial(&self) -> Arc<AtomicU32> {
        Arc::clone(&self.serial)
    }

    /// To be told of every event before the connection is polled again: until then nothing is subscribed in a new
    /// session. A full disk must not keep us from subscribing, or the broker would keep nothing for us: then the
    /// record is tried again at each answer of the broker.
    pub(super) async fn note(&mut self, event: &Event) {
        match event {
            Event::Connected { session_present: false } => {
                self.serial.fetch_add(1, Ordering::AcqRel);
                self.owed = true;
            }
            Event::Connected { .. } | Event::Subscribed { .. } | Event::PingAnswered => {}
            _ => return,
        }
        if !self.owed {
            return;
        }
        let (line, serial) = (self.line.clone(), self.serial.load(Ordering::Acquire));
        let saved = tokio::task::spawn_blocking(move || line.begin_session(serial)).await;
        match saved.map_err(std::io::Error::other).and_then(|saved| saved) {
            Ok(()) => self.owed = false,
            Err(error) => {
                tracing::error!(source = self.line.number, %error, "the new session cannot be put on record");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::disk::TestDisk;
    use crate::source::Roster;

    #[tokio::test]
    async fn a_new_session_is_on_record_at_once_or_as_soon_as_the_disk_lets_it() {
        let dir = tempfile::tempdir().unwrap();
        let disk = TestDisk::default();
        let roster = || Roster::open(dir.path(), Arc::new(disk.clone())).unwrap();
        let line = roster().line("mqtt");
        let mut sessions = Sessions::new(line, 4);
        sessions.note(&Event::Connected { session_present: true }).await;
        assert_eq!(roster().line("mqtt").session(), 0, "it is known from the journal");
        sessions.note(&Event::Connected { session_present: false }).await;
        assert_eq!(roster().line("mqtt").session(), 5);
        disk.fail_writes(true);
        sessions.note(&Event::Connected { session_present: false }).await;
        assert_eq!((roster().line("mqtt").session(), sessions.serial().load(Ordering::Acquire)), (5, 6));
        disk.fail_writes(false);
        sessions.note(&Event::PingSent).await;
        sessions.note(&Event::PingAnswered).await;
        assert_eq!(roster().line("mqtt").session(), 6);
    }
}
