//! Settings of destinations: `[[destinations]]`.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::template::Template;

use crate::secret::Secret;
use crate::settings::{Section, Span};

/// One destination.
#[derive(Debug, Clone)]
pub struct Destination {
    pub name: String,
    pub kind: Kind,
    /// Writes that may be under way at once; a device is always in the same lane.
    pub lanes: usize,
}

impl Destination {
    /// How long one request may take before it is given up.
    pub fn slowest(&self) -> Duration {
        match &self.kind {
            Kind::Influx(influx) => influx.timeout,
            Kind::Embedded { .. } => Duration::ZERO,
        }
    }
}

/// Where it stores.
#[derive(Debug, Clone)]
pub enum Kind {
    Influx(Box<Influx>),
    /// SQLite in the data directory; older points than the retention go.
    Embedded {
        retention: Option<Duration>,
    },
}

/// An InfluxDB, or what speaks its write protocol.
#[derive(Debug, Clone)]
pub struct Influx {
    pub url: Url,
    pub place: Place,
    pub login: Login,
    /// Where token or password came from; read again when the database refuses it.
    pub secret_file: Option<PathBuf>,
    /// How long messages are held while it refuses everything; nothing: for ever.
    pub hold_for: Option<Duration>,
    pub gzip: bool,
    pub timeout: Duration,
}

/// What the versions call the place that points go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    V1 {
        database: Template,
        retention_policy: Option<String>,
    },
    V2 {
        org: String,
        bucket: Template,
    },
    /// Over the endpoint that 3 keeps for clients of 2; what those call a bucket is a database there.
    V3 {
        org: Option<String>,
        bucket: Template,
    },
}

impl Place {
    /// The name of bucket or database.
    pub const fn template(&self) -> &Template {
        match self {
            Self::V1 { database: template, .. }
            | Self::V2 { bucket: template, .. }
            | Self::V3 { bucket: template, .. } => template,
        }
    }

    /// What the version calls it.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::V1 { .. } => "database",
            Self::V2 { .. } | Self::V3 { .. } => "bucket",
        }
    }
}

#[derive(Debug, Clone)]
pub enum Login {
    None,
    Token(Secret),
    Password { user: String, password: Secret },
}

impl Influx {
    /// The write endpoint for a bucket or database; a path in the configured URL is kept in front of it.
    pub fn write_url(&self, name: &str) -> Url {
        let mut url = self.url.clone();
        let prefix = url.path().trim_end_matches('/').to_owned();
        let (path, first, org) = match &self.place {
            Place::V1 { .. } => ("write", "db", None),
            Place::V2 { org, .. } => ("api/v2/write", "bucket", Some(org)),
            Place::V3 { org, .. } => ("api/v2/write", "bucket", org.as_ref()),
        };
        url.set_path(&format!("{prefix}/{path}"));
        let mut query = url.query_pairs_mut();
        if let Some(org) = org {
            query.append_pair("org", org);
        }
        query.append_pair(first, name).append_pair("precision", "ns");
        if let Place::V1 { retention_policy: Some(policy), .. } = &self.place {
            query.append_pair("rp", policy);
        }
        drop(query);
        url
    }
}

impl Destination {
    /// Reads the list; without one, the embedded store is the only destination.
    pub fn read_all(root: &mut Section) -> Vec<Self> {
        let mut all = Vec::<Self>::new();
        for mut section in root.list("destinations") {
            if let Some(destination) = Self::read(&mut section) {
                if all.iter().any(|other| other.name == destination.name) {
                    section.problem("name", format!("\"{}\" is there twice", destination.name));
                }
                all.push(destination);
            }
            section.finish();
        }
        if all.is_empty() {
            all.push(Self { name: "default".to_owned(), kind: Kind::Embedded { retention: None }, lanes: 1 });
        }
        all
    }

