//! Set-up: creates what a destination needs where it is missing, and a token that may only write.

use std::collections::BTreeSet;
use std::time::Duration;

use influxdb2::api::authorizations::CreateAuthorizationRequest;
use influxdb2::api::buckets::ListBucketsRequest;
use influxdb2::api::organization::ListOrganizationRequest;
use influxdb2::models::permission::{Action, Permission};
use influxdb2::models::resource::{Resource, Type};
use influxdb2::models::retention_rule::{self, RetentionRule};
use influxdb2::models::{Bucket, PostBucketRequest};
use serde::Deserialize;

use super::caller::Caller;
use super::{ControlError, Typed, quoted};
use crate::finding::Finding;
use crate::secret::Secret;
use crate::settings::Span;
use crate::sink::{Influx, Login, Place};

/// What was done, and the new token where the version has tokens.
#[derive(Debug)]
pub struct Done {
    pub findings: Vec<Finding>,
    pub token: Option<Secret>,
}

/// Creates what is missing of these buckets or databases; what is there stays as it is. Without `retention` points
/// are kept for ever.
pub async fn setup(
    influx: &Influx,
    buckets: &BTreeSet<String>,
    admin: Option<Secret>,
    retention: Option<Duration>,
) -> Result<Done, ControlError> {
    if buckets.is_empty() {
        let template = influx.place.template().to_string();
        return Err(ControlError::NoPlace { template });
    }
    match &influx.place {
        Place::V1 { retention_policy, .. } => {
            let login = admin.map_or_else(|| influx.login.clone(), user_and_password);
            let caller = Caller::new(influx, login)?;
            let findings = setup_v1(&caller, buckets, retention_policy.as_deref(), retention).await?;
            Ok(Done { findings, token: None })
        }
        Place::V2 { org, .. } => setup_v2(influx, admin, org, buckets, retention).await,
        Place::V3 { .. } => Ok(Done { findings: nothing_for_v3(), token: None }),
    }
}

/// Its own API for it is another one, and it needs none of it.
fn nothing_for_v3() -> Vec<Finding> {
    vec![
        Finding::ok("bucket", "none was made: InfluxDB 3 makes a database at the first write to it"),
        Finding::ok(
            "token",
            "none was made: make one with `influxdb3 create token`, and give it as token_file",
        ),
    ]
}

/// 1.x has users, so its admin token is `user:password`.
fn user_and_password(token: Secret) -> Login {
    match token.reveal().split_once(':') {
        Some((user, password)) => Login::Password { user: user.to_owned(), password: Secret::new(password) },
        None => Login::Token(token),
    }
}

async fn setup_v1(
    caller: &Caller,
    databases: &BTreeSet<String>,
    policy: Option<&str>,
    retention: Option<Duration>,
) -> Result<Vec<Finding>, ControlError> {
    let mut findings = Vec::new();
    for database in databases {
        findings.extend(create_database(caller, database, policy, retention).await?);
    }
    findings.push(Finding::ok(
        "token",
        "none was made: InfluxDB 1.x has users instead of tokens; where it asks for a login, make one with \
         CREATE USER and GRANT WRITE, and give it as user and password_file",
    ));
    Ok(findings)
}

async fn create_database(
    caller: &Caller,
    database: &str,
    policy: Option<&str>,
    retention: Option<Duration>,
) -> Result<Vec<Finding>, ControlError> {
    let mut findings = Vec::new();
    let duration = retention.map_or_else(|| "INF".to_owned(), |span| format!("{}s", span.as_secs()));
    let name = quoted(database);
    let databases = caller.influxql(None, "SHOW DATABASES").await?;
    if databases.iter().any(|series| series.column("name").iter().any(|known| known == database)) {
        findings.push(Finding::ok("database", format!("{name} is there already")));
    } else {
        let policy = policy.map(|policy| format!(" NAME {}", quoted(policy))).unwrap_or_default();
        let statement = format!("CREATE DATABASE {name} WITH DURATION {duration}{policy}");
        caller.influxql(None, &statement).await?;
        findings
            .push(Finding::ok("database", format!("{name} created, points are kept {}", kept(retention))));
    }
    if let Some(policy) = policy {
        let known = caller.influxql(None, &format!("SHOW RETENTION POLICIES ON {name}")).await?;
        if !known.iter().any(|series| series.column("name").iter().any(|known| known == policy)) {
            let policy = quoted(policy);
            let statement =
                format!("CREATE RETENTION POLICY {policy} ON {name} DURATION {duration} REPLICATION 1");
            caller.influxql(None, &statement).await?;
            findings.push(Finding::ok("retention policy", format!("{policy} created")));
        }
    }
    Ok(findings)
}

fn kept(retention: Option<Duration>) -> String {
    retention.map_or_else(|| "for ever".to_owned(), |span| Span(span).to_string())
}

