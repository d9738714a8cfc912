//! The transport: plain, TLS, WebSocket or both, with certificates read anew for every connection.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use rumqttc::{TlsConfiguration, Transport as Client};

use super::certificate::{Seen, Witness};

/// How the bytes travel.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Transport {
    /// Nothing: in the clear.
    pub tls: Option<Tls>,
    /// The path of a WebSocket; nothing: MQTT straight over TCP.
    pub websocket: Option<String>,
}

/// Files of certificates in PEM.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tls {
    /// Who may sign the broker's certificate; nothing: whom the system trusts.
    pub ca_file: Option<PathBuf>,
    /// Our own certificate and its key, for brokers that ask for one.
    pub client: Option<(PathBuf, PathBuf)>,
    /// Until when the certificate is valid that the broker showed last.
    pub seen: Seen,
}

/// Why the certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{}: {why}", path.display())]
    File { path: PathBuf, why: String },
    #[error("the system's certificates cannot be read: {0}; name a ca_file")]
    System(String),
    #[error("the certificates do not fit together: {0}")]
    Config(rustls::Error),
}

impl Transport {
    /// Whether the certificates can be read and fit together.
    pub fn check(&self) -> Result<(), TlsError> {
        self.load().map(|_| ())
    }

    /// What TLS is to use for the next connection, where there is any.
    pub(super) fn tls(&self) -> Result<Option<Arc<ClientConfig>>, TlsError> {
        self.tls.as_ref().map(Tls::load).transpose()
    }

    /// The same for the client crate.
    pub(super) fn load(&self) -> Result<Client, TlsError> {
        let tls = self.tls()?.map(TlsConfiguration::Rustls);
        Ok(match (tls, &self.websocket) {
            (None, None) => Client::Tcp,
            (None, Some(_)) => Client::Ws,
            (Some(tls), None) => Client::Tls(tls),
            (Some(tls), Some(_)) => Client::Wss(tls),
        })
    }

    /// Where the client crate connects to: a WebSocket's is a URL.
    pub(super) fn address(&self, host: &str, port: u16) -> String {
        match &self.websocket {
            None => host.to_owned(),
            Some(path) => {
                let scheme = if self.tls.is_some() { "wss" } else { "ws" };
                format!("{scheme}://{host}:{port}{path}")
            }
        }
    }
}

impl Tls {
    fn load(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let roots = Arc::new(self.roots()?);
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider)).build();
        let verifier =
            verifier.map_err(|error| TlsError::Config(rustls::Error::General(error.to_string())))?;
        let witness = Witness { verifier, seen: self.seen.clone() };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Config)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(witness));
        let config = match &self.client {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let file = |path: &Path, why: String| TlsError::File { path: path.to_owned(), why };
                let key = PrivateKeyDer::from_pem_file(key).map_err(|error| file(key, error.to_string()))?;
                let chain = certificates(certificate)?;
                builder.with_client_auth_cert(chain, key).map_err(TlsError::Config)?
            }
        };
        Ok(Arc::new(config))
    }

    fn roots(&self) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        let found = match &self.ca_file {
            Some(path) => certificates(path)?,
            None => {
                let found = rustls_native_certs::load_native_certs();
                if let (true, Some(error)) = (found.certs.is_empty(), found.errors.first()) {
                    return Err(TlsError::System(error.to_string()));
                }
                found.certs
            }
        };
        let (added, _) = roots.add_parsable_certificates(found);
        if added == 0 {
            return Err(match &self.ca_file {
                Some(path) => {
                    TlsError::File { path: path.clone(), why: "holds no usable certificate".to_owned() }
                }
                None => TlsError::System("there is none".to_owned()),
            });
        }
        Ok(roots)
    }
}

pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |error: rustls::pki_types::pem::Error| TlsError::File {
        path: path.to_owned(),
        why: error.to_string(),
    };
    let found = CertificateDer::pem_file_iter(path).map_err(failed)?;
    found.collect::<Result<Vec<_>, _>>().map_err(failed)
}

/// What a failed connection means, where the cause can be told. Without the crate's own words, which hold the time
/// and would make every try look like another trouble.
pub(super) fn explain(error: &str, host: &str, client_id: &str) -> String {
    if error.contains("SessionTakenOver") {
        return format!(
            "{host}: another client took our session over: it has the client id \"{client_id}\" too, and each \
             throws the other out; give one of them another client_id"
        );
    }
    let known = [
        ("certificate expired", "the broker's certificate has expired"),
        ("certificate not valid yet", "the broker's certificate is not valid yet, or our clock is wrong"),
        ("not valid for name", "the broker's certificate is for another name"),
        ("UnknownIssuer", "the broker's certificate is not signed by a CA that we trust (ca_file)"),
        (
            "CertificateRequired",
            "the broker asks for a client certificate (client_cert_file, client_key_file)",
        ),
        ("CertificateExpired", "the broker says that our client certificate has expired"),
        ("UnknownCA", "the broker does not trust the CA of our client certificate"),
        ("BadCertificate", "the broker refuses our client certificate"),
    ];
    match known.iter().find(|(mark, _)| error.contains(mark)) {
        Some((_, meaning)) => format!("{host}: {meaning}"),
        None => error.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_takeover_and_a_bad_certificate_are_told_in_words() {
        let told = explain("the broker ended the connection: SessionTakenOver", "broker", "twin");
        assert!(told.contains("another client") && told.contains("\"twin\""), "{told}");
        let told = explain("invalid peer certificate: UnknownIssuer", "broker", "twin");
        assert!(told.contains("ca_file"), "{told}");
        assert_eq!(explain("something else", "broker", "twin"), "something else");
    }
}
