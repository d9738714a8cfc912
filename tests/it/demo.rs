//! The demo: one command, no set-up, and books that are checked.

use std::process::Command;

use serde_json::Value;

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
