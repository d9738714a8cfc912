//! Asking a running service: the little HTTP that commands on the same machine need.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longer than any healthy answer takes, shorter than container health checks wait.
const TIMEOUT: Duration = Duration::from_secs(3);
const LARGEST_ANSWER: u64 = 1 << 20;

/// Status and body of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error("no nadikota answers on {address}")]
    Unreachable { address: SocketAddr, source: io::Error },
    #[error("{address} did not answer within {} s", TIMEOUT.as_secs())]
    TooSlow { address: SocketAddr },
    #[error("{address} answered something that is not HTTP")]
    NotHttp { address: SocketAddr },
}

/// GETs `path`. An address such as 0.0.0.0, which one can only listen on, is asked by loopback.
pub async fn ask(address: SocketAddr, path: &str, token: Option<&str>) -> Result<Answer, AskError> {
    send(address, "GET", path, token, "").await
}

/// The same with another method, and a body of JSON.
pub async fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    token: Option<&str>,
    body: &str,
) -> Result<Answer, AskError> {
    let address = reachable(address);
    let login = token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.0\r\nHost: {address}\r\n{login}Content-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    );
    let bytes = tokio::time::timeout(TIMEOUT, exchange(address, &request))
        .await
        .map_err(|_| AskError::TooSlow { address })?
        .map_err(|source| AskError::Unreachable { address, source })?;
    parse(&bytes).ok_or(AskError::NotHttp { address })
}

fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

/// HTTP/1.0, so that the answer ends with the connection and is never chunked.
async fn exchange(address: SocketAddr, request: &str) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut bytes = Vec::new();
    stream.take(LARGEST_ANSWER).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

fn parse(bytes: &[u8]) -> Option<Answer> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut words = head.lines().next()?.split_whitespace();
    if !words.next()?.starts_with("HTTP/1.") {
        return None;
    }
    Some(Answer { status: words.next()?.parse().ok()?, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_not_http_is_said_to_be_not_http() {
        for wrong in
            [&b""[..], b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"\xff\r\n\r\n"]
        {
            assert_eq!(parse(wrong), None);
        }
        let answer = parse(b"HTTP/1.0 503 Service Unavailable\r\nA: b\r\n\r\nnot ready\n").unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (503, "not ready\n"));
    }

    #[test]
    fn an_address_for_listening_is_asked_by_loopback() {
        assert_eq!(reachable("0.0.0.0:8080".parse().unwrap()).to_string(), "127.0.0.1:8080");
        assert_eq!(reachable("[::]:8080".parse().unwrap()).to_string(), "[::1]:8080");
    }
}
