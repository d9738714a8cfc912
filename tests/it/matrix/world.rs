//! The world of a row: publisher, broker, wire, service, gate and database.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::super::support::http;
use super::super::support::influxdb::InfluxDb;
use super::super::support::mosquitto::Mosquitto;
use super::super::support::wait::poll_until;
use super::gate::Gate;
use super::load::{self, Load, Mix};
use super::service::Service;
use super::wire::Wire;

pub const LIMIT: Duration = Duration::from_secs(90);

/// What a row wants of its world.
#[derive(Debug, Clone)]
pub struct Setup {
    pub seed: u64,
    /// Of MQTT between broker and service.
    pub version: &'static str,
    /// More lines for Mosquitto.
    pub broker: String,
    /// More keys of `[mqtt]`.
    pub mqtt: String,
    /// Keys of `[journal]`.
    pub journal: String,
    /// As many messages as the broker keeps for the service, beyond a window of 20.
    pub queue: Option<u64>,
    pub mix: Mix,
    /// Messages per second.
    pub rate: u32,
    /// Faults go on until so many are sent.
    pub messages: u64,
    /// Several faults together last for this at most.
    pub hold: Duration,
    /// The data directory is a file system of this many MiB.
    pub small_disk: Option<u32>,
    /// The service runs in this process, on a disk and by a clock that faults command.
    pub inside: bool,
    /// One fault at a time: what it must leave alone is left alone.
    pub alone: bool,
    /// The broker itself is harmed: what it loses or repeats is counted apart.
    pub broker_suffers: bool,
}

impl Setup {
    pub fn new(seed: u64, version: &'static str) -> Self {
        Self {
            seed,
            version,
            broker: String::new(),
            mqtt: String::new(),
            journal: "min_free = \"1 MiB\"\nsegment_size = \"64 KiB\"\n".to_owned(),
            queue: None,
            messages: 0,
            hold: Duration::from_secs(3),
            mix: Mix { steady: true, twice: true, poison: false, poison_every: 20 },
            rate: 400,
            small_disk: None,
            inside: false,
            alone: false,
            broker_suffers: false,
        }
    }
}

/// A small file system of its own, for as long as this lives.
#[derive(Debug)]
pub struct Mount(PathBuf);

impl Mount {
    /// Nothing where this user may not mount.
    fn new(path: &Path, mebibytes: u32) -> Option<Self> {
        std::fs::create_dir_all(path).expect("a directory");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={mebibytes}m,mode=0700"), "tmpfs"]).arg(path);
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        mounted.then(|| Self(path.to_owned()))
    }

