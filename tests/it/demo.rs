//! The demo: one command, no set-up, and books that are checked.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::support::process::Process;
use super::support::publish::publish;
use super::support::wait::{free_addresses, poll_until};

#[test]
fn the_demo_balances_and_every_misbehaviour_has_its_own_reason() {
    let output = Command::new(env!("CARGO_BIN_EXE_nadikota"))
        .args(["demo", "--for", "8s", "--json", "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0"])
        .output()
        .expect("the demo");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    let told: Value = serde_json::from_str(out.lines().last().expect("a last line")).expect("JSON");
    let account = &told["account"];
    assert_eq!((&account["pending"], &told["store_agrees"]), (&Value::from(0), &Value::from(true)), "{told}");
    for reason in ["malformed", "not_finite", "no_route"] {
        assert!(account["quarantined_by_reason"][reason].as_u64().is_some(), "{reason}: {told}");
    }
    for reason in ["empty", "not_data"] {
        assert!(account["discarded"][reason].as_u64().is_some(), "{reason}: {told}");
    }
    assert!(account["partly_stored"].as_u64().is_some_and(|count| count > 0), "{told}");
}

#[test]
fn a_message_of_ones_own_is_stored_and_told_apart_from_the_citys() {
    let [mqtt] = free_addresses();
    let demo = Command::new(env!("CARGO_BIN_EXE_nadikota"))
        .args(["demo", "--for", "8s", "--json", "--mqtt", &mqtt.to_string(), "--http", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the demo");
    poll_until(LIMIT, "the broker answers", || std::net::TcpStream::connect(mqtt).ok());
    let own = |device: &str, payload: &str| {
        (format!("city/pasuruan/gadingrejo/{device}/level"), payload.to_owned())
    };
    publish(mqtt, "own", &[own("my-gauge", r#"{"level": 1.24, "battery": 3.7}"#), own("mine", "{")]);
    let output = demo.wait_with_output().expect("its end");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told}");
    let told: Value = serde_json::from_str(told.lines().last().expect("a last line")).expect("JSON");
    // Two values, each with its flag, and the refused message.
    assert_eq!((&told["others"], &told["store_agrees"]), (&Value::from(5), &Value::from(true)), "{told}");
}

#[test]
fn a_port_in_use_is_named_with_the_option_that_changes_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address").to_string();
    for option in ["--mqtt", "--http"] {
        let other = if option == "--mqtt" { "--http" } else { "--mqtt" };
        let output = Command::new(env!("CARGO_BIN_EXE_nadikota"))
            .args(["demo", "--for", "1s", option, &address, other, "127.0.0.1:0"])
            .output()
            .expect("the demo");
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && err.contains(&address) && err.contains(option),
            "{option}: {err}"
        );
    }
}

const LIMIT: Duration = Duration::from_secs(90);

/// `demo --chaos --json`, its data below `dir`; stdout and stderr are in its output.
fn chaos(dir: &Path, arguments: &[&str]) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nadikota"));
    command.args(["demo", "--chaos", "--json", "--data"]).arg(dir.join("data")).args(arguments);
    Process::start("demo", &mut command, dir)
}

fn until_told(demo: &mut Process, what: &str) {
    poll_until(LIMIT, what, || {
        assert!(demo.exited().is_none(), "the demo ended before: {what}");
        demo.output().contains(what).then_some(())
    });
}

fn result(demo: &Process) -> Value {
    serde_json::from_str(demo.output().lines().last().expect("a last line")).expect("JSON")
}

/// The process of the service, as the demo tells it first.
fn service_of(demo: &mut Process) -> u32 {
    until_told(demo, "the service runs as process ");
    let output = demo.output();
    let (_, rest) = output.split_once("runs as process ").expect("its line");
    rest.split(':').next().and_then(|id| id.parse().ok()).expect("a process id")
}

/// Gone, or only waiting for its parent to notice.
fn has_ended(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_none_or(|(_, rest)| rest.trim_start().starts_with('Z'))
}

#[test]
fn chaos_loses_nothing_and_doubles_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut demo = chaos(dir.path(), &["--for", "10s", "--rate", "1000"]);
    let status = poll_until(LIMIT, "the demo ends", || demo.exited());
    assert!(status.success(), "{}", demo.output());
    let told = result(&demo);
    let number = |name: &str| told[name].as_u64().unwrap_or_else(|| panic!("{name}: {told}"));
    assert_eq!((number("lost"), number("doubled"), number("unacknowledged")), (0, 0, 0), "{told}");
    assert_eq!(
        number("stored") + number("quarantined") + number("discarded"),
        number("acknowledged"),
        "{told}"
    );
    assert!(number("acknowledged") > 1_000 && number("flagged") > 0 && number("quarantined") > 0, "{told}");
    assert!(told["account"]["received"].as_u64() >= told["acknowledged"].as_u64(), "{told}");
    assert_eq!((&told["balances"], &told["store_agrees"]), (&Value::from(true), &Value::from(true)));
    for step in ["vanishes for 5 s", "is back", "is killed (SIGKILL)", "runs again"] {
        assert!(demo.output().contains(step), "{step}: {}", demo.output());
    }
}

