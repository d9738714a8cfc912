//! Section `[broker]`: whether and where devices connect to us directly, and who may.

use std::net::{Ipv4Addr, SocketAddr};

use crate::secret::Secret;
use crate::settings::Section;

/// What the embedded broker needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    pub enabled: bool,
    /// Port 0 is any free port.
    pub listen: SocketAddr,
    pub login: Option<(String, Secret)>,
    /// Whether a client without a user name may connect.
    pub allow_anonymous: bool,
    /// Sparkplug nodes whose births are missing are asked for them.
    pub rebirth: bool,
}

impl Default for Config {
    fn default() -> Self {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 1883));
        Self { enabled: true, listen, login: None, allow_anonymous: true, rebirth: false }
    }
}

impl Config {
    /// Reads the section, which switches the broker on by being there; every mistake is kept as a problem.
    pub fn read(section: &mut Section) -> Self {
        let default = Self::default();
        let enabled = section.get("enabled", default.enabled);
        let listen = section.get("listen", default.listen);
        let user = section.optional::<String>("user").filter(|user| !user.is_empty());
        let password = section.optional::<String>("password").filter(|password| !password.is_empty());
        let anonymous = section.optional::<bool>("allow_anonymous");
        let named = user.is_some() || password.is_some();
        let login = match (user, password) {
            (Some(user), Some(password)) => Some((user, Secret::new(password))),
            (Some(_), None) => {
                section.problem("password", "is required where a user is given");
                None
            }
            (None, Some(_)) => {
                section.problem("user", "is required where a password is given");
                None
            }
            (None, None) => None,
        };
        let allow_anonymous = anonymous.unwrap_or(!named && listen.ip().is_loopback());
        if enabled && !named && !allow_anonymous {
            let (key, text) = if anonymous.is_some() {
                (
                    "allow_anonymous",
                    "is false and there is no user: nobody could connect; set user and password".to_owned(),
                )
            } else {
                (
                    "listen",
                    format!(
                        "{listen} can be reached from other machines and anybody could publish; set user and \
                         password, or allow_anonymous = true if the network is yours alone"
                    ),
                )
            };
            section.problem(key, text);
        }
        let rebirth = section.get("rebirth", default.rebirth);
        Self { enabled, listen, login, allow_anonymous, rebirth }
    }
}
