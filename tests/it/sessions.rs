//! What a broker does with our subscription and session: filters refused and mended, identifiers used again.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use serde_json::Value;

use super::support::nadikota::Nadikota;
use super::support::spoken::{AT_LEAST_ONCE, AT_MOST_ONCE, REFUSED, Session};
use super::support::wait::poll_until;

const LIMIT: Duration = Duration::from_secs(30);

/// Stores what comes on `a/+` and `b/+` in its own store; pings only where it must.
fn start(broker: SocketAddr) -> Nadikota {
    let route = |topic: &str| {
        format!(
            "[[routes]]\ntopic = \"{topic}/{{device}}\"\nformat = \"value\"\nname = \"air_temperature_c\"\n"
        )
    };
    Nadikota::start_alone(&format!(
        "time_zone = \"Asia/Jakarta\"\n[[destinations]]\nkind = \"embedded\"\n\
         [mqtt]\nurl = \"mqtt://{broker}\"\nversion = \"3.1.1\"\nkeep_alive = \"600s\"\n{}{}",
        route("a"),
        route("b"),
    ))
}

fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    (listener, address)
}

/// The part's line once its reason says so.
fn told(nadikota: &Nadikota, state: &str, reason: &str) -> Value {
    poll_until(LIMIT, "the part says so", || {
        let part = nadikota.health()?["parts"]["mqtt"].clone();
        (part["state"] == state && part["reason"].as_str()?.contains(reason)).then_some(part)
    })
}

fn ready(nadikota: &Nadikota) {
    poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
}

/// The account once so many messages have their outcome.
fn settled(nadikota: &Nadikota, received: u64) -> Value {
    poll_until(LIMIT, "every message has its outcome", || {
        let account = nadikota.health()?["account"].clone();
        (account["received"] == received && account["pending"] == 0).then_some(account)
    })
}

#[test]
fn a_filter_that_is_refused_is_asked_for_again_until_the_access_list_is_mended() {
    let (listener, address) = listen();
    let nadikota = start(address);
    let mut broker = Session::begin(&listener, false);
    let (id, filters) = broker.asked();
    assert_eq!(filters, ["a/+", "b/+"]);
    broker.grant(id, &[AT_LEAST_ONCE, REFUSED]);
    let part = told(&nadikota, "not_ready", "b/+");
    assert!(!nadikota.ready() && !part["reason"].as_str().expect("text").contains("a/+"), "{part}");
    broker.publish(1, false, "a/1", "20");
    assert_eq!(broker.acknowledged(), 1, "what is granted comes all the while");
    // Only what is lacking is asked for: kept messages of the rest would come again.
    for code in [REFUSED, AT_LEAST_ONCE] {
        let (id, filters) = broker.asked();
        assert_eq!(filters, ["b/+"]);
        broker.grant(id, &[code]);
    }
    ready(&nadikota);
    broker.publish(2, false, "b/1", "21");
    assert_eq!(broker.acknowledged(), 2);
    assert_eq!(settled(&nadikota, 2)["stored"], 2);
    assert_eq!(nadikota.output().matches("refused the filters").count(), 1, "told once");
}

#[test]
fn a_filter_that_is_granted_at_qos_0_only_is_told_and_asked_for_again() {
    let (listener, address) = listen();
    let nadikota = start(address);
    let mut broker = Session::begin(&listener, false);
    let (id, _) = broker.asked();
    broker.grant(id, &[AT_MOST_ONCE, AT_LEAST_ONCE]);
    told(&nadikota, "degraded", "the filters a/+ at QoS 0 only");
    poll_until(LIMIT, "what comes is taken", || nadikota.ready().then_some(()));
    let (id, filters) = broker.asked();
    assert_eq!(filters, ["a/+"]);
    broker.grant(id, &[AT_LEAST_ONCE]);
    told(&nadikota, "ok", "");
}

#[test]
fn a_new_session_is_remembered_through_a_kill_so_an_equal_message_of_it_is_kept() {
    let (listener, address) = listen();
    let mut nadikota = start(address);
    let mut broker = Session::begin(&listener, false);
    broker.subscribed();
    broker.publish(1, false, "a/1", "55.5");
    // It never answers a ping: whether the PUBACK arrived is not known.
    assert_eq!(broker.acknowledged(), 1);
    drop(broker);
    // It has lost its memory. Its next message is on its way to us when we are killed.
    let mut forgetful = Session::begin(&listener, false);
    forgetful.asked();
    nadikota.kill9();
    nadikota.restart();
    let mut broker = Session::begin(&listener, true);
    broker.subscribed();
    broker.publish(1, true, "a/1", "55.5");
    assert_eq!(broker.acknowledged(), 1);
    let account = settled(&nadikota, 2);
    assert_eq!(
        (&account["stored"], &account["discarded"]["redelivery"]),
        (&2.into(), &Value::Null),
        "{account}"
    );
}

#[test]
fn soon_after_its_puback_an_identifier_may_come_again_with_an_equal_message() {
    let (listener, address) = listen();
    let nadikota = start(address);
    let mut broker = Session::begin(&listener, false);
    broker.subscribed();
    broker.publish(1, false, "a/1", "55.5");
    assert_eq!(broker.acknowledged(), 1);
    // Long before the keep-alive it asks whether that has arrived.
    broker.pinged();
    // Behind this one the answer to the ping has been read.
    broker.publish(2, false, "a/1", "54");
    assert_eq!(broker.acknowledged(), 2);
    drop(broker);
    // The broker has sent another one under the same identifier, which was lost with the connection.
    let mut broker = Session::begin(&listener, true);
    broker.subscribed();
    broker.publish(1, true, "a/1", "55.5");
    broker.publish(2, true, "a/1", "54");
    assert_eq!((broker.acknowledged(), broker.acknowledged()), (1, 2));
    let account = settled(&nadikota, 4);
    let of = (&account["stored"], &account["discarded"]["redelivery"]);
    assert_eq!(of, (&3.into(), &1.into()), "the second one has no proof yet: {account}");
}