#[test]
fn chaos_finds_out_a_store_that_forgets() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut demo = chaos(dir.path(), &["--for", "10s"]);
    until_told(&mut demo, "runs again");
    // What was settled before the kill is not written again.
    let store = rusqlite::Connection::open(dir.path().join("data/database/store.sqlite")).expect("the store");
    store.busy_timeout(Duration::from_secs(10)).expect("a time");
    let gone = store
        .execute("DELETE FROM points WHERE ts = (SELECT min(ts) FROM points)", [])
        .expect("a point that is there");
    assert!(gone > 0);
    drop(store);
    let status = poll_until(LIMIT, "the demo ends", || demo.exited());
    let told = result(&demo);
    assert_eq!(status.code(), Some(1), "{told}");
    assert!(told["lost"].as_u64().is_some_and(|lost| lost > 0), "{told}");
    assert_eq!((&told["doubled"], &told["store_agrees"]), (&Value::from(0), &Value::from(false)), "{told}");
}

#[test]
fn the_service_of_chaos_never_outlives_the_demo() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut demo = chaos(dir.path(), &["--for", "60s"]);
    let service = service_of(&mut demo);
    demo.kill9();
    poll_until(LIMIT, "the service has ended with the killed demo", || has_ended(service).then_some(()));

    let dir = tempfile::tempdir().expect("a directory");
    let mut demo = chaos(dir.path(), &["--for", "60s"]);
    let service = service_of(&mut demo);
    let status = demo.stop(LIMIT);
    assert!(status.success(), "{}", demo.output());
    assert!(has_ended(service));
    assert_eq!(result(&demo)["lost"], 0, "a signal closes the books: {}", demo.output());
}

#[test]
fn a_service_that_ends_by_itself_is_told_with_its_last_words() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut demo = chaos(dir.path(), &["--for", "60s"]);
    let service = i32::try_from(service_of(&mut demo)).ok().and_then(rustix::process::Pid::from_raw);
    rustix::process::kill_process(service.expect("a process"), rustix::process::Signal::TERM)
        .expect("SIGTERM");
    let status = poll_until(LIMIT, "the demo ends", || demo.exited());
    assert_eq!(status.code(), Some(1), "{}", demo.output());
    let output = demo.output();
    assert!(
        output.contains("the service ended by itself") && output.contains("nadikota has stopped"),
        "{output}"
    );
    assert!(output.contains("stays in"), "{output}");
}

#[test]
fn chaos_refuses_what_it_cannot_prove() {
    let check = |arguments: &[&str], code: i32, expected: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_nadikota"))
            .args(["demo", "--chaos"])
            .args(arguments)
            .output()
            .expect("the demo");
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{err}");
        assert!(err.contains(expected), "{err}");
    };
    check(&["--for", "3s"], 1, "from 10s to 1h");
    check(&["--for", "1000000d"], 1, "from 10s to 1h");
    check(&["--mqtt", "127.0.0.1:0"], 2, "--mqtt");
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(dir.path().join("service")).expect("an earlier run");
    let data = dir.path().to_str().expect("UTF-8");
    check(&["--data", data], 1, "give another --data");
}
