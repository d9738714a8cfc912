//! The API of the page: latest values, last refused messages, and what would become of a message.

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use bytes::Bytes;
use serde::Deserialize;

use super::view::View;
use crate::decode::Encoding;
use crate::live::{Answer, Ask, Refusal};
use crate::message::Record;
use crate::transform::Explanation;

/// Bytes of topic and payload together, as JSON.
pub(super) const LARGEST_QUESTION: usize = 64 * 1024;
/// MQTT topics have at most so many bytes.
const LONGEST_TOPIC: usize = 65_535;

/// A message to be explained.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    topic: String,
    payload: String,
    /// How the payload's bytes are written here.
    #[serde(default)]
    encoding: Written,
    #[serde(default)]
    retained: bool,
}

/// Bytes that are no text come as hex or base64.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Written {
    #[default]
    Text,
    Hex,
    Base64,
}

impl Written {
    fn read(self, payload: String) -> Result<Bytes, String> {
        let encoding = match self {
            Self::Text => return Ok(payload.into()),
            Self::Hex => Encoding::Hex,
            Self::Base64 => Encoding::Base64,
        };
        let bytes = encoding.read(payload.as_bytes()).map_err(|rejection| rejection.detail)?;
        Ok(bytes.into_owned().into())
    }
}

pub(super) async fn latest(State(view): State<View>, Query(ask): Query<Ask>) -> Json<Answer> {
    Json(view.live.latest(&ask))
}

pub(super) async fn refused(State(view): State<View>) -> Json<Vec<Refusal>> {
    Json(view.live.refused())
}

/// Changes nothing. It asks for JSON, which no other site's page can send here.
pub(super) async fn explain(
    State(view): State<View>,
    Json(question): Json<Question>,
) -> Result<Json<Explanation>, (StatusCode, String)> {
    let wrong = |why: String| (StatusCode::BAD_REQUEST, why + "\n");
    if question.topic.is_empty() || question.topic.len() > LONGEST_TOPIC {
        return Err(wrong("the topic is empty or longer than MQTT allows".to_owned()));
    }
    let payload = question.encoding.read(question.payload).map_err(wrong)?;
    let record = Record::pasted(question.topic.into(), payload, view.live.now(), question.retained);
    Ok(Json(view.explain(&record)))
}
