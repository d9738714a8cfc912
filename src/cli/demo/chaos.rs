//! `nadikota demo --chaos`: the database vanishes, the service is killed, and the publisher's own log judges.

mod database;
mod service;

use std::fmt::Display;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::books::{self, Places};
use super::options::Options;
use crate::account::Account;
use crate::cli::{Failure, on_signal, say, say_json};
use crate::clock::Clock;
use crate::config::DEMO_DEVICES;
use crate::mqtt;
use crate::settings::Span;
use crate::simulate::publisher::{self, Plan};
use crate::simulate::sender::{self, Break};
use crate::simulate::{self, City, Log};
use database::Database;
use service::Service;

pub(in crate::cli) use service::end_with;

const LENGTH: Duration = Duration::from_secs(20);
/// The database is away for so long.
const AWAY: Duration = Duration::from_secs(5);
/// Room for the database to vanish, for the kill, and for publishing before, between and after.
const SHORTEST: Duration = Duration::from_secs(10);
/// The log of all publishes is in memory.
const LONGEST: Duration = Duration::from_secs(3600);
/// How long the last PUBACKs may take, and then the deliveries: the writer may be waiting for its next try.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(50);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Vanish,
    ComeBack,
    Kill,
}

/// When what happens, from the first publish on. A longer demo has several rounds.
fn faults(length: Duration) -> Vec<(Duration, Fault)> {
    let rounds = u32::try_from(length.as_secs() / LENGTH.as_secs()).unwrap_or(u32::MAX).max(1);
    let round = length / rounds;
    let rest = round.saturating_sub(AWAY);
    let (vanish, back) = (rest / 3, rest / 3 + AWAY);
    let of_round = [(vanish, Fault::Vanish), (back, Fault::ComeBack), (back + rest / 6, Fault::Kill)];
    let starts = (0..rounds).map(|number| round * number);
    starts.flat_map(|start| of_round.map(|(at, fault)| (start + at, fault))).collect()
}

pub(super) async fn run(options: &Options) -> Result<(), Failure> {
    let length = options.length.unwrap_or(LENGTH);
    if !(SHORTEST..=LONGEST).contains(&length) {
        return Err(Failure::Failed(anyhow!(
            "--chaos takes from {} to {}: the database is away for {} s, and every publish stays on record; give \
             --for {}",
            Span(SHORTEST),
            Span(LONGEST),
            AWAY.as_secs(),
            Span(LENGTH),
        )));
    }
    let mut data = options.data_dir()?;
    crate::logging::start(&options.logging(false)).context("cannot start logging")?;
    let stop = CancellationToken::new();
    let signals = tokio::spawn(on_signal(stop.clone()));
    let mut stage = Stage::set(options, data.path(), &stop).await?;
    let played = stage.play(options, length, &stop).await;
    let closed = match played {
        Ok((log, account)) => stage.close(&log, account).await,
        Err(error) => Err(error),
    };
    signals.abort();
    let books = match closed {
        Ok(books) => books,
        Err(error) => {
            data.keep();
            let kept = format!("what there is stays in {}", data.path().display());
            return Err(Failure::Failed(error.context(kept)));
        }
    };
    if !books.balance() {
        data.keep();
        stage.tell(format_args!("what there is stays in {}", data.path().display()))?;
    }
    if options.json {
        say_json(&books.told())?;
    } else {
        say(&books)?;
        say(books.tally())?;
    }
    if books.balance() { Ok(()) } else { Err(Failure::No) }
}

/// The service, its database, and when it began.
struct Stage {
    service: Service,
    database: Database,
    store: std::path::PathBuf,
    begun: Instant,
    json: bool,
}

impl Stage {
    async fn set(options: &Options, data: &Path, stop: &CancellationToken) -> anyhow::Result<Self> {
        let (dir, store) = (data.join("service"), data.join("database"));
        for used in [&dir, &store] {
            if used.exists() {
                return Err(anyhow!(
                    "{} is of an earlier run, whose publishes this one does not know; give another --data",
                    used.display()
                ));
            }
        }
        std::fs::create_dir_all(&store).with_context(|| store.display().to_string())?;
        let [mqtt, http, address] = service::free_addresses()?;
        let database = Database::start(address, &store).await?;
        let service = Service::start(&dir, mqtt, http, &database.url())?;
        let mut stage = Self { service, database, store, begun: Instant::now(), json: options.json };
        tokio::select! {
            ready = stage.service.ready() => ready?,
            () = stop.cancelled() => return Err(anyhow!("stopped before the service was ready")),
        }
        stage.begun = Instant::now();
        stage.tell(format_args!(
            "the service runs as process {}: mqtt://{}, http://{}/health, database {}",
            stage.service.id(),
            stage.service.mqtt,
            stage.service.http,
            stage.database.url(),
        ))?;
        Ok(stage)
    }

