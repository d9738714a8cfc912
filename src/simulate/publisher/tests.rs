//! The publisher keeps its rate, and a real Mosquitto acknowledges the whole city.

use super::*;

/// Ends with the test, also when that panics.
struct Broker(std::process::Child);

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn a_real_broker_acknowledges_the_city() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mosquitto.conf");
    std::fs::write(&path, format!("listener {port} 127.0.0.1\nallow_anonymous true\n")).unwrap();
    let child = std::process::Command::new("/usr/sbin/mosquitto").arg("-c").arg(&path).spawn().unwrap();
    let _broker = Broker(child);
    crate::testing::until("mosquitto answers", || std::net::TcpStream::connect(("127.0.0.1", port)).ok())
        .await;
    let options = Options {
        version: crate::mqtt::Version::V3,
        host: "127.0.0.1".to_owned(),
        port,
        transport: crate::mqtt::Transport::default(),
        client_id: "city".to_owned(),
        login: None,
        keep_alive: Duration::from_secs(5),
        session_expiry: Duration::ZERO,
        receive_maximum: 20,
        max_packet: 1_048_576,
        filters: Vec::new(),
        stale: Vec::new(),
    };
    let mut city = crate::simulate::city::tests::city(crate::simulate::Options::default());
    let (mut log, mut seen) = (Log::default(), 0);
    let plan = Plan { rate: None, count: Some(700), ..Plan::default() };
    let stop = CancellationToken::new();
    run(&mut city, &mut log, &options, plan, &Clock::System, &stop, |_| seen += 1).await.unwrap();
    assert_eq!((log.len(), log.open(), seen), (700, 0, 700));
    assert_eq!(log.outcomes().total(), 700);
}
