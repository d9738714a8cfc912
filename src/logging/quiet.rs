//! Quiet: the layer that keeps a flood of equal lines out of the log, and tells how many it kept out.

use std::fmt::{self, Write as _};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::repeats::Repeats;

/// The most that is kept of a line that was not said.
const LONGEST: usize = 500;
/// What the lines about other lines are told as; they are never held back themselves.
const OWN: &str = "nadikota::logging";

/// Holds back what was said a moment ago; debug and trace are for who wants everything.
#[derive(Debug, Clone)]
pub struct Quiet(Arc<Mutex<Repeats<Place>>>);

/// Where in the program a line is said.
#[derive(Debug, Clone, Copy)]
struct Place(&'static Metadata<'static>);

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.0.callsite() == other.0.callsite()
    }
}

impl Eq for Place {}

impl std::hash::Hash for Place {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.callsite().hash(state);
    }
}

impl Quiet {
    pub(super) fn new(period: Duration) -> Self {
        Self(Arc::new(Mutex::new(Repeats::new(period))))
    }

    /// Says what was held back in periods that are over. To be called about every second.
    pub fn tell(&self) {
        self.tell_at(Instant::now());
    }

    /// Says everything that was held back: the process ends.
    pub fn tell_all(&self) {
        // Longer than any period, and still a time.
        let now = Instant::now();
        self.tell_at(now.checked_add(Duration::from_secs(3600 * 24 * 365)).unwrap_or(now));
    }

    fn tell_at(&self, now: Instant) {
        // Not held while the lines are said: they pass through this layer too.
        let over = self.lock().over(now);
        for (Place(metadata), held) in over {
            let (count, last, of) = (held.count, held.last, metadata.target());
            match *metadata.level() {
                Level::ERROR => tracing::error!(target: OWN, of, count, last, "said again and left out"),
                Level::WARN => tracing::warn!(target: OWN, of, count, last, "said again and left out"),
                _ => tracing::info!(target: OWN, of, count, last, "said again and left out"),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Repeats<Place>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Subscriber> Layer<S> for Quiet {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        if *metadata.level() > Level::INFO || metadata.target() == OWN {
            return true;
        }
        let mut content = Content(DefaultHasher::new());
        event.record(&mut content);
        let text = || {
            let mut text = Text::default();
            event.record(&mut text);
            text.joined()
        };
        self.lock().is_said(Place(metadata), content.0.finish(), Instant::now(), text)
    }
}

/// The hash of all fields as they would be written.
struct Content(DefaultHasher);

impl fmt::Write for Content {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

impl Visit for Content {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        field.name().hash(&mut self.0);
        let _ = write!(self, "{value:?}");
        self.0.write_u8(0xff);
    }
}

/// The line in words, up to a length.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Text {
    fn joined(mut self) -> String {
        self.message.push_str(&self.fields);
        let cut = self.message.floor_char_boundary(LONGEST);
        self.message.truncate(cut);
        self.message
    }
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Memory {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    #[test]
    fn equal_lines_are_told_once_with_a_count_and_debug_lines_always() {
        let (memory, quiet) = (Memory::default(), Quiet::new(Duration::from_secs(30)));
        let text = tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(memory.clone());
        tracing::subscriber::with_default(
            tracing_subscriber::registry().with(quiet.clone()).with(text),
            || {
                for turn in 0..50 {
                    tracing::warn!(place = "db", why = "status 503", "it takes nothing");
                    tracing::debug!("each");
                    tracing::info!(turn, "different");
                }
                quiet.tell();
                quiet.tell_all();
            },
        );
        let written = String::from_utf8(memory.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<serde_json::Value> =
            written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let count = |message: &str| lines.iter().filter(|line| line["message"] == message).count();
        assert_eq!((count("it takes nothing"), count("each"), count("different")), (1, 50, 10));
        let told: Vec<_> = lines.iter().filter(|line| line["message"] == "said again and left out").collect();
        assert_eq!(told.len(), 2);
        assert_eq!((&told[0]["level"], &told[0]["count"]), (&"WARN".into(), &49.into()));
        assert_eq!(told[0]["last"], r#"it takes nothing place="db" why="status 503""#);
        assert_eq!((&told[1]["level"], &told[1]["count"]), (&"INFO".into(), &40.into()));
    }

    #[test]
    fn what_is_kept_of_a_line_is_bounded_and_stays_text() {
        let text = Text { message: "é".repeat(LONGEST), fields: String::new() };
        let joined = text.joined();
        assert!(joined.len() <= LONGEST && joined.chars().all(|c| c == 'é'));
    }
}