    /// Publishes for so long while the faults happen, and waits until everything has its outcome.
    async fn play(
        &mut self,
        options: &Options,
        length: Duration,
        stop: &CancellationToken,
    ) -> anyhow::Result<(Log, Account)> {
        let settings = simulate::Options { seed: options.seed, ..simulate::Options::default() };
        let city = City::new(DEMO_DEVICES, settings)?;
        let enough = stop.child_token();
        let broker = options.broker_at(self.service.mqtt);
        let publishing = tokio::spawn(publish(city, broker, options.rate, enough.clone()));
        for (at, fault) in faults(length) {
            if !self.waits(self.begun + at, stop).await? {
                break;
            }
            self.happens(fault).await?;
        }
        self.waits(self.begun + length, stop).await?;
        self.database.come_back().await?;
        enough.cancel();
        let log = publishing.await.context("the publisher failed")??;
        self.tell(format_args!("{} published; waiting until each has its outcome", log.len()))?;
        let account = self.settled().await?;
        Ok((log, account))
    }

    async fn happens(&mut self, fault: Fault) -> anyhow::Result<()> {
        match fault {
            Fault::Vanish => {
                self.database.vanish().await;
                self.tell(format_args!("the database vanishes for {} s", AWAY.as_secs()))
            }
            Fault::ComeBack => {
                let pending = self.service.account().await?.pending;
                self.database.come_back().await?;
                self.tell(format_args!("the database is back; {pending} messages wait for it"))
            }
            Fault::Kill => {
                let pending = self.service.account().await?.pending;
                let killed = Instant::now();
                self.service.kill();
                self.tell(format_args!(
                    "the service is killed (SIGKILL) with about {pending} messages under way, and started again"
                ))?;
                self.service.start_again()?;
                self.service.ready().await?;
                let away = killed.elapsed().as_secs_f64();
                let id = self.service.id();
                self.tell(format_args!("the service runs again as process {id}, after {away:.1} s"))
            }
        }
    }

    /// False where it was stopped before; an error where the service ends by itself.
    async fn waits(&mut self, until: Instant, stop: &CancellationToken) -> anyhow::Result<bool> {
        while Instant::now() < until {
            self.service.must_run()?;
            tokio::select! {
                () = stop.cancelled() => return Ok(false),
                () = tokio::time::sleep_until(until.min(Instant::now() + LOOK)) => {}
            }
        }
        Ok(!stop.is_cancelled())
    }

    async fn settled(&mut self) -> anyhow::Result<Account> {
        let late = Instant::now() + PATIENCE;
        loop {
            let account = self.service.account().await?;
            if account.pending == 0 {
                return Ok(account);
            }
            if Instant::now() >= late {
                let pending = account.pending;
                return Err(anyhow!("{pending} messages have no outcome after {} s", PATIENCE.as_secs()));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Stops everything and holds what is there against the log.
    async fn close(&mut self, log: &Log, account: Account) -> anyhow::Result<books::Books> {
        self.service.stop().await?;
        self.database.vanish().await;
        let places = Places { store: self.store.clone(), quarantine: self.service.quarantine() };
        books::close(log, account, Some(&places))
    }

    /// One line of what happens; with --json stdout is for the result alone.
    fn tell(&self, what: impl Display) -> anyhow::Result<()> {
        let line = format!("{:>6.1} s  {what}", self.begun.elapsed().as_secs_f64());
        if self.json {
            eprintln!("{line}");
            return Ok(());
        }
        say(line).map_err(|_| anyhow!("cannot write to stdout"))
    }
}

/// Publishes until told that it is enough, over as many connections as it takes.
async fn publish(
    mut city: City,
    broker: mqtt::Options,
    rate: u32,
    enough: CancellationToken,
) -> anyhow::Result<Log> {
    let mut log = Log::default();
    let plan = Plan { rate: Some(rate), patience: PATIENCE, ..Plan::default() };
    let noted = publisher::record(&mut log, |_| {});
    sender::run(|now| city.next(now), &broker, plan, Break::Resend, &Clock::System, &enough, noted).await?;
    Ok(log)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_come_in_their_order_and_leave_time_for_publishing() {
        for (seconds, rounds) in [(10, 1), (20, 1), (39, 1), (60, 3), (3600, 180)] {
            let length = Duration::from_secs(seconds);
            let faults = faults(length);
            assert_eq!(faults.len(), rounds * 3);
            for round in faults.chunks(3) {
                let [(vanish, Fault::Vanish), (back, Fault::ComeBack), (kill, Fault::Kill)] = round else {
                    panic!("{round:?}");
                };
                assert_eq!(*back - *vanish, AWAY);
                assert!(kill > back, "{seconds}");
            }
            assert!(faults.is_sorted_by_key(|(at, _)| *at));
            assert!(faults[0].0 > Duration::from_secs(1));
            assert!(length - faults[faults.len() - 1].0 > Duration::from_secs(2), "{seconds}");
        }
    }
}
