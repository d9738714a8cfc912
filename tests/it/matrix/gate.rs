//! The gate before the database: hands requests on, or answers as a database in trouble does.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Pass,
    /// Answered late, within the client's patience.
    Slow,
    /// Never answered; every second one is stored all the same.
    Hang,
    /// Reset while its body is on the way.
    ResetInBody,
    /// Stored, and the answer ends in its middle.
    HalfAnswer,
    /// Most are answered 429, 500 or 503, some of them with Retry-After.
    Storm,
    /// Answered with this status.
    Status(u16),
    /// Connections are closed as they come.
    Away,
}

#[derive(Debug)]
struct State {
    database: SocketAddr,
    mode: Mutex<Mode>,
    struck: AtomicU64,
}

#[derive(Debug)]
pub struct Gate {
    address: SocketAddr,
    state: Arc<State>,
}

impl Gate {
    pub fn start(database: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let state = Arc::new(State { database, mode: Mutex::new(Mode::Pass), struck: AtomicU64::new(0) });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                // A client that is gone is no concern of the gate.
                std::thread::spawn(move || drop(state.serve(client)));
            }
        });
        Self { address, state }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sets what becomes of requests and begins to count anew.
    pub fn set(&self, mode: Mode) {
        *self.state.mode.lock().expect("no panic") = mode;
        self.state.struck.store(0, Ordering::SeqCst);
    }

    /// Requests that were not simply handed on since the mode was set.
    pub fn struck(&self) -> u64 {
        self.state.struck.load(Ordering::SeqCst)
    }
}

impl State {
    fn mode(&self) -> Mode {
        *self.mode.lock().expect("no panic")
    }

    fn serve(&self, mut client: TcpStream) -> io::Result<()> {
        loop {
            let head = head(&mut client)?;
            let length = length(&head)?;
            let mode = self.mode();
            let count = if mode == Mode::Pass { 0 } else { self.struck.fetch_add(1, Ordering::SeqCst) };
            let mut body = vec![0; if mode == Mode::ResetInBody { length / 2 } else { length }];
            client.read_exact(&mut body)?;
            match mode {
                // Closed with bytes unread, which is a reset.
                Mode::ResetInBody | Mode::Away => return Ok(()),
                Mode::Pass => {
                    let answer = self.ask(&head, &body)?;
                    client.write_all(&answer)?;
                    return Ok(());
                }
                Mode::Slow => {
                    std::thread::sleep(Duration::from_millis(300));
                    let answer = self.ask(&head, &body)?;
                    client.write_all(&answer)?;
                    return Ok(());
                }
                Mode::Hang => {
                    if count % 2 == 0 {
                        self.ask(&head, &body)?;
                    }
                    // Its end is the client's giving up.
                    return client.read(&mut [0]).map(drop);
                }
                Mode::HalfAnswer => {
                    let answer = self.ask(&head, &body)?;
                    return client.write_all(&answer[..answer.len() / 2]);
                }
                Mode::Storm => match count % 5 {
                    0 => answer(&mut client, 503, "Retry-After: 1\r\n", "overloaded")?,
                    1 => answer(&mut client, 429, "", "too many requests")?,
                    2 => answer(&mut client, 500, "", "internal error")?,
                    3 => answer(&mut client, 429, "Retry-After: 1\r\n", "too many requests")?,
                    _ => {
                        let answer = self.ask(&head, &body)?;
                        return client.write_all(&answer);
                    }
                },
                Mode::Status(status) => answer(&mut client, status, "", "not now")?,
            }
        }
    }

    /// Asks the database over a connection of its own and gives its whole answer.
    fn ask(&self, head: &str, body: &[u8]) -> io::Result<Vec<u8>> {
        let mut database = TcpStream::connect(self.database)?;
        let kept = head.lines().filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
        let head: String = kept.flat_map(|line| [line, "\r\n"]).collect();
        database.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes())?;
        database.write_all(body)?;
        let mut answer = Vec::new();
        database.read_to_end(&mut answer)?;
        if answer.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(answer) }
    }
}

fn answer(client: &mut TcpStream, status: u16, headers: &str, why: &str) -> io::Result<()> {
    let body = format!("{{\"error\":\"{why}\"}}");
    let length = body.len();
    write!(client, "HTTP/1.1 {status} X\r\n{headers}Content-Length: {length}\r\n\r\n{body}")
}

/// Byte by byte, so that nothing of the body is taken. Without the empty line at its end.
fn head(client: &mut TcpStream) -> io::Result<String> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte)?;
        head.extend_from_slice(&byte);
    }
    head.truncate(head.len() - 4);
    String::from_utf8(head).map_err(io::Error::other)
}

fn length(head: &str) -> io::Result<usize> {
    let header = head.lines().filter_map(|line| line.split_once(':'));
    let mut lengths = header.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    lengths.next().map_or(Ok(0), |(_, value)| value.trim().parse().map_err(io::Error::other))
}
