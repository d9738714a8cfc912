//! For unit tests: waiting without a guessed sleep, a real proof of durability, a disk in memory.

pub(crate) mod crash;
pub(crate) mod memory_disk;
mod storage;

use std::time::{Duration, Instant};

/// Looks until there is an answer, for at most ten seconds.
pub(crate) async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "it did not happen in time: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// A proof from a journal of its own.
pub(crate) async fn durable() -> crate::journal::Durable {
    let dir = tempfile::tempdir().unwrap();
    let clock = crate::clock::Clock::System;
    let part = crate::status::Board::new(clock.clone()).part("journal");
    let disk = std::sync::Arc::new(crate::journal::disk::RealDisk);
    let config = crate::journal::Config { min_free: Some(0), ..Default::default() };
    let (journal, writer, _) = crate::journal::open(dir.path(), &config, disk, clock, 1, part).unwrap();
    let thread = std::thread::spawn(move || writer.run());
    let message = crate::message::Message {
        topic: "t".into(),
        payload: "1".into(),
        qos: 1,
        retain: false,
        dup: false,
        source: 0,
        session: 1,
        packet_id: 1,
        redelivery_of: None,
    };
    let proof = journal.append(message).await.unwrap();
    drop(journal);
    thread.join().unwrap();
    proof
}
