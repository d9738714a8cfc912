//! A database that takes everything: reads each request and answers 204, at once or after a while.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[derive(Debug, Clone)]
pub struct Sink {
    pub address: SocketAddr,
    pub requests: Arc<AtomicU64>,
}

impl Sink {
    /// Serves until the process ends.
    pub fn start(wait: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let sink = Self { address: listener.local_addr().expect("an address"), requests: Arc::default() };
        let requests = Arc::clone(&sink.requests);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let requests = Arc::clone(&requests);
                std::thread::spawn(move || serve(stream, wait, &requests));
            }
        });
        sink
    }
}

fn serve(mut stream: TcpStream, wait: Duration, requests: &AtomicU64) {
    let (mut held, mut chunk) = (Vec::new(), vec![0; 1 << 16]);
    loop {
        let head = loop {
            if let Some(at) = held.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            match stream.read(&mut chunk) {
                Ok(0) | Err(_) => return,
                Ok(read) => held.extend_from_slice(&chunk[..read]),
            }
        };
        let text = String::from_utf8_lossy(&held[..head]).to_ascii_lowercase();
        let length = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
        let end = head + length.unwrap_or(0_usize);
        while held.len() < end {
            match stream.read(&mut chunk) {
                Ok(0) | Err(_) => return,
                Ok(read) => held.extend_from_slice(&chunk[..read]),
            }
        }
        held.drain(..end);
        std::thread::sleep(wait);
        requests.fetch_add(1, Ordering::Relaxed);
        if stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").is_err() {
            return;
        }
    }
}
