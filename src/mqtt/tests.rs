//! The adaptor against a real Mosquitto: publishes larger than 10 KB, PUBACKs, and a link that dies.

use std::io::Write;
use std::process::{Child, Command};

use super::*;

struct Mosquitto(Child, u16);

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn mosquitto() -> Mosquitto {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mosquitto.conf");
    let mut file = std::fs::File::create(&path).unwrap();
    writeln!(file, "listener {port} 127.0.0.1\nallow_anonymous true").unwrap();
    let child = Command::new("/usr/sbin/mosquitto").arg("-c").arg(&path).spawn().unwrap();
    until_up(port);
    Mosquitto(child, port)
}

/// The configuration is read by the time the port answers, so its directory may go.
fn until_up(port: u16) {
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(std::time::Instant::now() < deadline, "mosquitto does not answer");
        std::thread::yield_now();
    }
}

fn options(version: Version, port: u16) -> Options {
    Options {
        version,
        host: "127.0.0.1".to_owned(),
        port,
        transport: Transport::default(),
        client_id: "reader".to_owned(),
        login: None,
        keep_alive: Duration::from_secs(5),
        session_expiry: Duration::from_secs(600),
        receive_maximum: 20,
        max_packet: 1_048_576,
        filters: vec!["t/#".to_owned()],
        stale: Vec::new(),
    }
}

/// Polls until `wanted` picks an event; a broker that is still starting is tried again.
async fn until<T>(link: &mut Connection, mut wanted: impl FnMut(&mut Connection, Event) -> Option<T>) -> T {
    let search = async {
        loop {
            let event = link.poll().await;
            if let Some(found) = wanted(link, event) {
                return found;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), search).await.unwrap()
}

async fn a_broken_link(version: Version) {
    let broker = mosquitto();
    let (mut link, acknowledger) = Connection::new(&options(version, broker.1));
    let refused = until(&mut link, |_, event| match event {
        Event::Subscribed { refused, at_most_once } => Some([refused, at_most_once].concat()),
        _ => None,
    })
    .await;
    assert!(refused.is_empty());
    let large = "x".repeat(50_000);
    let sent = Command::new("mosquitto_pub")
        .args(["-p", &broker.1.to_string(), "-q", "1", "-t", "t/1", "-m", &large])
        .status()
        .unwrap();
    assert!(sent.success());
    let publish = |_: &mut Connection, event| match event {
        Event::Publish(publish) => Some(publish),
        _ => None,
    };
    let first = until(&mut link, publish).await;
    assert_eq!((first.payload.len(), first.dup), (50_000, false));
    link.disconnect();
    let proof = crate::testing::durable().await;
    assert!(
        !acknowledger.acknowledge(first.receipt, proof),
        "a receipt of a dead connection acknowledges nothing"
    );
    let again = until(&mut link, publish).await;
    assert!(again.dup && again.packet_id == first.packet_id && again.payload == first.payload);
    assert!(acknowledger.acknowledge(again.receipt, crate::testing::durable().await));
    let written = until(&mut link, |_, event| match event {
        Event::AcksSent(count) => Some(count),
        _ => None,
    })
    .await;
    assert_eq!(written, 1);
}

#[tokio::test]
async fn a_broken_link_brings_the_publish_again_in_mqtt_5() {
    a_broken_link(Version::V5).await;
}

#[tokio::test]
async fn a_broken_link_brings_the_publish_again_in_mqtt_3_1_1() {
    a_broken_link(Version::V3).await;
}

#[tokio::test]
async fn each_puback_names_its_publish() {
    let broker = mosquitto();
    let mut publisher = publish::Publisher::new(&options(Version::V3, broker.1), 20);
    let (mut next, mut acknowledged) = (0_u64, Vec::new());
    let work = async {
        while acknowledged.len() < 500 {
            while next < 500 && publisher.try_publish(next, "t/1", vec![b'0'], false) {
                next += 1;
            }
            acknowledged.extend(publisher.poll().await.unwrap());
        }
    };
    tokio::time::timeout(Duration::from_secs(20), work).await.unwrap();
    acknowledged.sort_unstable();
    assert!(acknowledged.iter().copied().eq(0..500));
    assert_eq!(publisher.outstanding(), 0);
}

#[tokio::test]
async fn what_comes_at_once_is_given_in_portions_and_none_is_left() {
    let broker = mosquitto();
    let (mut link, _acknowledger) = Connection::new(&options(Version::V3, broker.1));
    until(&mut link, |_, event| matches!(event, Event::Subscribed { .. }).then_some(())).await;
    let lines = "x\n".repeat(3000);
    let port = broker.1.to_string();
    let mut sender = Command::new("mosquitto_pub")
        .args(["-p", &port, "-q", "0", "-t", "t/1", "-l"])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    sender.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    assert!(sender.wait().unwrap().success());
    let (mut count, mut most) = (0, 0);
    while count < 3000 {
        let first = until(&mut link, |_, event| matches!(event, Event::Publish(_)).then_some(event)).await;
        let mut events = vec![first];
        link.more(&mut events, 100);
        assert!(events.iter().all(|event| matches!(event, Event::Publish(_))));
        (count, most) = (count + events.len(), most.max(events.len()));
    }
    assert_eq!((count, most), (3000, 100));
}

/// A session that another program left holds a message at QoS 2: it is answered to its end, and does not come again.
async fn a_message_at_qos_2(version: Version) {
    let broker = mosquitto();
    let port = broker.1.to_string();
    let ran = |program: &str, more: &[&str]| {
        let status = Command::new(program).args(["-p", &port, "-q", "2"]).args(more).status();
        assert!(status.unwrap().success(), "{program}");
    };
    let spoken: &[&str] = if version == Version::V5 { &["-V", "5", "-x", "600"] } else { &["-V", "311"] };
    ran("mosquitto_sub", &[spoken, &["-t", "t/#", "-i", "reader", "-c", "-E"]].concat());
    ran("mosquitto_pub", &["-t", "t/1", "-m", "old"]);
    let (mut link, acknowledger) = Connection::new(&options(version, broker.1));
    let publish = |_: &mut Connection, event| match event {
        Event::Publish(publish) => Some(publish),
        _ => None,
    };
    let old = until(&mut link, publish).await;
    assert_eq!((&old.payload[..], old.qos), (&b"old"[..], 2));
    assert!(acknowledger.acknowledge(old.receipt, crate::testing::durable().await));
    until(&mut link, |_, event| matches!(event, Event::AcksSent(1)).then_some(())).await;
    // What follows on the connection comes behind the broker's PUBREL, which is answered on the way.
    ran("mosquitto_pub", &["-t", "t/1", "-m", "new"]);
    assert_eq!(&until(&mut link, publish).await.payload[..], b"new");
    link.disconnect();
    let again = until(&mut link, publish).await;
    assert_eq!((&again.payload[..], again.qos), (&b"new"[..], 1), "only what has no answer comes again");
}

#[tokio::test]
async fn a_message_at_qos_2_of_an_older_session_is_answered_to_its_end_in_mqtt_5() {
    a_message_at_qos_2(Version::V5).await;
}

#[tokio::test]
async fn a_message_at_qos_2_of_an_older_session_is_answered_to_its_end_in_mqtt_3_1_1() {
    a_message_at_qos_2(Version::V3).await;
}

/// Commands are published on the same connection, and with it goes what waits.
async fn commands_are_published(version: Version) {
    let broker = mosquitto();
    let (sender, commands) = mpsc::channel(4);
    let (link, _acknowledger) = Connection::new(&options(version, broker.1));
    let mut link = link.publishing(Some(commands));
    let subscribed = |_: &mut Connection, event| matches!(event, Event::Subscribed { .. }).then_some(());
    until(&mut link, subscribed).await;
    let command = |text: &'static str| {
        sender.try_send(super::Command { topic: "t/1".to_owned(), payload: text.into() })
    };
    command("one").unwrap();
    let publish = |_: &mut Connection, event| match event {
        Event::Publish(publish) => Some((publish.payload, publish.qos, publish.retain)),
        _ => None,
    };
    assert_eq!(until(&mut link, publish).await, ("one".into(), 0, false));
    command("lost").unwrap();
    link.disconnect();
    until(&mut link, subscribed).await;
    command("two").unwrap();
    assert_eq!(until(&mut link, publish).await.0, "two");
}

