//! Certificates: until when those of a connection are valid, from our files and as the broker shows its own.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use tokio::sync::watch;

use super::transport::{Tls, TlsError, certificates};
use crate::finding::Finding;

const DAY: i64 = 86_400;
/// `check` warns this long before, and health a little later.
const WARN_WITHIN: i64 = 30 * DAY;
const DEGRADED_WITHIN: i64 = 14 * DAY;

/// Whose certificate it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// Of those who may sign the broker's.
    Ca,
    /// Our own.
    Client,
    /// As it was shown at the last connection.
    Broker,
}

/// Until when one certificate is valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiry {
    pub whose: Whose,
    /// Nothing for the broker's.
    pub file: Option<PathBuf>,
    /// Unix time in seconds.
    pub at: i64,
}

impl Whose {
    /// As metrics label it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Ca => "ca",
            Self::Client => "client",
            Self::Broker => "broker",
        }
    }
}

impl Expiry {
    /// Whether health should say so; `now` is Unix time in seconds.
    pub const fn is_near(&self, now: i64) -> bool {
        self.at.saturating_sub(now) < DEGRADED_WITHIN
    }

    /// What `check` says of it.
    pub fn finding(&self, now: i64) -> Finding {
        let about = format!("certificate {}", self.whose.label());
        let (text, left) = (self.told(now), self.at.saturating_sub(now));
        match left {
            ..=0 => Finding::wrong(about, text, self.what_to_do()),
            1..WARN_WITHIN => Finding::warning(about, text, self.what_to_do()),
            _ => Finding::ok(about, text),
        }
    }

    /// Which one, and when.
    pub fn told(&self, now: i64) -> String {
        let of_broker = || "the broker's own certificate".to_owned();
        let which = self.file.as_ref().map_or_else(of_broker, |file| file.display().to_string());
        let day = Timestamp::from_second(self.at).map_or_else(|_| self.at.to_string(), |at| at.to_string());
        match self.at.saturating_sub(now) {
            ..=0 => format!("{which} has expired: {day}, {} days ago", now.saturating_sub(self.at) / DAY),
            left => format!("{which} is valid until {day}, {} days from now", left / DAY),
        }
    }

    pub const fn what_to_do(&self) -> &'static str {
        match self.whose {
            Whose::Ca => {
                "put the CA's new certificate into mqtt.ca_file beside the old one, before the broker's changes"
            }
            Whose::Client => {
                "put a new certificate and its key into mqtt.client_cert_file and client_key_file; they are read at \
                 the next connection"
            }
            Whose::Broker => "renew the broker's certificate there; without it the next connection fails",
        }
    }
}

/// Remembers until when the broker's certificate is valid. Clones share it, and it makes no two transports differ.
#[derive(Debug, Clone)]
pub struct Seen(Arc<watch::Sender<Option<i64>>>);

impl Default for Seen {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }
}

impl PartialEq for Seen {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Seen {}

impl Tls {
    /// Those of our files, and the broker's where there was a connection. Of several CAs in one file the next to
    /// expire counts, unless it has: an old one may stand beside its successor.
    pub fn expiries(&self, now: i64) -> Result<Vec<Expiry>, TlsError> {
        let mut all = Vec::new();
        let times = |file: &PathBuf| {
            let read = certificates(file)?;
            Ok::<_, TlsError>(read.iter().filter_map(not_after).collect::<Vec<_>>())
        };
        if let Some(file) = &self.ca_file {
            let times = times(file)?;
            let next = times.iter().filter(|at| **at > now).min().or(times.iter().max());
            all.extend(next.map(|at| Expiry { whose: Whose::Ca, file: Some(file.clone()), at: *at }));
        }
        if let Some((file, _)) = &self.client {
            let next = times(file)?.into_iter().min();
            all.extend(next.map(|at| Expiry { whose: Whose::Client, file: Some(file.clone()), at }));
        }
        all.extend(self.broker());
        Ok(all)
    }

    /// The broker's, where there was a connection.
    pub fn broker(&self) -> Option<Expiry> {
        let at = *self.seen.0.borrow();
        at.map(|at| Expiry { whose: Whose::Broker, file: None, at })
    }

