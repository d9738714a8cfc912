//! Section `[mqtt]`, or a list `[[mqtt]]`: the brokers to read from.

use std::path::PathBuf;
use std::time::Duration;

use crate::mqtt::{Options, Tls, Transport, Version};
use crate::secret::Secret;
use crate::settings::{Section, Size, Span};

/// What the source needs to know of its broker.
#[derive(Debug, Clone)]
pub struct Config {
    /// Tells it from others in health, logs and the data directory; empty for the only one.
    pub name: String,
    /// Which of several connections to one broker this is, from 0.
    pub member: u16,
    /// The group of a shared subscription.
    pub share: Option<String>,
    pub enabled: bool,
    pub options: Options,
    /// Messages held in memory while the journal is full.
    pub park: usize,
    /// Sparkplug nodes whose births are missing are asked for them.
    pub rebirth: bool,
}

impl Config {
    /// The only broker, with one connection.
    pub const fn only(options: Options, park: usize) -> Self {
        Self { name: String::new(), member: 0, share: None, enabled: true, options, park, rebirth: false }
    }

    /// Reads the section, or each of a list; every mistake is kept there as a problem. One for each connection.
    pub fn read_all(root: &mut Section) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for (mut section, one_of_many) in root.one_or_many("mqtt") {
            let name = if one_of_many { section.required("name").unwrap_or_default() } else { String::new() };
            if one_of_many && all.iter().any(|known| known.name == name) {
                section.problem("name", "another broker of the list has it");
            }
            let connections = section.get("connections", 1_u16);
            let mut config = Self::read(&mut section);
            config.name = name;
            if !(1..=64).contains(&connections) {
                section.problem("connections", "must be from 1 to 64");
            }
            section.finish();
            if !config.enabled {
                continue;
            }
            if connections == 1 {
                all.push(config);
                continue;
            }
            // Each would receive everything if they did not share.
            config.share.get_or_insert_with(|| config.options.client_id.clone());
            for member in 0..connections.min(64) {
                let mut one = config.clone();
                one.member = member;
                one.options.client_id = format!("{}-{member}", config.options.client_id);
                all.push(one);
            }
        }
        all
    }

    /// What it is called in health: `mqtt`, or with its name and member.
    pub fn part(&self) -> String {
        let mut part = "mqtt".to_owned();
        if !self.name.is_empty() {
            part = format!("{part} {}", self.name);
        }
        if self.member > 0 { format!("{part} {}", self.member) } else { part }
    }

    /// The filters as the broker gets them.
    pub fn filters(&self, plain: &[String]) -> Vec<String> {
        let shared = |filter: &String| match &self.share {
            Some(group) => format!("$share/{group}/{filter}"),
            None => filter.clone(),
        };
        plain.iter().map(shared).collect()
    }

    /// Reads one section.
    pub fn read(section: &mut Section) -> Self {
        let enabled = section.get("enabled", true);
        let url = section.get("url", "mqtt://127.0.0.1:1883".to_owned());
        let (host, port, mut transport) = place(&url).unwrap_or_else(|text| {
            section.problem("url", text);
            ("127.0.0.1".to_owned(), 1883, Transport::default())
        });
        tls(section, &mut transport);
        let version = match section.get("version", "5".to_owned()).as_str() {
            "5" => Version::V5,
            "3.1.1" => Version::V3,
            _ => {
                section.problem("version", "must be \"5\" or \"3.1.1\"");
                Version::V5
            }
        };
        let client_id = section.get("client_id", "nadikota".to_owned());
        let session_expiry = section.get("session_expiry", Span(Duration::from_secs(7 * 86_400))).0;
        if client_id.is_empty() && !session_expiry.is_zero() {
            section.problem(
                "client_id",
                "is empty: the broker could not keep a session for us and messages would be lost; \
                 give a name that no other client has, or set session_expiry = \"0s\"",
            );
        }
        let keep_alive = section.get("keep_alive", Span(Duration::from_secs(30))).0;
        if keep_alive < Duration::from_secs(5) || keep_alive > Duration::from_secs(u64::from(u16::MAX)) {
            section.problem("keep_alive", "must be from 5s to 65535s");
        }
        let receive_maximum = section.get("receive_maximum", 1_000_u16);
        if receive_maximum == 0 {
            section.problem("receive_maximum", "must be at least 1");
        }
        let max_packet = section.get("max_packet", Size(2 * 1_048_576)).0;
        let max_packet = u32::try_from(max_packet).unwrap_or_else(|_| {
            section.problem("max_packet", "must be less than 4 GiB");
            u32::MAX
        });
        let park = section.get("park", usize::from(receive_maximum));
        let rebirth = section.get("rebirth", false);
        let login = login(section);
        let share = section.optional::<String>("share");
        if share.as_ref().is_some_and(|group| group.is_empty() || group.contains(['/', '+', '#'])) {
            section.problem("share", "must be a name without \"/\", \"+\" and \"#\"");
        }
        Self {
            name: String::new(),
            member: 0,
            share,
            enabled,
            options: Options {
                version,
                host,
                port,
                transport,
                client_id,
                login,
                keep_alive,
                session_expiry,
                receive_maximum: receive_maximum.max(1),
                max_packet,
                filters: Vec::new(),
                stale: Vec::new(),
            },
            park,
            rebirth,
        }
    }
}