async fn setup_v2(
    influx: &Influx,
    admin: Option<Secret>,
    org: &str,
    buckets: &BTreeSet<String>,
    retention: Option<Duration>,
) -> Result<Done, ControlError> {
    let typed = Typed::new(influx, org, admin.as_ref())?;
    typed.call("ready", typed.client.ready()).await?;
    let caller = Caller::new(influx, admin.map_or(Login::None, Login::Token))?;
    let mut findings = Vec::new();
    let org_id = match find_org(&typed, org).await? {
        Some(id) => {
            findings.push(Finding::ok("organisation", format!("\"{org}\" is there already")));
            id
        }
        None => {
            let id = create_org(&caller, org).await?;
            findings.push(Finding::ok("organisation", format!("\"{org}\" created")));
            id
        }
    };
    let mut ids = Vec::new();
    for bucket in buckets {
        let (id, finding) = bucket_of(&typed, org, &org_id, bucket, retention).await?;
        findings.push(finding);
        ids.push(id);
    }
    let names: Vec<_> = buckets.iter().map(|name| format!("\"{name}\"")).collect();
    let names = names.join(", ");
    let token = create_token(&typed, &org_id, ids, influx.place.template().as_str()).await?;
    let word = if buckets.len() == 1 { "bucket" } else { "buckets" };
    findings.push(Finding::ok("token", format!("made: it may write the {word} {names} and nothing else")));
    Ok(Done { findings, token: Some(token) })
}

/// The bucket's id, made where it is missing.
async fn bucket_of(
    typed: &Typed<'_>,
    org: &str,
    org_id: &str,
    bucket: &str,
    retention: Option<Duration>,
) -> Result<(String, Finding), ControlError> {
    let lost = || not_there("list buckets");
    if let Some(found) = find_bucket(typed, org, bucket).await? {
        let text = format!("\"{bucket}\" is there already, its retention stays");
        return Ok((found.id.ok_or_else(lost)?, Finding::ok("bucket", text)));
    }
    let mut request = PostBucketRequest::new(org_id.to_owned(), bucket.to_owned());
    request.retention_rules = retention
        .map(|span| {
            let seconds = i32::try_from(span.as_secs()).unwrap_or(i32::MAX);
            RetentionRule::new(retention_rule::Type::Expire, seconds)
        })
        .into_iter()
        .collect();
    let created = typed.call("create bucket", typed.client.create_bucket(Some(request))).await?;
    if created.is_none() {
        return Err(not_there("create bucket"));
    }
    let text = format!("\"{bucket}\" created, points are kept {}", kept(retention));
    let id = find_bucket(typed, org, bucket).await?.and_then(|bucket| bucket.id).ok_or_else(lost)?;
    Ok((id, Finding::ok("bucket", text)))
}

fn not_there(what: &str) -> ControlError {
    ControlError::Unexpected {
        what: what.to_owned(),
        text: "the database says that it is not there".to_owned(),
    }
}

async fn find_org(typed: &Typed<'_>, org: &str) -> Result<Option<String>, ControlError> {
    let request = ListOrganizationRequest { org: Some(org.to_owned()), ..ListOrganizationRequest::default() };
    let found = typed.call("list organisations", typed.client.list_organizations(request)).await?;
    let mut orgs = found.map(|found| found.orgs).unwrap_or_default().into_iter();
    Ok(orgs.find(|known| known.name == org).and_then(|known| known.id))
}

/// The bucket; nothing where there is none, or none that this token may see.
pub(super) async fn find_bucket(
    typed: &Typed<'_>,
    org: &str,
    bucket: &str,
) -> Result<Option<Bucket>, ControlError> {
    let request = ListBucketsRequest {
        org: Some(org.to_owned()),
        name: Some(bucket.to_owned()),
        ..ListBucketsRequest::default()
    };
    let found = typed.call("list buckets", typed.client.list_buckets(Some(request))).await?;
    let mut buckets = found.map(|found| found.buckets).unwrap_or_default().into_iter();
    Ok(buckets.find(|known| known.name == bucket))
}

/// `influxdb2` has no call for it.
async fn create_org(caller: &Caller, org: &str) -> Result<String, ControlError> {
    #[derive(Deserialize)]
    struct Created {
        id: String,
    }
    let what = "create organisation".to_owned();
    let body = serde_json::json!({ "name": org }).to_string();
    let answer = caller.post(caller.at("api/v2/orgs"), &body).await?;
    if !(200..300).contains(&answer.status) {
        return Err(ControlError::Refused { what, status: answer.status, text: answer.why() });
    }
    serde_json::from_str::<Created>(&answer.body)
        .map(|created| created.id)
        .map_err(|error| ControlError::Unexpected { what, text: error.to_string() })
}

async fn create_token(
    typed: &Typed<'_>,
    org_id: &str,
    bucket_ids: Vec<String>,
    name: &str,
) -> Result<Secret, ControlError> {
    let permission = |id| {
        let mut resource = Resource::new(Type::Buckets);
        resource.id = Some(id);
        resource.org_id = Some(org_id.to_owned());
        Permission::new(Action::Write, resource)
    };
    let request = CreateAuthorizationRequest {
        description: Some(format!("nadikota: writes {name}")),
        org_id: org_id.to_owned(),
        permissions: bucket_ids.into_iter().map(permission).collect(),
        ..CreateAuthorizationRequest::default()
    };
    let made = typed.call("create token", typed.client.create_authorization(request)).await?;
    let token = made.and_then(|made| made.token).ok_or_else(|| not_there("create token"))?;
    Ok(Secret::new(token))
}
