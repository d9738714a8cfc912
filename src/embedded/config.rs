//! Settings of the embedded broker: `[broker]`.

use std::net::{Ipv4Addr, SocketAddr};

use crate::secret::Secret;
use crate::settings::{Section, Size};

/// What the embedded broker needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    pub listen: SocketAddr,
    /// Nothing: anybody may connect.
    pub login: Option<(String, Secret)>,
    /// Bytes.
    pub max_packet: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 1883)),
            login: None,
            max_packet: 2 * 1024 * 1024,
        }
    }
}

impl Config {
    pub fn read(section: &mut Section) -> Self {
        let default = Self::default();
        let listen = section.get("listen", default.listen);
        let user = section.optional::<String>("user");
        let password = section.optional::<String>("password").map(Secret::new);
        let login = match (user, password) {
            (Some(user), Some(password)) => Some((user, password)),
            (None, None) => None,
            _ => {
                section.problem("user", "and password must be given together");
                None
            }
        };
        let allowed = section.get("allow_anonymous", listen.ip().is_loopback());
        if login.is_none() && !allowed {
            let text = format!(
                "{listen} can be reached from other machines: give user and password, or say allow_anonymous = true"
            );
            section.problem("listen", text);
        }
        let bytes = u64::try_from(default.max_packet).unwrap_or(u64::MAX);
        let max_packet = usize::try_from(section.get("max_packet", Size(bytes)).0).unwrap_or(usize::MAX);
        Self { listen, login, max_packet }
    }
}
