//! A damaged data directory under the real program: it starts, loses what was hit and no more, says so, and is repaired.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::support::city;
use super::support::http;
use super::support::nadikota::Nadikota;
use super::support::publish::publish;
use super::support::wait::{free_addresses, poll_until};

const LIMIT: Duration = Duration::from_secs(60);

/// Exit code, and the lines as JSON.
fn ask(nadikota: &Nadikota, command: &str) -> (Option<i32>, Vec<Value>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_nadikota"))
        .arg("--config")
        .arg(nadikota.dir().join("nadikota.toml"))
        .args(["journal", command, "--json"])
        .env("NADIKOTA__DATA_DIR", nadikota.data_dir())
        .output()
        .expect("nadikota");
    let lines = String::from_utf8(output.stdout).expect("UTF-8");
    let lines = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    (output.status.code(), lines, String::from_utf8_lossy(&output.stderr).into_owned())
}

fn whats(lines: &[Value]) -> Vec<&str> {
    lines.iter().filter_map(|line| line["what"].as_str()).collect()
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = std::fs::read_dir(dir)
        .expect("the journal")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "seg"))
        .collect();
    paths.sort();
    paths
}

#[test]
fn damage_costs_what_it_hit_is_told_everywhere_and_is_repaired() {
    let [listen] = free_addresses();
    let config = format!(
        "time_zone = \"Asia/Jakarta\"\n[broker]\nlisten = \"{listen}\"\n[[destinations]]\nkind = \"embedded\"\n\
         [[routes]]\ntopic = \"a/{{device}}\"\nformat = \"json\"\n"
    );
    let mut nadikota = Nadikota::start_alone(&config);
    poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
    let messages: Vec<_> = (0..200).map(|n| (format!("a/d{}", n % 7), format!(r#"{{"t":{n}}}"#))).collect();
    publish(listen, "devices", &messages);
    city::settled(&nadikota, 200, LIMIT);
    let (code, lines, _) = ask(&nadikota, "verify");
    assert_eq!((code, whats(&lines)), (Some(0), Vec::new()), "beside the service: {lines:?}");
    let (code, _, error) = ask(&nadikota, "repair");
    assert!(code == Some(1) && error.contains("stop"), "{code:?} {error}");
    assert!(nadikota.stop(LIMIT).success(), "{}", nadikota.output());

    // A byte of one message, and both cursors: everything is read again.
    let journal = nadikota.data_dir().join("journal");
    let segment = segments(&journal).remove(0);
    let mut bytes = std::fs::read(&segment).expect("a segment");
    let at = bytes.windows(8).position(|part| part == br#"{"t":77}"#).expect("the message");
    bytes[at + 5] ^= 1;
    std::fs::write(&segment, &bytes).expect("a segment");
    for name in ["cursor", "cursor.prev"] {
        std::fs::write(nadikota.data_dir().join(name), "junk").expect("a cursor");
    }
    let (code, lines, _) = ask(&nadikota, "verify");
    assert_eq!((code, whats(&lines)), (Some(1), vec!["cursor", "damaged", "lost"]), "{lines:?}");
    let lost = lines[2]["numbers"].clone();
    assert_eq!(lost[0], lost[1]);

    nadikota.restart();
    poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
    let account = city::settled(&nadikota, 200, LIMIT);
    assert_eq!(
        (&account["stored"], &account["discarded"]["journal_damage"]),
        (&199.into(), &1.into()),
        "{account}"
    );
    let part = poll_until(LIMIT, "the damage is told", || {
        let part = nadikota.health()?["parts"]["damage"].clone();
        part["reason"].as_str().is_some_and(|reason| reason.contains("1 messages are lost")).then_some(part)
    });
    assert_eq!(part["state"], "degraded");
    assert!(part["reason"].as_str().is_some_and(|reason| reason.contains(&lost[0].to_string())), "{part}");
    assert_eq!(nadikota.health().expect("health")["balances"], true);
    let metrics = http::get(nadikota.http(), "/metrics").expect("metrics").body;
    assert!(metrics.contains("nadikota_journal_lost_messages 1"), "{metrics}");
    let aside = journal.join("damaged");
    assert_eq!(std::fs::read(aside.join("cursor")).expect("the cursor"), b"junk");

    assert!(nadikota.stop(LIMIT).success(), "{}", nadikota.output());
    let (code, lines, error) = ask(&nadikota, "repair");
    assert_eq!((code, lines.len()), (Some(0), 1), "{error}");
    assert_eq!((&lines[0]["records"], segment.exists()), (&199.into(), false));
    let (_, lines, _) = ask(&nadikota, "verify");
    assert_eq!(whats(&lines), ["lost"]);
    nadikota.restart();
    poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
    publish(listen, "devices", &messages[..10]);
    city::settled(&nadikota, 210, LIMIT);
    // A human has seen it.
    std::fs::remove_dir_all(&aside).expect("what is set aside");
    poll_until(LIMIT, "nothing is told any more", || {
        (nadikota.health()?["parts"]["damage"]["state"] == "ok").then_some(())
    });
    assert!(nadikota.stop(LIMIT).success(), "{}", nadikota.output());
}
