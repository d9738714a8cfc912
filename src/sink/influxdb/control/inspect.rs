//! Inspection: whether a destination answers, takes our writes, keeps them long enough, and has our field types.

use std::collections::BTreeMap;
use std::time::Duration;

use super::caller::Caller;
use super::setup::find_bucket;
use super::{ControlError, Typed, quoted};
use crate::finding::{Finding, Grade};
use crate::sink::{Influx, Login, Place};

/// Type names as InfluxDB tells them, by measurement and field.
pub type Fields = BTreeMap<(String, String), &'static str>;

/// How far it is worth to look, after who answers is known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    Server,
    Write,
    All,
}

/// Looks at one destination without changing it. `at_least` is how old a point may be when it comes.
pub async fn inspect(name: &str, influx: &Influx, at_least: Duration, ours: &Fields) -> Vec<Finding> {
    let about = |part: &str| format!("destination {name}: {part}");
    let caller = match Caller::new(influx, influx.login.clone()) {
        Ok(caller) => caller,
        Err(error) => return vec![Finding::wrong(about("server"), error.to_string(), "report this")],
    };
    let mut findings = Vec::new();
    let depth = match server(&caller, influx, &about("server")).await {
        Ok((finding, next)) => {
            findings.push(finding);
            next
        }
        Err(finding) => return vec![finding],
    };
    if depth == Depth::Server {
        return findings;
    }
    let written = write(&caller, influx, &about("write")).await;
    let accepted = written.grade == Grade::Ok;
    findings.push(written);
    if accepted && depth == Depth::All {
        findings.push(retention(&caller, influx, at_least, &about("retention")).await);
        findings.extend(types(&caller, influx, ours, &about("field types")).await);
    }
    findings
}

/// Who answers, and how far it is worth to look.
async fn server(caller: &Caller, influx: &Influx, about: &str) -> Result<(Finding, Depth), Finding> {
    let what_to_do = "check url, and that the database runs and is reachable";
    let ping = match caller.get("ping").await {
        Ok(ping) => ping,
        Err(ControlError::Unreachable { url, text }) => {
            return Err(Finding::wrong(about, format!("{url} does not answer: {text}"), what_to_do));
        }
        Err(error) => return Err(Finding::wrong(about, error.to_string(), what_to_do)),
    };
    if ping.hostname && ping.version.is_none() && ping.status == 204 {
        let text = "VictoriaMetrics answers. It keeps milliseconds only, turns text into 0, answers 204 even for \
                    lines it drops, refuses lines over 256 KiB, and stores a point written again twice";
        let what_to_do = "use it for numbers only, start it with -dedup.minScrapeInterval=1ms, and do not rely \
                          on quarantine for what it drops";
        return Ok((Finding::warning(about, text, what_to_do), Depth::Write));
    }
    let version = match ping.version {
        Some(version) => version,
        None => health_version(caller).await.ok_or_else(|| {
            let text = format!("something answers {}, but it is no InfluxDB", ping.status);
            Finding::wrong(about, text, "check url and its path; a proxy must pass /ping and /health on")
        })?,
    };
    let version = version.trim_start_matches('v').to_owned();
    Ok(match (&influx.place, version.split('.').next()) {
        (Place::V2 { .. }, Some("1")) if !version.starts_with("1.8") => {
            let what_to_do = "set version = \"1\" and database instead of org and bucket";
            (Finding::wrong(about, format!("InfluxDB {version} knows no buckets"), what_to_do), Depth::Server)
        }
        (Place::V1 { .. }, Some("2")) => {
            let text = format!("InfluxDB {version} answers, configured as version 1");
            (Finding::warning(about, text, "better: version = \"2\" with org and bucket"), Depth::All)
        }
        _ => (Finding::ok(about, format!("InfluxDB {version}")), Depth::All),
    })
}

async fn health_version(caller: &Caller) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Health {
        version: String,
    }
    let answer = caller.get("health").await.ok()?;
    serde_json::from_str::<Health>(&answer.body).ok().map(|health| health.version)
}

