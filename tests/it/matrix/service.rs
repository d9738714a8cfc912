//! The service of a row: a process of its own, or within this one, on a disk and by a clock that faults command.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use nadikota::clock::Clock;
use nadikota::journal::disk::TestDisk;
use nadikota::{config, pipeline};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::super::support::http;
use super::super::support::nadikota::{Nadikota, SHIPPED};

#[derive(Debug)]
pub enum Service {
    Child(Nadikota),
    Inside(Box<Inside>),
}

/// The whole pipeline on a runtime of its own.
#[derive(Debug)]
pub struct Inside {
    /// Before the runtime that it runs on.
    running: pipeline::Running,
    _runtime: Runtime,
    http: SocketAddr,
    pub disk: TestDisk,
    clock: Ticking,
    dir: TempDir,
}

/// A clock that runs, a settable way off the system's.
#[derive(Debug)]
struct Ticking {
    offset: Arc<AtomicI64>,
    ends: Arc<AtomicBool>,
}

impl Ticking {
    fn new() -> (Self, Clock) {
        let (clock, hands) = Clock::fixed(Clock::System.now());
        let (offset, ends) = (Arc::<AtomicI64>::default(), Arc::<AtomicBool>::default());
        let (by, ended) = (Arc::clone(&offset), Arc::clone(&ends));
        std::thread::spawn(move || {
            while !ended.load(Ordering::SeqCst) {
                hands.store(Clock::System.now() + by.load(Ordering::SeqCst), Ordering::SeqCst);
                std::thread::sleep(Duration::from_micros(200));
            }
        });
        (Self { offset, ends }, clock)
    }
}

impl Drop for Ticking {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
    }
}

impl Service {
    /// `prepare` sees the directory in which the data directory will be.
    pub fn start(text: &str, inside: bool, prepare: impl FnOnce(&Path)) -> Self {
        if !inside {
            return Self::Child(Nadikota::start_prepared(text, prepare));
        }
        let dir = tempfile::tempdir().expect("a directory");
        prepare(dir.path());
        let file = dir.path().join("nadikota.toml");
        std::fs::write(&file, text).expect("the configuration");
        let data = dir.path().join("data").display().to_string();
        let own = [("NADIKOTA__HTTP__LISTEN", "127.0.0.1:0".to_owned()), ("NADIKOTA__DATA_DIR", data)];
        let own = own.map(|(name, value)| (name.to_owned(), value));
        let config = config::load(&[PathBuf::from(SHIPPED), file], own).expect("a configuration");
        let runtime = Runtime::new().expect("a runtime");
        let (disk, (clock, now)) = (TestDisk::default(), Ticking::new());
        let start = pipeline::start_on(Arc::new(disk.clone()), config, now);
        let running = runtime.block_on(start).expect("a pipeline");
        let http = running.http;
        Self::Inside(Box::new(Inside { running, _runtime: runtime, http, disk, clock, dir }))
    }

    pub fn http(&self) -> SocketAddr {
        match self {
            Self::Child(nadikota) => nadikota.http(),
            Self::Inside(inside) => inside.http,
        }
    }

    pub fn data_dir(&self) -> PathBuf {
        match self {
            Self::Child(nadikota) => nadikota.data_dir(),
            Self::Inside(inside) => inside.dir.path().join("data"),
        }
    }

    /// `/health`, or nothing while the program does not answer.
    pub fn health(&self) -> Option<Value> {
        serde_json::from_str(&http::get(self.http(), "/health").ok()?.body).ok()
    }

    pub fn ready(&self) -> bool {
        http::get(self.http(), "/health/ready").is_ok_and(|answer| answer.status == 200)
    }

    fn child(&mut self) -> &mut Nadikota {
        match self {
            Self::Child(nadikota) => nadikota,
            Self::Inside(_) => panic!("no process of its own to be killed"),
        }
    }

    /// The process that runs it.
    pub fn id(&self) -> u32 {
        match self {
            Self::Child(nadikota) => nadikota.id(),
            Self::Inside(_) => std::process::id(),
        }
    }

    pub fn kill9(&mut self) {
        self.child().kill9();
    }

    /// Ends what still runs and starts again on the same data directory.
    pub fn restart(&mut self) {
        self.child().restart();
    }

    fn inside(&self) -> &Inside {
        match self {
            Self::Inside(inside) => inside,
            Self::Child(_) => panic!("a process of its own has its own disk and clock"),
        }
    }

    pub fn disk(&self) -> &TestDisk {
        &self.inside().disk
    }

    /// Sets the service's clock so many seconds off the true time.
    pub fn set_clock(&self, seconds: i64) {
        self.inside().clock.offset.store(seconds * 1_000_000_000, Ordering::SeqCst);
    }
}
