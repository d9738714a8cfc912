//! A database to take away: the write endpoint of an InfluxDB 1.x on loopback, over the embedded store.

use std::io::Read as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use flate2::read::GzDecoder;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::batch::Batch;
use crate::clock::Clock;
use crate::sink::LineVerdict;
use crate::sink::embedded::Store;
use crate::status::Board;

/// The only database there is.
pub(super) const NAME: &str = "city";
/// The service writes in two lanes; nobody else has business here.
const CONNECTIONS: usize = 16;
const LARGEST_HEAD: u64 = 16 * 1024;
const LARGEST_BODY: usize = 16 * 1024 * 1024;
const LARGEST_TEXT: u64 = 64 * 1024 * 1024;
/// A connection that says nothing for so long is closed.
const SILENT: Duration = Duration::from_secs(60);

pub(super) struct Database {
    address: SocketAddr,
    store: Arc<Store>,
    serving: Option<(CancellationToken, JoinHandle<()>)>,
}

impl Database {
    /// Serves a store of its own in `dir`.
    pub(super) async fn start(address: SocketAddr, dir: &Path) -> anyhow::Result<Self> {
        let part = Board::new(Clock::System).part("database");
        let store = Store::open(dir, None, Clock::System, part).context("cannot make the demo's database")?;
        let mut database = Self { address, store: Arc::new(store), serving: None };
        database.come_back().await?;
        Ok(database)
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every connection is cut, answers under way with it, and nobody listens any more.
    pub(super) async fn vanish(&mut self) {
        if let Some((stop, serving)) = self.serving.take() {
            stop.cancel();
            let _ = serving.await;
        }
    }

    /// Does nothing where it is there.
    pub(super) async fn come_back(&mut self) -> anyhow::Result<()> {
        if self.serving.is_some() {
            return Ok(());
        }
        let address = self.address;
        let listener =
            TcpListener::bind(address).await.with_context(|| format!("the database: {address}"))?;
        let stop = CancellationToken::new();
        let serving = tokio::spawn(serve(listener, Arc::clone(&self.store), stop.clone()));
        self.serving = Some((stop, serving));
        Ok(())
    }
}

async fn serve(listener: TcpListener, store: Arc<Store>, stop: CancellationToken) {
    // Dropped at the end, and all connections with it: one may have stored what it has not answered yet.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(converse(stream, Arc::clone(&store), stop.clone()));
                }
                // Out of file handles, most likely; asking at once again would only burn the processor.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }
}

/// One connection, request after request. What is no proper request ends it.
async fn converse(stream: TcpStream, store: Arc<Store>, stop: CancellationToken) -> anyhow::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let Some(request) = tokio::time::timeout(SILENT, read(&mut stream)).await?? else { return Ok(()) };
        let (status, body) = answer(request, &store, &stop).await?;
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(head.as_bytes()).await?;
    }
}

struct Request {
    /// Method, path and version.
    line: String,
    gzip: bool,
    body: Vec<u8>,
}

/// The next request; nothing where the connection has ended.
async fn read(stream: &mut (impl AsyncBufRead + Unpin)) -> anyhow::Result<Option<Request>> {
    let mut head = (&mut *stream).take(LARGEST_HEAD);
    let (mut line, mut length, mut gzip) = (String::new(), 0_usize, false);
    if head.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    loop {
        let mut header = String::new();
        ensure!(head.read_line(&mut header).await? > 0, "a request without an end");
        let header = header.trim_end();
        if header.is_empty() {
            break;
        }
        let Some((name, value)) = header.split_once(':') else { bail!("a header without a colon") };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse()?,
            "content-encoding" => gzip = value.trim() == "gzip",
            "transfer-encoding" => bail!("chunks are not understood"),
            _ => {}
        }
    }
    ensure!(length <= LARGEST_BODY, "a body of {length} bytes");
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(Some(Request { line, gzip, body }))
}

/// Status and body, as InfluxDB 1.x would answer.
async fn answer(
    request: Request,
    store: &Store,
    stop: &CancellationToken,
) -> anyhow::Result<(&'static str, String)> {
    let mut words = request.line.split_whitespace();
    let target = words.next().zip(words.next());
    let Some(("POST", path)) = target else { return Ok(("404 Not Found", String::new())) };
    let url = url::Url::parse("http://database/")?.join(path)?;
    let named = url.query_pairs().any(|(key, value)| key == "db" && value == NAME);
    if url.path() != "/write" || !named {
        return Ok(("404 Not Found", r#"{"error":"database not found"}"#.to_owned()));
    }
    let mut text = request.body;
    if request.gzip {
        let mut lines = Vec::new();
        GzDecoder::new(text.as_slice()).take(LARGEST_TEXT).read_to_end(&mut lines)?;
        text = lines;
    }
    let mut batch = Batch::default();
    text.split_inclusive(|byte| *byte == b'\n').for_each(|line| batch.push(line, 0));
    let verdicts = store.deliver(&batch, stop).await?;
    let refused = verdicts.iter().filter(|verdict| **verdict != LineVerdict::Stored).count();
    if refused > 0 {
        let error = format!(r#"{{"error":"partial write: unable to parse lines dropped={refused}"}}"#);
        return Ok(("400 Bad Request", error));
    }
    Ok(("204 No Content", String::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(request: &[u8], expected: Option<(&str, usize)>) {
        let read = read(&mut BufReader::new(request)).await;
        match expected {
            Some((path, length)) => {
                let request = read.unwrap().unwrap();
                assert!(request.line.contains(path));
                assert_eq!(request.body.len(), length);
            }
            None => assert!(read.is_err() || read.unwrap().is_none()),
        }
    }

    #[tokio::test]
    async fn requests_are_read_and_what_is_none_is_refused() {
        check(b"POST /write HTTP/1.1\r\ncontent-LENGTH: 3\r\n\r\nabc", Some(("/write", 3))).await;
        check(b"GET /ping HTTP/1.1\r\n\r\n", Some(("/ping", 0))).await;
        check(b"", None).await;
        check(b"POST /write HTTP/1.1\r\nContent-Length: 4\r\n\r\nabc", None).await;
        check(b"POST /write HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", None).await;
        check(b"POST /write HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", None).await;
        check(b"POST /write HTTP/1.1\r\nno colon\r\n\r\n", None).await;
        check(&vec![b'a'; 100_000], None).await;
    }

    #[tokio::test]
    async fn it_vanishes_and_comes_back_on_the_same_port_with_what_it_had() {
        let dir = tempfile::tempdir().unwrap();
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut database = Database::start(address, dir.path()).await.unwrap();
        let write = |line: &'static str| async move {
            let mut stream = TcpStream::connect(address).await.ok()?;
            let head = format!("POST /write?db=city HTTP/1.1\r\nContent-Length: {}\r\n\r\n", line.len());
            stream.write_all(head.as_bytes()).await.ok()?;
            stream.write_all(line.as_bytes()).await.ok()?;
            let mut answer = String::new();
            BufReader::new(stream).read_line(&mut answer).await.ok()?;
            Some(answer)
        };
        assert!(write("noise,device=a laeq_dba=55.5 1\n").await.unwrap().contains("204"));
        assert!(write("not a line\n").await.unwrap().contains("400"));
        database.vanish().await;
        assert_eq!(write("noise,device=a laeq_dba=56.5 2\n").await, None);
        database.come_back().await.unwrap();
        assert!(write("noise,device=a laeq_dba=57.5 3\n").await.unwrap().contains("204"));
        assert_eq!(crate::sink::embedded::Reader::open(dir.path()).unwrap().count().unwrap(), 2);
    }
}
