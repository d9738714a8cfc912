//! The control plane: setting a database up and looking at it, apart from the hot path.
//!
//! `influxdb2` makes the calls of the 2.x API. It is built without TLS, loses a path prefix and knows no time
//! limit, so here it gets `http://` addresses without a prefix only, and every call a limit. What must reach any
//! address, or needs a header of the answer, goes through `caller`.

mod caller;
mod inspect;
mod server;
mod setup;
mod stored;

use std::time::Duration;

use crate::secret::Secret;
use crate::sink::Influx;

pub use inspect::{Fields, inspect};
pub use setup::{Done, setup};
pub use stored::Stored;

/// For one call.
const LIMIT: Duration = Duration::from_secs(5);

/// Why a call brought no result.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    #[error(
        "{url}: set-up speaks plain HTTP without a path only; run it beside the database against its http:// \
         address, or make organisation, bucket and a write token there by hand"
    )]
    OnlyPlainHttp { url: String },
    #[error(
        "no place of registry or routes gives \"{template}\" a name; register devices, or give routes a city and \
         district"
    )]
    NoPlace { template: String },
    #[error("the HTTP client cannot be built: {0}")]
    Client(String),
    #[error("{url}: {text}; check that the database runs and is reachable")]
    Unreachable { url: String, text: String },
    #[error("{what}: {text}")]
    Refused { what: String, status: u16, text: String },
    #[error("{what}: {text}")]
    Unexpected { what: String, text: String },
}

/// The typed client of the 2.x API for one address and token.
struct Typed<'i> {
    client: influxdb2::Client,
    influx: &'i Influx,
}

impl<'i> Typed<'i> {
    fn new(influx: &'i Influx, org: &str, token: Option<&Secret>) -> Result<Self, ControlError> {
        let url = influx.url.as_str();
        if influx.url.scheme() != "http" || !influx.url.path().trim_end_matches('/').is_empty() {
            return Err(ControlError::OnlyPlainHttp { url: url.to_owned() });
        }
        let token = token.map_or("", Secret::reveal);
        let client = influxdb2::ClientBuilder::new(url, org, token)
            .build()
            .map_err(|error| ControlError::Client(error.to_string()))?;
        Ok(Self { client, influx })
    }

    /// One call with its limit; an answer of 404 is `None`.
    async fn call<T>(
        &self,
        what: &str,
        call: impl Future<Output = Result<T, influxdb2::RequestError>>,
    ) -> Result<Option<T>, ControlError> {
        use influxdb2::RequestError as E;
        let url = self.influx.url.to_string();
        let what = what.to_owned();
        let Ok(result) = tokio::time::timeout(LIMIT, call).await else {
            return Err(ControlError::Unreachable { url, text: "no answer in time".to_owned() });
        };
        match result {
            Ok(found) => Ok(Some(found)),
            Err(E::Http { status, .. }) if status.as_u16() == 404 => Ok(None),
            Err(E::Http { status, text }) => {
                let status = status.as_u16();
                Err(ControlError::Refused { what, status, text: super::verdict::reason(status, &text) })
            }
            Err(E::ReqwestProcessing { source }) if source.is_decode() => Err(ControlError::Unexpected {
                what,
                text: "the answer is not what InfluxDB 2 gives".to_owned(),
            }),
            Err(E::ReqwestProcessing { source }) => {
                Err(ControlError::Unreachable { url, text: innermost(&source) })
            }
            Err(other) => Err(ControlError::Unexpected { what, text: other.to_string() }),
        }
    }
}

/// The cause without the URL around it.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// A name as InfluxQL takes it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