/// The user with the password.
fn login(section: &mut Section) -> Option<(String, Secret)> {
    let user = section.optional::<String>("user");
    let password = section.optional::<String>("password").map(Secret::new);
    if user.is_none() && password.is_some() {
        section.problem("user", "is required where a password is given");
    }
    user.map(|user| (user, password.unwrap_or_else(|| Secret::new(""))))
}

/// The certificates of mqtts and wss.
fn tls(section: &mut Section, transport: &mut Transport) {
    let ca_file = section.optional::<PathBuf>("ca_file");
    let certificate = section.optional::<PathBuf>("client_cert_file");
    let key = section.optional::<PathBuf>("client_key_file");
    if transport.tls.is_none() && (ca_file.is_some() || certificate.is_some() || key.is_some()) {
        section.problem("url", "must begin with mqtts:// or wss:// where certificates are given");
        return;
    }
    let client = match (certificate, key) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        _ => {
            section.problem("client_cert_file", "and client_key_file must be given together");
            None
        }
    };
    if let Some(tls) = &mut transport.tls {
        (tls.ca_file, tls.client) = (ca_file, client);
        if let Err(error) = transport.check() {
            section.problem("ca_file", error.to_string());
        }
    }
}

fn place(text: &str) -> Result<(String, u16, Transport), String> {
    let url = url::Url::parse(text).map_err(|error| format!("{error}; write mqtt://host:port"))?;
    let (tls, websocket, port) = match url.scheme() {
        "mqtt" => (false, false, 1883),
        "mqtts" => (true, false, 8883),
        "ws" => (false, true, 80),
        "wss" => (true, true, 443),
        _ => return Err("must begin with mqtt://, mqtts://, ws:// or wss://".to_owned()),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold user or password; use the keys user and password_file".to_owned());
    }
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or("names no host")?;
    let transport =
        Transport { tls: tls.then(Tls::default), websocket: websocket.then(|| url.path().to_owned()) };
    Ok((host.to_owned(), url.port().unwrap_or(port), transport))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_and_a_login_in_it_is_refused() {
        let plain = Transport::default();
        assert_eq!(place("mqtt://broker:1884"), Ok(("broker".to_owned(), 1884, plain.clone())));
        assert_eq!(place("mqtt://[::1]"), Ok(("[::1]".to_owned(), 1883, plain)));
        let secure = Transport { tls: Some(Tls::default()), websocket: Some("/mqtt".to_owned()) };
        assert_eq!(place("wss://broker/mqtt"), Ok(("broker".to_owned(), 443, secure)));
        assert!(place("mqtt://u:p@broker").is_err());
        assert!(place("http://broker").is_err());
        assert!(place("broker").is_err());
    }

    fn read(text: &str) -> (Vec<Config>, Vec<String>) {
        let source = ::config::File::from_str(text, ::config::FileFormat::Toml);
        let tree = ::config::Config::builder().add_source(source).build().unwrap();
        let problems = crate::settings::Problems::default();
        let table = tree.cache.into_table().unwrap();
        let mut root = Section::root(table.into_iter().collect(), problems.clone());
        let all = Config::read_all(&mut root);
        (all, problems.into_vec().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn one_broker_or_several_each_with_its_connections() {
        assert!(read("").0.is_empty());
        let (one, _) = read("[mqtt]\nurl = \"mqtt://a\"\n");
        assert_eq!((one.len(), one[0].part()), (1, "mqtt".to_owned()));
        let plain = vec!["a/#".to_owned()];
        assert_eq!(one[0].filters(&plain), plain);
        let (many, problems) = read(
            "[[mqtt]]\nname = \"north\"\nconnections = 2\nclient_id = \"n\"\n[[mqtt]]\nname = \"south\"\nshare = \"g\"\n",
        );
        assert_eq!(problems, Vec::<String>::new());
        let told = many.iter().map(|one| (one.part(), one.options.client_id.as_str(), one.filters(&plain)));
        let expected = [
            ("mqtt north", "n-0", "$share/n/a/#"),
            ("mqtt north 1", "n-1", "$share/n/a/#"),
            ("mqtt south", "nadikota", "$share/g/a/#"),
        ];
        assert!(told.eq(expected.map(|(part, id, filter)| (part.to_owned(), id, vec![filter.to_owned()]))));
        let (_, problems) = read("[[mqtt]]\nconnections = 0\nshare = \"a/b\"\n");
        assert_eq!(problems.len(), 3, "{problems:?}");
        let (_, problems) = read("[[mqtt]]\nname = \"a\"\n[[mqtt]]\nname = \"a\"\n");
        assert_eq!(problems.len(), 1, "{problems:?}");
    }

    #[test]
    fn a_persistent_session_without_a_client_id_is_refused() {
        for (expiry, refused) in [("1d", true), ("0s", false)] {
            let problems = crate::settings::Problems::default();
            let values = [("client_id", ""), ("session_expiry", expiry)]
                .map(|(key, text)| (key.to_owned(), ::config::Value::from(text)));
            let mut section = Section::root(values.into_iter().collect(), problems.clone());
            let _ = Config::read(&mut section);
            assert_eq!(!problems.into_vec().is_empty(), refused);
        }
    }
}
