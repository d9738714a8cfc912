//! Waiting for something to become true, with a deadline that names what was waited for.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// How long a server may take to start on a busy machine.
pub const START: Duration = Duration::from_secs(30);

const INTERVAL: Duration = Duration::from_millis(20);

/// Asks `probe` again and again until it answers; nothing once `limit` has passed.
pub fn within<T>(limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let begin = Instant::now();
    loop {
        let found = probe();
        if found.is_some() || begin.elapsed() >= limit {
            return found;
        }
        std::thread::sleep(INTERVAL);
    }
}

/// The same; panics with `what` once `limit` has passed.
pub fn poll_until<T>(limit: Duration, what: &str, probe: impl FnMut() -> Option<T>) -> T {
    within(limit, probe).unwrap_or_else(|| panic!("after {limit:?}, still not: {what}"))
}

/// The same without holding the thread, for what runs beside.
pub async fn poll_beside(limit: Duration, what: &str, mut done: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < limit, "after {limit:?}, still not: {what}");
        tokio::time::sleep(INTERVAL).await;
    }
}

/// The same for what takes its time: the limit begins anew whenever the number that `probe` gives beside changes.
pub fn poll_while_it_moves<T>(limit: Duration, what: &str, mut probe: impl FnMut() -> (u64, Option<T>)) -> T {
    let mut last = (Instant::now(), u64::MAX);
    loop {
        let (number, found) = probe();
        if let Some(found) = found {
            return found;
        }
        if number != last.1 {
            last = (Instant::now(), number);
        }
        assert!(last.0.elapsed() < limit, "nothing has moved for {limit:?}, and still not: {what}");
        std::thread::sleep(INTERVAL);
    }
}

/// Loopback addresses nobody listened on a moment ago, all different because all were held at once.
pub fn free_addresses<const N: usize>() -> [SocketAddr; N] {
    let held: [TcpListener; N] =
        std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    held.each_ref().map(|listener| listener.local_addr().expect("an address"))
}

pub fn accepts(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
}
