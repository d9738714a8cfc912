//! Our own calls: any address, a time limit, the headers of the answer, and InfluxQL.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::super::client::{self, MAX_ANSWER};
use super::super::verdict;
use super::{ControlError, LIMIT};
use crate::sink::{Influx, Login};

#[derive(Debug)]
pub(super) struct Caller {
    http: reqwest::Client,
    base: Url,
    login: Login,
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) version: Option<String>,
    /// VictoriaMetrics sends this header, InfluxDB does not.
    pub(super) hostname: bool,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn why(&self) -> String {
        verdict::reason(self.status, &self.body)
    }
}

/// One series of an answer to InfluxQL: a name, and rows of text.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Series {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) tags: BTreeMap<String, String>,
    #[serde(default)]
    columns: Vec<String>,
    #[serde(default)]
    values: Vec<Vec<Value>>,
}

impl Series {
    /// Each row as names and values.
    pub(super) fn rows(&self) -> impl Iterator<Item = impl Iterator<Item = (&str, &Value)>> {
        self.values.iter().map(|row| self.columns.iter().map(String::as_str).zip(row))
    }

    /// The values of one column in the order of the rows; what is no text is told as JSON.
    pub(super) fn column(&self, name: &str) -> Vec<String> {
        let Some(place) = self.columns.iter().position(|column| column == name) else { return Vec::new() };
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        self.values.iter().map(|row| row.get(place).map(text).unwrap_or_default()).collect()
    }
}

#[derive(Deserialize)]
struct Told {
    results: Vec<Outcome>,
}

#[derive(Deserialize)]
struct Outcome {
    #[serde(default)]
    series: Vec<Series>,
    error: Option<String>,
}

impl Caller {
    pub(super) fn new(influx: &Influx, login: Login) -> Result<Self, ControlError> {
        let http = client::builder(LIMIT).build();
        let http = http.map_err(|error| ControlError::Client(error.to_string()))?;
        Ok(Self { http, base: influx.url.clone(), login })
    }

    pub(super) async fn get(&self, path: &str) -> Result<Answer, ControlError> {
        self.send(reqwest::Method::GET, self.at(path), "").await
    }

    pub(super) async fn post(&self, url: Url, body: &str) -> Result<Answer, ControlError> {
        self.send(reqwest::Method::POST, url, body).await
    }

    /// The address of an endpoint; a path in the configured URL stays in front of it.
    pub(super) fn at(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}/{path}", self.base.path().trim_end_matches('/')));
        url
    }

    /// One InfluxQL statement. POST, because 1.x changes nothing over GET.
    pub(super) async fn influxql(
        &self,
        database: Option<&str>,
        statement: &str,
    ) -> Result<Vec<Series>, ControlError> {
        let mut url = self.at("query");
        if let Some(database) = database {
            url.query_pairs_mut().append_pair("db", database);
        }
        self.statement(url, statement).await
    }

    /// The same with times in nanoseconds.
    pub(super) async fn influxql_ns(
        &self,
        database: &str,
        statement: &str,
    ) -> Result<Vec<Series>, ControlError> {
        let mut url = self.at("query");
        url.query_pairs_mut().append_pair("db", database).append_pair("epoch", "ns");
        self.statement(url, statement).await
    }

    async fn statement(&self, mut url: Url, statement: &str) -> Result<Vec<Series>, ControlError> {
        url.query_pairs_mut().append_pair("q", statement);
        let answer = self.post(url, "").await?;
        let what = statement.to_owned();
        if answer.status != 200 {
            return Err(ControlError::Refused { what, status: answer.status, text: answer.why() });
        }
        let told: Told = serde_json::from_str(&answer.body)
            .map_err(|error| ControlError::Unexpected { what: what.clone(), text: error.to_string() })?;
        let mut all = Vec::new();
        for outcome in told.results {
            if let Some(text) = outcome.error {
                return Err(ControlError::Refused { what, status: answer.status, text });
            }
            all.extend(outcome.series);
        }
        Ok(all)
    }

    async fn send(&self, method: reqwest::Method, url: Url, body: &str) -> Result<Answer, ControlError> {
        let request = self.http.request(method, url).body(body.to_owned());
        let request = client::with_login(request, &self.login);
        let failed = |error: reqwest::Error| ControlError::Unreachable {
            url: self.base.to_string(),
            text: client::told(&error),
        };
        let response = request.send().await.map_err(failed)?;
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let version = header("x-influxdb-version").map(ToOwned::to_owned);
        let hostname = header("x-server-hostname").is_some();
        let status = response.status().as_u16();
        let body = client::read(response, MAX_ANSWER).await.map_err(failed)?;
        Ok(Answer { status, version, hostname, body })
    }
}
