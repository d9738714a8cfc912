//! Section `[mqtt]`: the broker to read from.

use std::path::PathBuf;
use std::time::Duration;

use crate::mqtt::{Options, Tls, Transport, Version};
use crate::secret::Secret;
use crate::settings::{Section, Size, Span};

/// What the source needs to know of its broker.
#[derive(Debug, Clone)]
pub struct Config {
    pub enabled: bool,
    pub options: Options,
    /// Messages held in memory while the journal is full.
    pub park: usize,
}

impl Config {
    /// Reads the section; every mistake is kept there as a problem.
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
        let login = login(section);
        let filters = Vec::new();
        Self {
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
                filters,
            },
            park,
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
