//! The server: who answers at a destination's address, and what is known to be wrong with it.

use super::ControlError;
use super::caller::{Answer, Caller};
use crate::finding::Finding;
use crate::sink::{Influx, Login, Place};

/// How far it is worth to look, after who answers is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    Server,
    Write,
    All,
}

/// Who answers, and how far it is worth to look.
pub(super) async fn inspect(caller: &Caller, influx: &Influx, about: &str) -> (Vec<Finding>, Depth) {
    let what_to_do = "check url, and that the database runs and is reachable";
    let ping = match caller.get("ping").await {
        Ok(ping) => ping,
        Err(ControlError::Unreachable { url, text }) => {
            let text = format!("{url} does not answer: {text}");
            return (vec![Finding::wrong(about, text, what_to_do)], Depth::Server);
        }
        Err(error) => return (vec![Finding::wrong(about, error.to_string(), what_to_do)], Depth::Server),
    };
    if ping.hostname && is_victoria_metrics(caller, &ping).await {
        return (victoria_metrics(caller, about).await, Depth::Write);
    }
    let version = match ping.version {
        Some(version) => version,
        None => match health_version(caller).await {
            Some(version) => version,
            // 3 tells nobody its version without a token.
            None if matches!((&influx.place, ping.status), (Place::V3 { .. }, 401 | 403)) => {
                let what_to_do = if matches!(influx.login, Login::None) {
                    "it asks for a login: give a token"
                } else {
                    "the token is wrong or has expired; give another one"
                };
                return (vec![Finding::wrong(about, ping.why(), what_to_do)], Depth::Server);
            }
            None => {
                let text = format!("something answers {}, but it is no InfluxDB", ping.status);
                let what_to_do = "check url and its path; a proxy must pass /ping and /health on";
                return (vec![Finding::wrong(about, text, what_to_do)], Depth::Server);
            }
        },
    };
    let (finding, depth) = influxdb(version.trim_start_matches('v'), influx, about);
    (vec![finding], depth)
}

fn influxdb(version: &str, influx: &Influx, about: &str) -> (Finding, Depth) {
    let major = version.split('.').next().unwrap_or_default();
    match (&influx.place, major) {
        (Place::V2 { .. } | Place::V3 { .. }, "1") if !version.starts_with("1.8") => {
            let what_to_do = "set version = \"1\" and database instead of org and bucket";
            (Finding::wrong(about, format!("InfluxDB {version} knows no buckets"), what_to_do), Depth::Server)
        }
        (Place::V1 { .. }, "2") => {
            let text = format!("InfluxDB {version} answers, configured as version 1");
            (Finding::warning(about, text, "better: version = \"2\" with org and bucket"), Depth::All)
        }
        (Place::V1 { .. } | Place::V2 { .. }, "3") => {
            let text = format!("InfluxDB {version} answers, configured as another version");
            (Finding::warning(about, text, "set version = \"3\" with bucket; org is not needed"), Depth::All)
        }
        (Place::V3 { .. }, "2") => {
            let text = format!("InfluxDB {version} answers, configured as version 3");
            (Finding::warning(about, text, "set version = \"2\" with org and bucket"), Depth::All)
        }
        // What was run is said here, so that nobody takes one version for another.
        (_, "1") => {
            (Finding::ok(about, format!("InfluxDB {version}; nadikota is tested with 1.6.7")), Depth::All)
        }
        _ => {
            let text = format!(
                "InfluxDB {version}; nadikota knows its answers from its documentation only, and was not run with it"
            );
            (Finding::ok(about, text), Depth::All)
        }
    }
}

async fn health_version(caller: &Caller) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Health {
        version: String,
    }
    let answer = caller.get("health").await.ok()?;
    serde_json::from_str::<Health>(&answer.body).ok().map(|health| health.version)
}

/// It has endpoints of Prometheus, where it tells its name; older proxies in front may not pass them on, and then
/// only its `/ping` without a version is left.
async fn is_victoria_metrics(caller: &Caller, ping: &Answer) -> bool {
    let named = caller.get("-/healthy").await.is_ok_and(|answer| answer.body.contains("VictoriaMetrics"));
    named || (ping.version.is_none() && ping.status == 204)
}

/// What it does with points that InfluxDB does not; seen with 1.79.5.
async fn victoria_metrics(caller: &Caller, about: &str) -> Vec<Finding> {
    let metrics = caller.get("metrics").await.map(|answer| answer.body).unwrap_or_default();
    let version = label(&metrics, "vm_app_version{", "short_version").filter(|version| !version.is_empty());
    let name =
        version.map_or_else(|| "VictoriaMetrics".to_owned(), |version| format!("VictoriaMetrics {version}"));
    let flag = |name: &str| label(&metrics, &format!("flag{{name=\"{name}\""), "value");
    let longest =
        flag("influx.maxLineSize").and_then(|bytes| bytes.parse::<u64>().ok()).unwrap_or(256 * 1024);
    let mut findings = vec![Finding::warning(
        about,
        format!(
            "{name} answers (tested with 1.79.5). It keeps milliseconds only, turns text into 0, and answers 204 even \
             for lines that it drops, such as those over {} KiB",
            longest / 1024
        ),
        "use it for numbers only, and do not rely on quarantine for what it drops",
    )];
    match flag("dedup.minScrapeInterval") {
        Some(interval) if interval != "0s" => {
            findings.push(Finding::ok(
                about,
                format!("repeats are merged (-dedup.minScrapeInterval={interval})"),
            ));
        }
        told => {
            let seen =
                if told.is_some() { "" } else { " unless it was started with -dedup.minScrapeInterval" };
            findings.push(Finding::warning(
                about,
                format!("a point that is written again is kept twice{seen}"),
                "start it with -dedup.minScrapeInterval=1ms",
            ));
        }
    }
    findings
}

/// The value of a label in the first line of Prometheus text that begins like this.
fn label(metrics: &str, start: &str, name: &str) -> Option<String> {
    let line = metrics.lines().find(|line| line.starts_with(start))?;
    let (_, rest) =
        line.split_once(&format!(" {name}=\"")).or_else(|| line.split_once(&format!("{{{name}=\"")))?;
    let value = rest.split('"').next()?;
    Some(value.chars().filter(|c| !c.is_control()).take(40).collect())
}

#[cfg(test)]
mod tests {
    use super::label;

    #[test]
    fn a_label_is_found_in_prometheus_text() {
        let text = "vm_app_version{version=\"victoria-metrics-2024\", short_version=\"v1.79.5\"} 1\n\
                    flag{name=\"dedup.minScrapeInterval\", value=\"1ms\", is_set=\"true\"} 1\n";
        assert_eq!(label(text, "vm_app_version{", "short_version").as_deref(), Some("v1.79.5"));
        assert_eq!(label(text, "vm_app_version{", "version").as_deref(), Some("victoria-metrics-2024"));
        let flag = "flag{name=\"dedup.minScrapeInterval\"";
        assert_eq!(label(text, flag, "value").as_deref(), Some("1ms"));
        assert_eq!(label(text, "flag{name=\"other\"", "value"), None);
        assert_eq!(label("x{a=\"", "x{", "a").as_deref(), Some(""));
    }
}
