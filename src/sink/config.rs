//! Settings of destinations: `[[destinations]]`.

use std::time::Duration;

use url::Url;

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

/// Where it stores.
#[derive(Debug, Clone)]
pub enum Kind {
    Influx(Influx),
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
    pub gzip: bool,
    pub timeout: Duration,
}

/// What the versions call the place that points go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    V1 { database: String, retention_policy: Option<String> },
    V2 { org: String, bucket: String },
}

#[derive(Debug, Clone)]
pub enum Login {
    None,
    Token(Secret),
    Password { user: String, password: Secret },
}

impl Influx {
    /// The write endpoint; a path in the configured URL is kept in front of it.
    pub fn write_url(&self) -> Url {
        let mut url = self.url.clone();
        let prefix = url.path().trim_end_matches('/').to_owned();
        match &self.place {
            Place::V1 { database, retention_policy } => {
                url.set_path(&format!("{prefix}/write"));
                let mut query = url.query_pairs_mut();
                query.append_pair("db", database).append_pair("precision", "ns");
                if let Some(policy) = retention_policy {
                    query.append_pair("rp", policy);
                }
            }
            Place::V2 { org, bucket } => {
                url.set_path(&format!("{prefix}/api/v2/write"));
                url.query_pairs_mut()
                    .append_pair("org", org)
                    .append_pair("bucket", bucket)
                    .append_pair("precision", "ns");
            }
        }
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
            "influxdb" => Kind::Influx(Self::read_influx(section)?),
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
        let token = section.optional::<String>("token").map(Secret::new);
        let user = section.optional::<String>("user");
        let password = section.optional::<String>("password").map(Secret::new);
        let login = match (token, user) {
            (Some(_), Some(_)) => {
                section.problem("user", "and token exclude each other");
                Login::None
            }
            (Some(token), None) => Login::Token(token),
            (None, Some(user)) => {
                Login::Password { user, password: password.unwrap_or_else(|| Secret::new("")) }
            }
            (None, None) => Login::None,
        };
        let place = match section.get("version", "2".to_owned()).as_str() {
            "1" => section.required("database").map(|database| Place::V1 {
                database,
                retention_policy: section.optional("retention_policy"),
            }),
            "2" => {
                let (org, bucket) = (section.required("org"), section.required("bucket"));
                org.zip(bucket).map(|(org, bucket)| Place::V2 { org, bucket })
            }
            _ => {
                section.problem("version", "must be \"1\" or \"2\"");
                None
            }
        };
        let gzip = section.get("gzip", true);
        let timeout = section.get("timeout", Span(Duration::from_secs(30))).0;
        Some(Influx { url: url?, place: place?, login, gzip, timeout })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_prefix_is_kept_and_names_are_escaped() {
        let place = Place::V2 { org: "kota pasuruan".to_owned(), bucket: "a&b".to_owned() };
        let url = Url::parse("http://proxy:8086/influx/").unwrap();
        let influx = Influx { url, place, login: Login::None, gzip: true, timeout: Duration::from_secs(1) };
        assert_eq!(
            influx.write_url().as_str(),
            "http://proxy:8086/influx/api/v2/write?org=kota+pasuruan&bucket=a%26b&precision=ns"
        );
    }
}
