//! A database that answers what the test says, and counts what it was sent; over TLS where it has a certificate.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::certificates::Pair;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

/// Answers every write with one status; uncompressed bodies only.
pub struct Counting {
    address: SocketAddr,
    status: Arc<AtomicU16>,
    lines: Arc<AtomicUsize>,
    tls: Option<Arc<Mutex<Arc<ServerConfig>>>>,
}

impl Counting {
    pub fn start(status: u16) -> Self {
        Self::begin(status, None)
    }

    /// The same over TLS, with this certificate.
    pub fn start_secure(status: u16, pair: &Pair) -> Self {
        Self::begin(status, Some(Arc::new(Mutex::new(server(pair)))))
    }

    /// Another certificate from now on.
    pub fn show(&self, pair: &Pair) {
        let tls = self.tls.as_ref().expect("TLS from the beginning");
        *tls.lock().expect("no panic") = server(pair);
    }

    fn begin(status: u16, tls: Option<Arc<Mutex<Arc<ServerConfig>>>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let (status, lines) = (Arc::new(AtomicU16::new(status)), Arc::<AtomicUsize>::default());
        let (answer, count, shown) = (Arc::clone(&status), Arc::clone(&lines), tls.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, count) = (Arc::clone(&answer), Arc::clone(&count));
                let shown = shown.as_ref().map(|tls| Arc::clone(&tls.lock().expect("no panic")));
                std::thread::spawn(move || match shown {
                    None => serve(stream, &answer, &count),
                    Some(tls) => {
                        let tls = ServerConnection::new(tls).expect("a sound configuration");
                        serve(StreamOwned::new(tls, stream), &answer, &count)
                    }
                });
            }
        });
        Self { address, status, lines, tls }
    }

    pub fn url(&self) -> String {
        match self.tls {
            None => format!("http://{}", self.address),
            Some(_) => format!("https://localhost:{}", self.address.port()),
        }
    }

    pub fn answer(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// Lines in all requests that were answered with success.
    pub fn stored_lines(&self) -> usize {
        self.lines.load(Ordering::SeqCst)
    }
}

fn server(pair: &Pair) -> Arc<ServerConfig> {
    let certificate = CertificateDer::from_pem_file(&pair.certificate).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(&pair.key).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions of TLS")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key);
    Arc::new(config.expect("a certificate with its key"))
}

fn serve(stream: impl Read + Write, status: &AtomicU16, lines: &AtomicUsize) -> Option<()> {
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
        write!(reader.get_mut(), "HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n").ok()?;
        reader.get_mut().flush().ok()?;
    }
}
