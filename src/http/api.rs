//! The API of the page: latest values, last refused messages, and what would become of a message.

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use bytes::Bytes;
use serde::Deserialize;

use super::view::View;
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
    #[serde(default)]
    retained: bool,
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
) -> Result<Json<Explanation>, (StatusCode, &'static str)> {
    if question.topic.is_empty() || question.topic.len() > LONGEST_TOPIC {
        return Err((StatusCode::BAD_REQUEST, "the topic is empty or longer than MQTT allows\n"));
    }
    let (topic, payload) = (Bytes::from(question.topic), Bytes::from(question.payload));
    let record = Record::pasted(topic, payload, view.live.now(), question.retained);
    Ok(Json(view.explain(&record)))
}