    fn read(section: &mut Section) -> Option<Self> {
        let name = section.get("name", "default".to_owned());
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            section.problem("name", "must be 1 to 64 letters, digits, \"-\" or \"_\"");
        }
        let lanes = section.get("lanes", 2_usize);
        if !(1..=64).contains(&lanes) {
            section.problem("lanes", "must be from 1 to 64");
        }
        let kind = match section.get("kind", "influxdb".to_owned()).as_str() {
            "influxdb" => Kind::Influx(Box::new(Self::read_influx(section)?)),
            "embedded" => {
                Kind::Embedded { retention: section.optional::<Span>("retention").map(|span| span.0) }
            }
            _ => {
                section.problem("kind", "must be \"influxdb\" or \"embedded\"");
                return None;
            }
        };
        Some(Self { name, kind, lanes: lanes.clamp(1, 64) })
    }

    fn read_influx(section: &mut Section) -> Option<Influx> {
        let url = section.required::<Url>("url");
        if let Some(url) = &url
            && (!matches!(url.scheme(), "http" | "https") || url.host().is_none())
        {
            section.problem("url", "must begin with http:// or https:// and name a host");
        }
        if url.as_ref().is_some_and(|url| !url.username().is_empty() || url.password().is_some()) {
            section.problem("url", "must hold no user or password; use user and password_file");
        }
        let (login, secret_file) = Self::read_login(section);
        let place = Self::read_place(section);
        let gzip = section.get("gzip", true);
        let timeout = section.get("timeout", Span(Duration::from_secs(30))).0;
        let hold_for = section.optional::<Span>("hold_for").map(|span| span.0);
        Some(Influx { url: url?, place: place?, login, secret_file, hold_for, gzip, timeout })
    }

    fn read_login(section: &mut Section) -> (Login, Option<PathBuf>) {
        let token = section.optional::<String>("token").map(Secret::new);
        let user = section.optional::<String>("user");
        let password = section.optional::<String>("password").map(Secret::new);
        let token_file = section.optional::<PathBuf>("token_file");
        let password_file = section.optional::<PathBuf>("password_file");
        match (token, user) {
            (Some(_), Some(_)) => {
                section.problem("user", "and token exclude each other");
                (Login::None, None)
            }
            (Some(token), None) => (Login::Token(token), token_file),
            (None, Some(user)) => {
                let password = password.unwrap_or_else(|| Secret::new(""));
                (Login::Password { user, password }, password_file)
            }
            (None, None) => (Login::None, None),
        }
    }

    fn read_place(section: &mut Section) -> Option<Place> {
        match section.get("version", "2".to_owned()).as_str() {
            "1" => {
                let database = template(section, "database");
                let retention_policy = section.optional("retention_policy");
                database.map(|database| Place::V1 { database, retention_policy })
            }
            "2" => {
                let (org, bucket) = (section.required("org"), template(section, "bucket"));
                org.zip(bucket).map(|(org, bucket)| Place::V2 { org, bucket })
            }
            "3" => {
                let (org, bucket) = (section.optional("org"), template(section, "bucket"));
                bucket.map(|bucket| Place::V3 { org, bucket })
            }
            _ => {
                section.problem("version", "must be \"1\", \"2\" or \"3\"");
                None
            }
        }
    }
}

fn template(section: &mut Section, key: &str) -> Option<Template> {
    let text = section.required::<String>(key)?;
    Template::parse(&text).map_err(|wrong| section.problem(key, wrong)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_prefix_is_kept_and_names_are_escaped() {
        let url = |place| {
            let url = Url::parse("http://proxy:8086/influx/").unwrap();
            let (login, timeout) = (Login::None, Duration::from_secs(1));
            let influx = Influx { url, place, login, secret_file: None, hold_for: None, gzip: true, timeout };
            influx.write_url("a&b/é").to_string()
        };
        let template = Template::fixed("t");
        let place = Place::V2 { org: "kota pasuruan".to_owned(), bucket: template.clone() };
        let path = "http://proxy:8086/influx/api/v2/write";
        let rest = "bucket=a%26b%2F%C3%A9&precision=ns";
        assert_eq!(url(place), format!("{path}?org=kota+pasuruan&{rest}"));
        assert_eq!(url(Place::V3 { org: None, bucket: template.clone() }), format!("{path}?{rest}"));
        let place = Place::V1 { database: template, retention_policy: Some("a year".to_owned()) };
        let expected = "http://proxy:8086/influx/write?db=a%26b%2F%C3%A9&precision=ns&rp=a+year";
        assert_eq!(url(place), expected);
    }
}