    /// Whether this user may.
    pub fn is_allowed() -> bool {
        let dir = tempfile::tempdir().expect("a directory");
        Self::new(&dir.path().join("tried"), 1).is_some()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily: the service may just be dying.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[derive(Debug)]
pub struct World {
    pub setup: Setup,
    pub rng: fastrand::Rng,
    pub load: Option<Load>,
    pub wire: Wire,
    pub gate: Gate,
    pub database: InfluxDb,
    pub broker: Mosquitto,
    pub nadikota: Service,
    /// After the service, which must be gone before its disk is.
    pub mount: Option<Mount>,
    /// Deaths of the service so far; its counters begin anew with each.
    pub deaths: u32,
    /// Bytes of the journal were changed, which can have cost so many messages.
    pub damaged: Option<u64>,
    /// When the broker was last started again: what it had handed over before may be gone with it.
    pub broker_began: Option<Instant>,
    /// What the fault under way has noted: a time and a count to compare with.
    pub noted: (Instant, u64),
    /// Whatever else a fault needs until it heals.
    pub twin: Option<std::net::TcpStream>,
}

impl World {
    pub fn start(setup: Setup) -> Self {
        let mut world = Self::quiet(setup);
        let Setup { seed, mix, rate, .. } = world.setup;
        world.load = Some(Load::start(world.broker.address(), seed, mix, rate, None));
        world
    }

    /// The same before anything is published.
    pub fn quiet(setup: Setup) -> Self {
        let mut lines = setup.broker.clone();
        if let Some(queue) = setup.queue {
            lines.push_str(&format!("max_inflight_messages 20\nmax_queued_messages {queue}\n"));
        }
        let broker = Mosquitto::start(&lines);
        let database = InfluxDb::start();
        if setup.mix.poison {
            let answer = database.write(&load::preparation());
            assert_eq!(answer.status, 204, "{}", answer.body);
        }
        let (wire, gate) = (Wire::start(broker.address()), Gate::start(database.address()));
        let config = format!(
            "[mqtt]\nurl = \"mqtt://{}\"\nversion = \"{}\"\nkeep_alive = \"5s\"\n{}\n\
             [[destinations]]\nkind = \"influxdb\"\nversion = \"1\"\nurl = \"{}\"\ndatabase = \"city\"\n\
             timeout = \"2s\"\n[journal]\n{}",
            wire.address(),
            setup.version,
            setup.mqtt,
            gate.url(),
            setup.journal,
        );
        let mut mount = None;
        let nadikota = Service::start(&config, setup.inside, |dir| {
            mount = setup.small_disk.and_then(|size| Mount::new(&dir.join("data"), size));
        });
        poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
        Self {
            rng: fastrand::Rng::with_seed(setup.seed),
            load: None,
            wire,
            gate,
            database,
            broker,
            nadikota,
            mount,
            deaths: 0,
            damaged: None,
            broker_began: None,
            noted: (Instant::now(), 0),
            twin: None,
            setup,
        }
    }

    /// Begins to compare: time and messages sent from now on.
    pub fn note(&mut self) {
        self.noted = (Instant::now(), self.sent());
    }

    pub fn sent(&self) -> u64 {
        self.load.as_ref().map_or(0, Load::sent)
    }

    /// Messages sent since the last note.
    pub fn sent_since(&self) -> u64 {
        self.sent() - self.noted.1
    }

    /// A number of the account; nothing while the service does not answer.
    pub fn account(&self, name: &str) -> Option<u64> {
        self.nadikota.health()?["account"][name].as_u64()
    }

    /// A part of health has this state, and its reason says so.
    pub fn part(&self, name: &str, state: &str, reason: &str) -> bool {
        let Some(health) = self.nadikota.health() else { return false };
        let part: &Value = &health["parts"][name];
        part["state"] == state && part["reason"].as_str().is_some_and(|text| text.contains(reason))
    }

    /// A number of `/metrics`; nothing while the service does not answer.
    pub fn metric(&self, name: &str) -> Option<u64> {
        let metrics = http::get(self.nadikota.http(), "/metrics").ok()?.body;
        let line =
            metrics.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')))?;
        line.rsplit_once(' ')?.1.trim_end_matches(".0").parse().ok()
    }

    /// Waits until so many messages more are settled: what heals must heal by itself.
    pub fn moves_on(&self, messages: u64) {
        let settled = || {
            let health = self.nadikota.health()?;
            let number = |name: &str| health["account"][name].as_u64();
            number("received")?.checked_sub(number("pending")?)
        };
        let before = poll_until(LIMIT, "the service answers", settled);
        // A backlog that is settled shows only the way out.
        let acknowledged = self.wire.tap(|tap| tap.pubacks) + messages;
        poll_until(LIMIT, "messages are acknowledged again", || {
            (self.wire.tap(|tap| tap.pubacks) >= acknowledged).then_some(())
        });
        poll_until(LIMIT, "messages are settled again", || (settled()? >= before + messages).then_some(()));
    }

    pub fn restart_broker(&mut self) {
        self.broker.restart();
        self.broker_began = Some(Instant::now());
    }

    pub fn kill(&mut self) {
        self.nadikota.kill9();
        self.deaths += 1;
    }
}
