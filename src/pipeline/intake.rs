//! Intake: what brings messages. A source for each connection to a broker, and the embedded broker.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::sync::watch;

use super::PipelineError;
use super::stage::Stage;
use super::watching::Watching;
use crate::clock::Clock;
use crate::config::Config;
use crate::embedded::Broker;
use crate::journal::Journal;
use crate::journal::cursor::Cursor;
use crate::journal::disk::Disk;
use crate::message::EMBEDDED_SOURCE;
use crate::mqtt;
use crate::source::{Counts, Rebirths, Roster, Source};
use crate::status::Board;

/// What it is built from.
pub(super) struct Parts<'a> {
    pub(super) config: &'a Config,
    pub(super) dir: &'a Path,
    pub(super) disk: &'a Arc<dyn Disk>,
    pub(super) clock: &'a Clock,
    pub(super) cursor: &'a Cursor,
    pub(super) journal: &'a Journal,
    pub(super) board: &'a Board,
    pub(super) rebirths: &'a Rebirths,
    /// The filters of the routes.
    pub(super) filters: watch::Receiver<Vec<String>>,
}

pub(super) struct Intake {
    pub(super) stage: Stage<()>,
    /// Of each source, by its number: records below have a PUBACK that is known to have arrived.
    pub(super) known_floors: BTreeMap<u16, Arc<AtomicU64>>,
    /// Of each source, by its name.
    pub(super) counts: Vec<(String, Arc<Counts>)>,
    pub(super) certificates: Vec<mqtt::Expiries>,
    /// Where the embedded broker listens.
    pub(super) broker: Option<SocketAddr>,
}

impl Intake {
    /// Begins to take messages.
    pub(super) async fn begin(parts: Parts<'_>, watching: &mut Watching) -> Result<Self, PipelineError> {
        let Parts { config, dir, disk, clock, cursor, journal, board, rebirths, filters } = parts;
        let mut stage = Stage::new();
        let (mut known_floors, mut counts, mut certificates) = (BTreeMap::new(), Vec::new(), Vec::new());
        let roster = Roster::open(dir, Arc::clone(disk)).map_err(PipelineError::Sources)?;
        for mqtt in config.mqtt.clone() {
            let name = mqtt.part();
            if mqtt.member == 0 {
                let part = || board.part(name.replacen("mqtt", "certificates", 1));
                if let Some((watch, expiries)) = mqtt::Watch::new(&mqtt.options, clock.clone(), part) {
                    certificates.push(expiries);
                    stage.spawn("watch over certificates", watch.run(stage.stop.clone()));
                }
            }
            let part = board.part(name.clone());
            let line = roster.line(&name);
            let (number, floor) = (line.number, cursor.floor(line.number));
            let commands = mqtt.rebirth.then(|| rebirths.by(number, &name));
            let source = Source::new(mqtt, line, filters.clone(), journal.clone(), floor, part).await?;
            known_floors.insert(number, source.known_floor());
            watching.source(&name, source.counts());
            counts.push((name, source.counts()));
            stage.spawn("source", source.publishing(commands).run(stage.stop.clone()));
        }
        let mut address = None;
        if let Some(broker) = &config.broker {
            let commands = broker.rebirth.then(|| rebirths.by(EMBEDDED_SOURCE, "broker"));
            let broker = Broker::start(broker, journal.clone(), board.part("broker")).await?;
            address = Some(broker.local_addr());
            stage.spawn("embedded broker", broker.publishing(commands).run(stage.stop.clone()));
        }
        Ok(Self { stage, known_floors, counts, certificates, broker: address })
    }
}
