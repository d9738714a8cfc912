//! Mosquitto as shipped: started by its own script with its own files, only paths and the port put in.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use nadikota::journal::Entry;
use nadikota::journal::disk::RealDisk;
use nadikota::journal::inspect::Scan;
use nadikota::mqtt::publish::Publisher;
use nadikota::secret::Secret;
use tempfile::TempDir;

use super::support::city;
use super::support::nadikota::Nadikota;
use super::support::process::Process;
use super::support::wait::{START, accepts, free_addresses, poll_until};

const LIMIT: Duration = Duration::from_secs(30);
const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/mosquitto");
const PASSWORD: &str = "a long random value";
/// The number of a message that comes after all others.
const LAST: u64 = u64::MAX;
const DEVICE: &str = "wl-welang-01";
const TOPIC: &str = "city/pasuruan/gadingrejo/wl-welang-01/level";

struct Shipped {
    address: SocketAddr,
    process: Process,
    dir: TempDir,
}

impl Shipped {
    fn start() -> Self {
        let [address] = free_addresses();
        let dir = tempfile::tempdir().expect("a directory");
        // Started by root, Mosquitto is another user, as in its container.
        open(dir.path(), 0o755);
        for name in ["config", "data", "secrets", "tmp"] {
            fs::create_dir(dir.path().join(name)).expect("a folder");
            open(&dir.path().join(name), 0o777);
        }
        fs::write(dir.path().join("secrets/mqtt-password"), format!("{PASSWORD}\n")).expect("the secret");
        let root = dir.path().display();
        for name in ["mosquitto.conf", "acl", "start.sh"] {
            let text = fs::read_to_string(Path::new(SHIPPED).join(name)).expect("a shipped file");
            let text = text
                .replace("\nlistener 1883\n", &format!("\nlistener {} 127.0.0.1\n", address.port()))
                .replace("/mosquitto/", &format!("{root}/"))
                .replace("/run/secrets/", &format!("{root}/secrets/"))
                .replace("/tmp/mosquitto_sub", &format!("{root}/tmp/mosquitto_sub"));
            fs::write(dir.path().join("config").join(name), text).expect("a file");
        }
        let process = Self::launch(address, dir.path());
        Self { address, process, dir }
    }

    fn restart(&mut self) {
        self.process.kill9();
        self.process = Self::launch(self.address, self.dir.path());
    }

    fn launch(address: SocketAddr, dir: &Path) -> Process {
        let mut command = as_mosquitto("sh");
        command.arg(dir.join("config/start.sh"));
        let mut process = Process::start("mosquitto", &mut command, dir);
        process.wait_ready(START, || accepts(address));
        process
    }

    /// A user as docs/operations.md says: by mosquitto_passwd, then SIGHUP.
    fn add(&self, user: &str) {
        let mut command = as_mosquitto("mosquitto_passwd");
        command.arg(self.dir.path().join("data/passwords")).arg(user);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("mosquitto_passwd");
        write!(child.stdin.take().expect("stdin"), "{PASSWORD}\n{PASSWORD}\n").expect("the password");
        assert!(child.wait().expect("its end").success());
        let pid = i32::try_from(self.process.id()).expect("a pid");
        let pid = rustix::process::Pid::from_raw(pid).expect("a pid");
        rustix::process::kill_process(pid, rustix::process::Signal::HUP).expect("SIGHUP to our own child");
        poll_until(LIMIT, "the user may connect", || {
            self.publish(user, PASSWORD, "nobody/reads/this").then_some(())
        });
    }

    /// One publish by Mosquitto's own client; false where the connection was refused.
    fn publish(&self, user: &str, password: &str, topic: &str) -> bool {
        let mut command = Command::new("mosquitto_pub");
        command.args(["-h", "127.0.0.1", "-p", &self.address.port().to_string(), "-q", "1"]);
        command.args(["-u", user, "-P", password, "-t", topic, "-m", &format!("{{\"n\": {LAST}}}")]);
        command.output().expect("mosquitto_pub").status.success()
    }