#[tokio::test]
async fn commands_are_published_in_mqtt_5() {
    commands_are_published(Version::V5).await;
}

#[tokio::test]
async fn commands_are_published_in_mqtt_3_1_1() {
    commands_are_published(Version::V3).await;
}

/// A broker that lets us in and then reads nothing: its window and our socket fill up with PUBACKs, and it is given up.
#[tokio::test]
async fn a_broker_that_takes_no_bytes_is_given_up_and_no_acknowledgement_is_told() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let port = listener.local_addr().unwrap().port();
    let broker = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut kind_and_length = [0; 2];
        stream.read_exact(&mut kind_and_length).await.unwrap();
        let mut connect = vec![0; usize::from(kind_and_length[1])];
        stream.read_exact(&mut connect).await.unwrap();
        stream.write_all(b"\x20\x02\x00\x00").await.unwrap();
        stream
    });
    let keep_alive = Duration::from_secs(60);
    let (mut link, acknowledger) = Connection::new(&Options { keep_alive, ..options(Version::V3, port) });
    until(&mut link, |_, event| matches!(event, Event::Connected { .. }).then_some(())).await;
    let _reads_nothing = broker.await.unwrap();
    // Sixteen megabytes of them: more than any socket holds.
    acknowledger.shared.lock().acks = vec![1; 4 << 20];
    let begin = std::time::Instant::now();
    let (event, took) = until(&mut link, |_, event| Some((event, begin.elapsed()))).await;
    let Event::Disconnected(error) = event else { panic!("{event:?}") };
    assert!(error.contains("takes no bytes"), "{error}");
    assert!(took >= Duration::from_secs(5), "{took:?}");
    assert!(!acknowledger.is_current(&Receipt { epoch: 0, packet_id: 1 }), "what is owed is void");
}
