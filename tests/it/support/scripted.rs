//! A scripted HTTP server: answers as InfluxDB 2 or 3 does, where the real one is not at hand.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// One request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    /// Method and path with its query.
    pub line: String,
    pub token: String,
    pub body: String,
}

type Script = dyn Fn(&Request) -> (u16, String) + Send + Sync;

#[derive(Debug)]
pub struct Scripted {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Scripted {
    /// Answers each request by `script`, until the test's process ends.
    pub fn start(script: impl Fn(&Request) -> (u16, String) + Send + Sync + 'static) -> Self {
        Self::of_version("v2.7.11", script)
    }

    /// The same, with the version that it tells.
    pub fn of_version(
        version: &'static str,
        script: impl Fn(&Request) -> (u16, String) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::<Mutex<Vec<Request>>>::default();
        let (script, noted): (Arc<Script>, _) = (Arc::new(script), Arc::clone(&seen));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, noted) = (Arc::clone(&script), Arc::clone(&noted));
                std::thread::spawn(move || serve(stream, version, &*script, &noted));
            }
        });
        Self { address, seen }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn seen(&self) -> Vec<Request> {
        self.seen.lock().expect("no panic in the server").clone()
    }
}

/// One request for each connection; a client that is gone is no concern of the server.
fn serve(mut stream: TcpStream, version: &str, script: &Script, seen: &Mutex<Vec<Request>>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let (mut length, mut token) = (0_usize, String::new());
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok()?,
            "authorization" => value.trim().clone_into(&mut token),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let request = Request {
        line: line.trim().trim_end_matches(" HTTP/1.1").to_owned(),
        token,
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    let (status, body) = script(&request);
    let told = status == 204 || (status == 200 && request.line.starts_with("GET /ping"));
    let version = if told { format!("X-Influxdb-Version: {version}\r\n") } else { String::new() };
    seen.lock().ok()?.push(request);
    let length = if status == 204 { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let answer = format!("HTTP/1.1 {status} X\r\n{version}{length}Connection: close\r\n\r\n{body}");
    stream.write_all(answer.as_bytes()).ok()
}