    /// When the queues were last written to disk.
    fn saved(&self) -> Option<SystemTime> {
        fs::metadata(self.dir.path().join("data/mosquitto.db")).ok()?.modified().ok()
    }

    fn nadikota(&self) -> Nadikota {
        let secret = self.dir.path().join("secrets/mqtt-password");
        let nadikota = Nadikota::start(&format!(
            "[mqtt]\nurl = \"mqtt://{}\"\nuser = \"nadikota\"\npassword_file = \"{}\"\n\
             [[destinations]]\nkind = \"embedded\"\n",
            self.address,
            secret.display()
        ));
        poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
        nadikota
    }
}

fn open(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("permissions");
}

/// A command as the user that Mosquitto's container has, where we may choose.
fn as_mosquitto(program: &str) -> Command {
    let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
    let mut command = if rustix::process::geteuid().is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "mosquitto", "--regid", "mosquitto", "--clear-groups", program]);
        command
    } else {
        Command::new(program)
    };
    command.env("PATH", path);
    command
}

/// The numbers in the payloads of everything that nadikota's journal holds.
fn received(nadikota: &Nadikota) -> BTreeSet<u64> {
    let dir: PathBuf = nadikota.data_dir().join("journal");
    let mut scan = Scan::new(&dir, 1, &RealDisk).expect("the journal");
    let mut found = BTreeSet::new();
    while let Some(entry) = scan.next_entry().expect("a readable journal") {
        let Entry::Record(record) = entry else { panic!("{entry:?}") };
        let payload: serde_json::Value = serde_json::from_slice(&record.message.payload).expect("JSON");
        found.extend(payload["n"].as_u64());
    }
    found
}

/// Publishes numbered readings as a device until `enough`, at most `rate` a second and one at a time; when each was
/// acknowledged.
fn publish(shipped: &Shipped, rate: u32, mut enough: impl FnMut(u64) -> bool) -> Vec<Instant> {
    let mut options = city::client(shipped.address, DEVICE);
    options.login = Some((DEVICE.to_owned(), Secret::new(PASSWORD)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut publisher = Publisher::new(&options, 1);
        let mut pace = tokio::time::interval(Duration::from_secs(1) / rate);
        let mut acknowledged = Vec::new();
        for number in 0.. {
            if enough(number) {
                break;
            }
            pace.tick().await;
            let payload = format!("{{\"water_level\": 1.5, \"n\": {number}}}");
            assert!(publisher.try_publish(number, TOPIC, payload.into_bytes(), false));
            while publisher.poll().await.expect("the broker stays").is_none() {}
            acknowledged.push(Instant::now());
        }
        acknowledged
    })
}

#[test]
fn more_than_a_thousand_messages_wait_for_nadikota() {
    let shipped = Shipped::start();
    let mut nadikota = shipped.nadikota();
    shipped.add(DEVICE);
    assert!(nadikota.stop(LIMIT).success());
    let acknowledged = publish(&shipped, 100_000, |number| number == 5000);
    assert_eq!(acknowledged.len(), 5000);
    nadikota.restart();
    poll_until(LIMIT, "all are in the journal", || (received(&nadikota).len() == 5000).then_some(()));
}

