//! A database that answers what the test says, and counts what it was sent.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

/// Answers every write with one status; uncompressed bodies only.
pub struct Counting {
    address: SocketAddr,
    status: Arc<AtomicU16>,
    lines: Arc<AtomicUsize>,
}

impl Counting {
    pub fn start(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let (status, lines) = (Arc::new(AtomicU16::new(status)), Arc::<AtomicUsize>::default());
        let (answer, count) = (Arc::clone(&status), Arc::clone(&lines));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, count) = (Arc::clone(&answer), Arc::clone(&count));
                std::thread::spawn(move || serve(stream, &answer, &count));
            }
        });
        Self { address, status, lines }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn answer(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// Lines in all requests that were answered with success.
    pub fn stored_lines(&self) -> usize {
        self.lines.load(Ordering::SeqCst)
    }
}

fn serve(stream: TcpStream, status: &AtomicU16, lines: &AtomicUsize) -> Option<()> {
    let mut writer = stream.try_clone().ok()?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let status = status.load(Ordering::SeqCst);
        if status == 204 {
            lines.fetch_add(body.iter().filter(|byte| **byte == b'\n').count(), Ordering::SeqCst);
        }
        write!(writer, "HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n").ok()?;
    }
}
