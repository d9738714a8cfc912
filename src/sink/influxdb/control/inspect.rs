//! Inspection: whether a destination answers, takes our writes, keeps them long enough, and has our field types.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::super::answer::Told;
use super::super::verdict;
use super::caller::Caller;
use super::server::{self, Depth};
use super::setup::find_bucket;
use super::{ControlError, Typed, quoted};
use crate::finding::{Finding, Grade};
use crate::settings::Span;
use crate::sink::{Influx, Login, Place, Template};

/// Type names as InfluxDB tells them, by measurement and field.
pub type Fields = BTreeMap<(String, String), &'static str>;

/// Looks at one destination without changing it. `buckets` are the names that its template gives; `at_least` is how
/// old a point may be when it comes.
pub async fn inspect(
    name: &str,
    influx: &Influx,
    buckets: &BTreeSet<String>,
    at_least: Duration,
    ours: &Fields,
) -> Vec<Finding> {
    let about = |part: &str| format!("destination {name}: {part}");
    let caller = match Caller::new(influx, influx.login.clone()) {
        Ok(caller) => caller,
        Err(error) => return vec![Finding::wrong(about("server"), error.to_string(), "report this")],
    };
    let (mut findings, depth) = server::inspect(&caller, influx, &about("server")).await;
    if depth == Depth::Server {
        return findings;
    }
    let template = influx.place.template();
    if !template.is_fixed() {
        findings.push(places(template, buckets, &about("buckets")));
    }
    let mut well = 0_usize;
    for bucket in buckets {
        let about = |part: &str| {
            let of = if template.is_fixed() { String::new() } else { format!(" of \"{bucket}\"") };
            about(&format!("{part}{of}"))
        };
        let written = write(&caller, influx, bucket, &about("write")).await;
        let mut found = vec![written];
        if depth == Depth::All && found.iter().all(|finding| finding.grade != Grade::Wrong) {
            found.push(retention(&caller, influx, bucket, at_least, &about("retention")).await);
            found.extend(types(&caller, bucket, ours, &about("field types")).await);
        }
        if found.iter().all(|finding| finding.grade == Grade::Ok) {
            well = well.saturating_add(1);
        }
        // Of many buckets only what is not well is worth a line.
        findings.extend(found.into_iter().filter(|it| template.is_fixed() || it.grade != Grade::Ok));
    }
    if !template.is_fixed() && well > 0 {
        let text = format!("{well} of {} take our writes, and nothing is wrong with them", buckets.len());
        findings.push(Finding::ok(about("buckets"), text));
    }
    findings
}

fn places(template: &Template, buckets: &BTreeSet<String>, about: &str) -> Finding {
    let rule = "points of any other place go to quarantine as no_bucket";
    if buckets.is_empty() {
        let text = format!("no place of registry or routes gives \"{template}\" a name; {rule}");
        return Finding::wrong(about, text, "register devices, or give routes a city and district");
    }
    let text = format!(
        "\"{template}\" means {} buckets: those of the registry and the routes; {rule}",
        buckets.len()
    );
    Finding::ok(about, text)
}

/// An empty write goes through login and place, and stores nothing.
async fn write(caller: &Caller, influx: &Influx, bucket: &str, about: &str) -> Finding {
    let answer = match caller.post(influx.write_url(bucket), "").await {
        Ok(answer) => answer,
        Err(error) => return Finding::wrong(about, error.to_string(), "try again"),
    };
    let place = format!("{} \"{bucket}\"", influx.place.word());
    let login = if matches!(influx.place, Place::V1 { .. }) { "user and password" } else { "token" };
    match answer.status {
        200..=299 => Finding::ok(about, format!("the {place} takes our writes")),
        // 2.x looks at login and bucket first, and then misses the points.
        400 if matches!(influx.place, Place::V2 { .. })
            && answer.body.contains("writing requires points") =>
        {
            Finding::ok(about, format!("the {place} takes our writes"))
        }
        // 3 looks at login and name first too, and then misses the lines.
        400 if matches!(influx.place, Place::V3 { .. })
            && answer.body.to_ascii_lowercase().contains("empty") =>
        {
            Finding::ok(about, format!("the {place} takes our writes; 3 makes it at the first one"))
        }
        400 | 422 if matches!(influx.place, Place::V3 { .. }) => {
            match verdict::about_the_bucket(&Told::read(answer.status, &answer.body)) {
                Some(what_to_do) => Finding::wrong(about, answer.why(), what_to_do),
                None => Finding::warning(
                    about,
                    answer.why(),
                    "this is its answer to an empty write: if it complains of nothing else, all is well",
                ),
            }
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

async fn retention(
    caller: &Caller,
    influx: &Influx,
    bucket: &str,
    at_least: Duration,
    about: &str,
) -> Finding {
    let kept = match &influx.place {
        Place::V1 { retention_policy, .. } => {
            policy_duration(caller, bucket, retention_policy.as_deref()).await
        }
        Place::V2 { org, .. } => bucket_retention(influx, org, bucket).await,
        // It takes points of any age, and drops what is older than its retention later.
        Place::V3 { .. } => {
            return Finding::ok(about, "not looked at: InfluxDB 3 refuses no point for its age");
        }
    };
    match kept {
        Ok(Some(kept)) if !kept.is_zero() && kept < at_least => Finding::warning(
            about,
            format!(
                "points are kept {}, but may be {} old when they come (time.max_backfill): the database refuses \
                 the older ones",
                Span(kept),
                Span(at_least)
            ),
            "lengthen the retention or shorten time.max_backfill",
        ),
        Ok(Some(kept)) if kept.is_zero() => Finding::ok(about, "points are kept for ever"),
        Ok(Some(kept)) => Finding::ok(about, format!("points are kept {}", Span(kept))),
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
                return Ok(duration.parse::<Span>().ok().map(|span| span.0));
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

/// All versions answer InfluxQL; 2.x and 3 where the token may read.
async fn types(caller: &Caller, bucket: &str, ours: &Fields, about: &str) -> Vec<Finding> {
    let series = match caller.influxql(Some(bucket), "SHOW FIELD KEYS").await {
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
            let of = |measurement: &str, field: &str| ours.get(&(measurement.to_owned(), field.to_owned()));
            let Some(want) = of(&series.name, &field).or_else(|| of("", &field)) else {
                if found == "integer" && of(&series.name, "").is_some() {
                    conflicts.push(Finding::warning(
                        about,
                        format!(
                            "{}: {field} is there as integer, and numbers are written as floats",
                            series.name
                        ),
                        "name it in the route's types, if devices send it: types = { name = \"integer\" }",
                    ));
                }
                continue;
            };
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