#[test]
fn only_known_users_connect_and_each_writes_under_its_own_name() {
    let mut shipped = Shipped::start();
    let nadikota = shipped.nadikota();
    shipped.add(DEVICE);
    let elsewhere = "city/pasuruan/gadingrejo/wl-other-02/level";
    for (user, password, topic, connects) in [
        (DEVICE, PASSWORD, TOPIC, true),
        // Mosquitto acknowledges these and drops them.
        (DEVICE, PASSWORD, elsewhere, true),
        ("nadikota", PASSWORD, TOPIC, true),
        (DEVICE, "another password", TOPIC, false),
        ("stranger", PASSWORD, TOPIC, false),
    ] {
        assert_eq!(shipped.publish(user, password, topic), connects, "{user} on {topic}");
    }
    let address = shipped.address;
    let anonymous = Command::new("mosquitto_pub")
        .args(["-h", "127.0.0.1", "-p", &address.port().to_string(), "-t", TOPIC, "-m", "{}"])
        .output()
        .expect("mosquitto_pub");
    assert!(!anonymous.status.success());
    // A last one that is allowed: what was to come before it has come.
    assert!(shipped.publish(DEVICE, PASSWORD, TOPIC));
    let account = city::settled(&nadikota, 2, LIMIT);
    assert_eq!((&account["received"], &account["stored"]), (&2.into(), &2.into()), "{account}");

    // A start gives nadikota the password of the secret and leaves the devices theirs.
    fs::write(shipped.dir.path().join("secrets/mqtt-password"), "another long value").expect("the secret");
    shipped.restart();
    assert!(
        !shipped.publish("nadikota", PASSWORD, TOPIC)
            && shipped.publish("nadikota", "another long value", TOPIC)
    );
    assert!(shipped.publish(DEVICE, PASSWORD, TOPIC));
}

#[test]
fn the_health_check_of_the_container_tells_whether_the_broker_answers() {
    let mut shipped = Shipped::start();
    let file =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docker-compose.yml")).expect("a file");
    let line = file.lines().find(|line| line.contains("mosquitto_sub")).expect("the health check");
    let check = line.split('"').nth(1).expect("its command").replace("$$", "$");
    let check = check
        .replace(
            "XDG_CONFIG_HOME=/tmp",
            &format!("XDG_CONFIG_HOME={}", shipped.dir.path().join("tmp").display()),
        )
        .replace("mosquitto_sub ", &format!("mosquitto_sub -p {} ", shipped.address.port()));
    let healthy = || as_mosquitto("sh").arg("-c").arg(&check).output().expect("sh").status.success();
    assert!(healthy(), "{check}");
    shipped.process.kill9();
    assert!(!healthy());
}

#[test]
fn a_kill_of_mosquitto_loses_no_more_than_the_stated_window() {
    let conf = fs::read_to_string(Path::new(SHIPPED).join("mosquitto.conf")).expect("the shipped file");
    let stated = conf.split("at most ").nth(1).and_then(|rest| rest.split(' ').next()).expect("the window");
    let window = Duration::from_secs(stated.parse().expect("seconds"));

    let mut shipped = Shipped::start();
    let mut nadikota = shipped.nadikota();
    shipped.add(DEVICE);
    assert!(nadikota.stop(LIMIT).success());
    // Killed as long after a save as possible, with messages that are older than the window.
    let (begin, mut last, mut seen) = (Instant::now(), shipped.saved(), Instant::now());
    let acknowledged = publish(&shipped, 200, |_| {
        let saved = shipped.saved();
        if saved != last {
            (last, seen) = (saved, Instant::now());
        }
        let old_enough = begin.elapsed() > window + Duration::from_secs(2);
        (old_enough && seen.elapsed() > Duration::from_millis(4500)) || begin.elapsed() > 2 * window
    });
    shipped.process.kill9();
    let killed = Instant::now();
    let must: BTreeSet<u64> = (0..)
        .zip(&acknowledged)
        .filter(|(_, at)| killed.duration_since(**at) > window)
        .map(|(number, _)| number)
        .collect();
    assert!(must.len() > 100, "{} of {} are old enough", must.len(), acknowledged.len());
    shipped.restart();
    nadikota.restart();
    assert!(shipped.publish(DEVICE, PASSWORD, TOPIC));
    let received = poll_until(LIMIT, "all that Mosquitto has is there", || {
        let received = received(&nadikota);
        received.contains(&LAST).then_some(received)
    });
    let lost: Vec<_> = (0..).zip(&acknowledged).filter(|(number, _)| !received.contains(number)).collect();
    let oldest = lost.iter().map(|(_, at)| killed.duration_since(**at)).max().unwrap_or_default();
    println!("{} acknowledged, {} lost, at most {oldest:?} before the kill", acknowledged.len(), lost.len());
    assert!(must.is_subset(&received), "lost what was acknowledged {oldest:?} before the kill");
}
