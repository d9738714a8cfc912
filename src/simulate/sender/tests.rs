//! A broker that breaks off: what has no PUBACK is sent again first, in order, and nothing else is.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::mqtt::{Transport, Version};

#[test]
fn the_allowance_follows_the_rate() {
    assert_eq!(allowance(Duration::ZERO, 200), 1);
    assert_eq!(allowance(Duration::from_secs(3), 200), 601);
    assert_eq!(allowance(Duration::MAX, u32::MAX), u64::MAX);
}

fn options(port: u16) -> Options {
    Options {
        version: Version::V3,
        host: "127.0.0.1".to_owned(),
        port,
        transport: Transport::default(),
        client_id: "city".to_owned(),
        login: None,
        keep_alive: Duration::from_secs(30),
        session_expiry: Duration::ZERO,
        receive_maximum: 20,
        max_packet: 1_048_576,
        filters: Vec::new(),
        stale: Vec::new(),
    }
}

/// The next packet: its first byte and what follows the length. Nothing at the end of the connection.
async fn packet(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let first = stream.read_u8().await.ok()?;
    let (mut length, mut shift) = (0_usize, 0);
    loop {
        let byte = stream.read_u8().await.ok()?;
        length |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some((first, body))
}

/// Serves one connection: sees so many publishes, acknowledges the first few of them, and breaks off.
async fn serve(listener: &TcpListener, sees: usize, acknowledges: usize) -> Vec<Vec<u8>> {
    let (mut stream, _) = listener.accept().await.unwrap();
    let (connect, _) = packet(&mut stream).await.unwrap();
    assert_eq!(connect >> 4, 1);
    stream.write_all(&[0x20, 2, 0, 0]).await.unwrap();
    let mut payloads = Vec::new();
    while payloads.len() < sees {
        let Some((first, body)) = packet(&mut stream).await else { break };
        if first >> 4 != 3 {
            continue;
        }
        let topic = usize::from(u16::from_be_bytes([body[0], body[1]]));
        let id = &body[2 + topic..4 + topic];
        if payloads.len() < acknowledges {
            stream.write_all(&[0x40, 2, id[0], id[1]]).await.unwrap();
        }
        payloads.push(body[4 + topic..].to_vec());
    }
    // Let the client read what was answered before the end.
    stream.shutdown().await.unwrap();
    while packet(&mut stream).await.is_some() {}
    payloads
}

#[tokio::test]
async fn what_has_no_puback_is_sent_again_first_and_in_order() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let broker = tokio::spawn(async move {
        let first = serve(&listener, 10, 4).await;
        let second = serve(&listener, 6, 3).await;
        (first, second, serve(&listener, usize::MAX, usize::MAX).await)
    });
    let mut city = crate::simulate::city::tests::city(crate::simulate::Options::default());
    let plan = Plan { rate: None, count: Some(30), window: 10, patience: Duration::from_secs(10) };
    let (mut payloads, mut again, mut acknowledged, mut breaks) = (Vec::new(), Vec::new(), Vec::new(), 0);
    let tell = |happening: Happening<'_>| match happening {
        Happening::Sent(publish) => payloads.push(publish.payload.clone()),
        Happening::SentAgain(ticket) => again.push(ticket),
        Happening::Acknowledged(ticket) => acknowledged.push(ticket),
        Happening::Broken(_) => breaks += 1,
        Happening::Connected => {}
    };
    let (clock, stop) = (Clock::System, CancellationToken::new());
    run(|now| city.next(now), &options(port), plan, Break::Resend, &clock, &stop, tell).await.unwrap();
    let (first, second, third) = broker.await.unwrap();
    assert_eq!((payloads.len(), breaks), (30, 2));
    acknowledged.sort_unstable();
    assert_eq!(acknowledged, Vec::from_iter(0..30), "each is acknowledged once");
    assert_eq!(first, payloads[..10]);
    // The first connection left 4 and later open, the second one 7 and later.
    assert_eq!(second, payloads[4..10]);
    assert_eq!(third[..6], payloads[7..13]);
    assert!((4..7).all(|ticket| again.contains(&ticket)), "{again:?}");
    assert!(again.iter().all(|ticket| *ticket >= 4), "what was acknowledged is never sent again: {again:?}");
}

#[tokio::test]
async fn a_broker_that_was_never_there_is_an_error() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut city = crate::simulate::city::tests::city(crate::simulate::Options::default());
    let (clock, stop) = (Clock::System, CancellationToken::new());
    let plan = Plan::default();
    let ended = run(|now| city.next(now), &options(port), plan, Break::Resend, &clock, &stop, |_| {}).await;
    assert!(ended.unwrap_err().to_string().contains("refused"));
}
