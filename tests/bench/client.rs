//! The reference: a bare client that acknowledges and does nothing else, as a process of its own.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{AsyncClient, Event, MqttOptions};

use super::support::mosquitto::Mosquitto;

const LIMIT: Duration = Duration::from_secs(600);

/// Wall and CPU seconds from the first publish to the last acknowledgement.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    pub seconds: f64,
    pub cpu: f64,
}

/// When a message is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acknowledge {
    /// By the client itself as it reads: those of one read leave together.
    AtOnce,
    /// By us, who have seen it. The client writes each of these to the connection by itself, and whoever
    /// acknowledges what is on disk can have no other.
    Later,
}

/// Drains the session `id` of `count` messages in another process.
pub fn drain(broker: SocketAddr, id: &str, count: u64, acknowledge: Acknowledge) -> Cost {
    let program = std::env::current_exe().expect("our own path");
    let when = if acknowledge == Acknowledge::Later { "later" } else { "at once" };
    let output = Command::new(program)
        .args(["client", &broker.to_string(), id, &count.to_string(), when])
        .stderr(Stdio::inherit())
        .output()
        .expect("the bare client");
    let text = String::from_utf8_lossy(&output.stdout);
    let mut figures = text.split_whitespace().map(|figure| figure.parse::<f64>().expect("a figure"));
    Cost { seconds: figures.next().expect("seconds"), cpu: figures.next().expect("seconds of CPU") }
}

/// Drains the session `id` with a `mosquitto_sub` that prints nothing: what a client of C costs.
pub fn drain_by_mosquitto_sub(broker: &Mosquitto, id: &str, count: u64) -> Cost {
    let begin = Instant::now();
    let mut child = broker
        .client("mosquitto_sub")
        .args(["-c", "-V", "5", "-x", "3600", "-q", "1", "-i", id, "-t", "bench/+/+/+/air"])
        .args(["-C", &count.to_string(), "-F", ""])
        .stdout(Stdio::null())
        .spawn()
        .expect("mosquitto_sub");
    // Its CPU time can be read until it is waited for.
    let stat = format!("/proc/{}/stat", child.id());
    let ended = || std::fs::read_to_string(&stat).expect("our own child").contains(") Z ");
    while !ended() {
        assert!(begin.elapsed() < LIMIT, "it does not end");
        std::thread::sleep(Duration::from_millis(1));
    }
    let cost = Cost { seconds: begin.elapsed().as_secs_f64(), cpu: super::memory::cpu(child.id()) };
    assert!(child.wait().expect("its end").success());
    cost
}

/// The other process.
pub fn run(arguments: &[String]) {
    let broker: SocketAddr = arguments[0].parse().expect("an address");
    let count: u64 = arguments[2].parse().expect("a count");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut options = MqttOptions::new(&arguments[1], broker.ip().to_string(), broker.port());
        options.set_clean_start(false);
        options.set_session_expiry_interval(Some(3600));
        options.set_receive_maximum(Some(1000));
        options.set_keep_alive(Duration::from_secs(30));
        let later = arguments[3] == "later";
        options.set_manual_acks(later);
        let (client, mut events) = AsyncClient::new(options, 1000);
        let (mut received, mut begin, mut cpu) = (0, Instant::now(), 0.0);
        let mut seen = VecDeque::new();
        while received < count {
            if let Event::Incoming(Packet::Publish(publish)) = events.poll().await.expect("the broker stays")
            {
                seen.extend(later.then_some(publish));
                // The client takes no more than its channel holds; the broker may send far more.
                while seen.front().is_some_and(|publish| client.try_ack(publish).is_ok()) {
                    seen.pop_front();
                }
                if received == 0 {
                    (begin, cpu) = (Instant::now(), super::memory::cpu(std::process::id()));
                }
                received += 1;
            }
        }
        println!("{} {}", begin.elapsed().as_secs_f64(), super::memory::cpu(std::process::id()) - cpu);
    });
}
