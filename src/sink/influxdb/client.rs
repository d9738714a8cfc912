//! The client: one request to the write endpoint of InfluxDB 1.x, 2.x or 3, and its bounded answer.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use std::io::Write as _;
use tokio::sync::Semaphore;

use super::super::config::{Influx, Login};
use crate::secret::Secret;

/// No more of an answer is read. InfluxDB 3 repeats every line that it refuses.
pub(super) const MAX_ANSWER: usize = 4 * 1024 * 1024;

/// A file of a token or password is waited for no longer.
const READ_WITHIN: Duration = Duration::from_secs(5);
/// So many reads of it may hang, each on a thread of its own.
const READS: usize = 4;

/// A database to write to.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    influx: Influx,
    /// What is sent now; `influx` holds what it was at the start.
    login: RwLock<Login>,
    /// Reads of the file that may be begun.
    reads: Arc<Semaphore>,
    read_within: Duration,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) retry_after: Option<String>,
    pub(super) body: String,
}

impl Client {
    pub(super) fn new(config: &Influx) -> Result<Self, reqwest::Error> {
        let http = builder(config.timeout).build()?;
        let (login, reads) = (RwLock::new(config.login.clone()), Arc::new(Semaphore::new(READS)));
        Ok(Self { http, login, reads, read_within: READ_WITHIN, influx: config.clone() })
    }

    /// The file that token or password came from.
    pub(super) const fn secret_file(&self) -> Option<&PathBuf> {
        self.influx.secret_file.as_ref()
    }

    /// Reads token or password again, which may have been changed. True where it is another one now.
    pub(super) async fn renew_login(&self) -> Result<bool, String> {
        let Some(file) = self.influx.secret_file.clone() else { return Ok(false) };
        let hangs = || "it does not answer: look after its file system".to_owned();
        let reads = Arc::clone(&self.reads);
        let read = async {
            let permit = reads.acquire_owned().await.map_err(|error| error.to_string())?;
            let read = tokio::task::spawn_blocking(move || {
                let read = Secret::read(&file);
                drop(permit);
                read
            });
            read.await.map_err(|error| error.to_string()).and_then(|read| read)
        };
        let secret = tokio::time::timeout(self.read_within, read).await.map_err(|_| hangs())??;
        let mut login = self.login.write().unwrap_or_else(PoisonError::into_inner);
        let held = match &mut *login {
            Login::None => return Ok(false),
            Login::Token(held) | Login::Password { password: held, .. } => held,
        };
        let changed = *held != secret;
        *held = secret;
        Ok(changed)
    }

    /// Sends lines to a bucket once. An error is a connection that failed or took too long.
    pub(super) async fn write(&self, bucket: &str, lines: &[u8]) -> Result<Answer, String> {
        let request = self.http.post(self.influx.write_url(bucket));
        let mut request = request.header(CONTENT_TYPE, "text/plain; charset=utf-8");
        request = with_login(request, &self.login.read().unwrap_or_else(PoisonError::into_inner));
        let body = if self.influx.gzip {
            request = request.header(CONTENT_ENCODING, "gzip");
            let mut gzip = GzEncoder::new(Vec::with_capacity(lines.len() / 4), Compression::fast());
            gzip.write_all(lines).and_then(|()| gzip.finish()).map_err(|error| error.to_string())?
        } else {
            lines.to_vec()
        };
        let response = request.body(body).send().await.map_err(|error| told(&error))?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get(RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok()).map(ToOwned::to_owned);
        let body = read(response, MAX_ANSWER).await.map_err(|error| told(&error))?;
        Ok(Answer { status, retry_after, body })
    }
}

/// How every client of ours begins.
pub(super) fn builder(timeout: Duration) -> reqwest::ClientBuilder {
    // A second installation by another client of the process is harmless.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(5))
        .timeout(timeout)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("nadikota/", env!("CARGO_PKG_VERSION")))
}

pub(super) fn with_login(request: reqwest::RequestBuilder, login: &Login) -> reqwest::RequestBuilder {
    match login {
        Login::None => request,
        Login::Token(token) => request.header("Authorization", format!("Token {}", token.reveal())),
        Login::Password { user, password } => request.basic_auth(user, Some(password.reveal())),
    }
}

/// The body, up to a number of bytes.
pub(super) async fn read(mut response: reqwest::Response, most: usize) -> Result<String, reqwest::Error> {
    let mut body = Vec::new();
    while body.len() < most {
        match response.chunk().await? {
            Some(chunk) => body.extend_from_slice(&chunk),
            None => break,
        }
    }
    body.truncate(most);
    Ok(String::from_utf8_lossy(&body).into_owned())
}

/// The innermost cause says what happened; the URL in the outer ones may hold a password.
pub(super) fn told(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    if error.is_timeout() { "no answer in time".to_owned() } else { cause.to_string() }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;

    use super::*;
    use crate::sink::{Place, Template};

    #[tokio::test]
    async fn a_file_of_a_token_that_does_not_answer_is_given_up_in_time_and_holds_few_threads() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
        let mut client = Client::new(&Influx {
            url: "http://127.0.0.1:1".parse().unwrap(),
            place: Place::V1 { database: Template::fixed("city"), retention_policy: None },
            login: Login::Token(Secret::new("old")),
            secret_file: Some(file.clone()),
            hold_for: None,
            gzip: false,
            timeout: Duration::from_secs(1),
        })
        .unwrap();
        client.read_within = Duration::from_millis(50);
        let began = tokio::time::Instant::now();
        for _ in 0..READS + 3 {
            let told = client.renew_login().await.unwrap_err();
            assert!(told.contains("does not answer"), "{told}");
        }
        assert!(began.elapsed() >= 4 * client.read_within, "{:?}", began.elapsed());
        assert_eq!(client.reads.available_permits(), 0);
        // The file answers again: the reads end, and the next one takes what stands there.
        crate::testing::until("the reads end", || {
            // Without a reader it fails, and would wait for one otherwise.
            let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
            let opened = std::fs::OpenOptions::new().write(true).custom_flags(flags).open(&file);
            let _ = opened.and_then(|mut file| file.write_all(b"new"));
            (client.reads.available_permits() == READS).then_some(())
        })
        .await;
        std::fs::remove_file(&file).unwrap();
        std::fs::write(&file, "new").unwrap();
        assert_eq!(client.renew_login().await, Ok(true));
    }
}