/// An empty write goes through login and place, and stores nothing.
async fn write(caller: &Caller, influx: &Influx, about: &str) -> Finding {
    let answer = match caller.post(influx.write_url(), "").await {
        Ok(answer) => answer,
        Err(error) => return Finding::wrong(about, error.to_string(), "try again"),
    };
    let (place, login) = match &influx.place {
        Place::V1 { database, .. } => (format!("database \"{database}\""), "user and password"),
        Place::V2 { bucket, .. } => (format!("bucket \"{bucket}\""), "token"),
    };
    match answer.status {
        200..=299 => Finding::ok(about, format!("the {place} takes our writes")),
        // 2.x looks at login and bucket first, and then misses the points.
        400 if matches!(influx.place, Place::V2 { .. })
            && answer.body.contains("writing requires points") =>
        {
            Finding::ok(about, format!("the {place} takes our writes"))
        }
        401 if matches!(influx.login, Login::None) => {
            Finding::wrong(about, answer.why(), format!("it asks for a login: give a {login}"))
        }
        401 | 403 => {
            let what_to_do = format!("the {login} is wrong or may not write the {place}; give another one");
            Finding::wrong(about, answer.why(), what_to_do)
        }
        404 => {
            let what_to_do = format!("the {place} is missing: create it with `nadikota database setup`");
            Finding::wrong(about, answer.why(), what_to_do)
        }
        _ => Finding::wrong(about, answer.why(), "check url and proxy"),
    }
}

async fn retention(caller: &Caller, influx: &Influx, at_least: Duration, about: &str) -> Finding {
    let kept = match &influx.place {
        Place::V1 { database, retention_policy } => {
            policy_duration(caller, database, retention_policy.as_deref()).await
        }
        Place::V2 { org, bucket } => bucket_retention(influx, org, bucket).await,
    };
    match kept {
        Ok(Some(kept)) if !kept.is_zero() && kept < at_least => Finding::warning(
            about,
            format!(
                "points are kept {}, but may be {} old when they come (time.max_backfill): the database refuses \
                 the older ones",
                humantime::format_duration(kept),
                humantime::format_duration(at_least)
            ),
            "lengthen the retention or shorten time.max_backfill",
        ),
        Ok(Some(kept)) if kept.is_zero() => Finding::ok(about, "points are kept for ever"),
        Ok(Some(kept)) => Finding::ok(about, format!("points are kept {}", humantime::format_duration(kept))),
        Ok(None) => Finding::warning(about, "cannot be seen with this login", "look with an admin's"),
        Err(ControlError::OnlyPlainHttp { .. }) => Finding::warning(
            about,
            "not looked at: over https or with a path in the url it cannot be seen from here",
            "look in the database that it is at least time.max_backfill",
        ),
        Err(error) => Finding::warning(about, error.to_string(), "look with an admin's login"),
    }
}

/// Zero is for ever.
async fn policy_duration(
    caller: &Caller,
    database: &str,
    policy: Option<&str>,
) -> Result<Option<Duration>, ControlError> {
    let statement = format!("SHOW RETENTION POLICIES ON {}", quoted(database));
    for series in caller.influxql(None, &statement).await? {
        let columns = [series.column("name"), series.column("default"), series.column("duration")];
        let [names, defaults, durations] = &columns;
        for ((name, default), duration) in names.iter().zip(defaults).zip(durations) {
            if policy.map_or(default == "true", |policy| policy == name) {
                return Ok(humantime::parse_duration(duration).ok());
            }
        }
    }
    Ok(None)
}

async fn bucket_retention(
    influx: &Influx,
    org: &str,
    bucket: &str,
) -> Result<Option<Duration>, ControlError> {
    let token = if let Login::Token(token) = &influx.login { Some(token) } else { None };
    let found = find_bucket(&Typed::new(influx, org, token)?, org, bucket).await?;
    Ok(found.map(|bucket| {
        let seconds = bucket.retention_rules.first().map_or(0, |rule| rule.every_seconds);
        Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
    }))
}

/// Both versions answer InfluxQL; 2.x where the token may read.
async fn types(caller: &Caller, influx: &Influx, ours: &Fields, about: &str) -> Vec<Finding> {
    let database = match &influx.place {
        Place::V1 { database, .. } => database,
        Place::V2 { bucket, .. } => bucket,
    };
    let series = match caller.influxql(Some(database), "SHOW FIELD KEYS").await {
        Ok(series) => series,
        Err(error) => {
            let text = format!("cannot be seen with this login: {error}");
            return vec![Finding::warning(about, text, "look with a login that may read")];
        }
    };
    let mut conflicts = Vec::new();
    let mut same = 0_usize;
    for series in series {
        for (field, found) in series.column("fieldKey").into_iter().zip(series.column("fieldType")) {
            let Some(want) = ours.get(&(series.name.clone(), field.clone())) else { continue };
            if found == *want {
                same += 1;
                continue;
            }
            conflicts.push(Finding::warning(
                about,
                format!(
                    "{}: {field} is there as {found}, we write {want}: those points are refused",
                    series.name
                ),
                "write to another database or bucket, or rename the measurement of the profile",
            ));
        }
    }
    if conflicts.is_empty() {
        conflicts.push(Finding::ok(about, format!("no conflict; {same} of our fields are there already")));
    }
    conflicts
}