    /// Tells when the broker shows another certificate.
    pub(super) fn watch(&self) -> watch::Receiver<Option<i64>> {
        self.seen.0.subscribe()
    }
}

/// Unix time in seconds; nothing of what is no certificate.
fn not_after(certificate: &CertificateDer<'_>) -> Option<i64> {
    let (_, read) = x509_parser::parse_x509_certificate(certificate).ok()?;
    Some(read.validity().not_after.timestamp())
}

/// Verifies as ever, and notes until when the broker's certificate is valid, also one that is refused.
#[derive(Debug)]
pub(super) struct Witness {
    pub(super) verifier: Arc<dyn ServerCertVerifier>,
    pub(super) seen: Seen,
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let at = not_after(end_entity);
        self.seen.0.send_if_modified(|seen| std::mem::replace(seen, at) != at);
        self.verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;
    use crate::finding::Grade;

    /// Self-signed, each valid to the first day of a year.
    fn pem(years: &[i32]) -> String {
        let one = |year: &i32| {
            let mut params = CertificateParams::new(vec!["x".to_owned()]).unwrap();
            params.not_before = date_time_ymd(2000, 1, 1);
            params.not_after = date_time_ymd(*year, 1, 1);
            params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
        };
        years.iter().map(one).collect()
    }

    fn second(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_second()
    }

    #[test]
    fn an_old_ca_beside_its_successor_does_not_alarm_and_a_chain_is_as_good_as_its_weakest() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, years: &[i32]| {
            let path = dir.path().join(name);
            std::fs::write(&path, pem(years)).unwrap();
            path
        };
        let now = second("2026-06-01T00:00:00Z");
        let years = |tls: &Tls| {
            let all = tls.expiries(now).unwrap();
            Vec::from_iter(
                all.iter().map(|it| Timestamp::from_second(it.at).unwrap().to_string()[..4].to_owned()),
            )
        };
        let of = |ca: &[i32], client: &[i32]| Tls {
            ca_file: Some(file("ca", ca)),
            client: Some((file("client", client), PathBuf::new())),
            seen: Seen::default(),
        };
        assert_eq!(years(&of(&[2026, 2030, 2040], &[2035, 2029])), ["2030", "2029"]);
        assert_eq!(years(&of(&[2020, 2025], &[2025, 2040])), ["2025", "2025"]);
        let missing = Tls { ca_file: Some(dir.path().join("none")), ..Tls::default() };
        assert!(missing.expiries(now).unwrap_err().to_string().contains("none"));
        assert_eq!(Tls::default().expiries(now).unwrap(), []);
    }

    #[test]
    fn check_warns_a_month_before_and_health_two_weeks() {
        let now = second("2026-06-01T00:00:00Z");
        for (left, grade, near) in [
            (-DAY, Grade::Wrong, true),
            (0, Grade::Wrong, true),
            (1, Grade::Warning, true),
            (14 * DAY - 1, Grade::Warning, true),
            (14 * DAY, Grade::Warning, false),
            (30 * DAY - 1, Grade::Warning, false),
            (30 * DAY, Grade::Ok, false),
        ] {
            let expiry = Expiry { whose: Whose::Broker, file: None, at: now + left };
            assert_eq!((expiry.finding(now).grade, expiry.is_near(now)), (grade, near), "{left}");
        }
        let expiry = Expiry { whose: Whose::Client, file: Some("a.pem".into()), at: now + 3 * DAY };
        assert_eq!(expiry.told(now), "a.pem is valid until 2026-06-04T00:00:00Z, 3 days from now");
        assert_eq!(expiry.told(now + 5 * DAY), "a.pem has expired: 2026-06-04T00:00:00Z, 2 days ago");
        // No clock and no certificate makes it panic.
        for at in [i64::MIN, i64::MAX] {
            let expiry = Expiry { whose: Whose::Ca, file: None, at };
            assert!(!expiry.told(now).is_empty() && !expiry.told(i64::MIN).is_empty());
            assert!(!expiry.told(i64::MAX).is_empty());
        }
    }
}
