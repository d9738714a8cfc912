//! The door: who may connect to the embedded broker.

use std::future::{Future, ready};
use std::net::SocketAddr;
use std::pin::Pin;

use mqtt5::MqttError;
use mqtt5::broker::auth::{AuthProvider, AuthResult};
use mqtt5::packet::connect::ConnectPacket;
use mqtt5::protocol::v5::reason_codes::ReasonCode;

use crate::secret::Secret;

type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One user, and whether clients without a name may come in. Who is in may publish and subscribe to everything.
///
/// A refused publish would get an answer that MQTT 3.1.1 cannot tell from a PUBACK, so nothing is refused later.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) login: Option<(String, Secret)>,
    pub(super) allow_anonymous: bool,
}

impl Door {
    fn opens(&self, user: Option<&str>, password: &[u8]) -> bool {
        match (user, &self.login) {
            (None, _) => self.allow_anonymous,
            // Without a user of ours a name means nothing.
            (Some(_), None) => self.allow_anonymous,
            (Some(user), Some((known, secret))) => {
                same(user.as_bytes(), known.as_bytes()) & same(password, secret.reveal().as_bytes())
            }
        }
    }
}

/// Compares without telling by its duration where the difference is.
fn same(given: &[u8], wanted: &[u8]) -> bool {
    let differ = given.iter().zip(wanted.iter().cycle()).fold(0_u8, |sum, (a, b)| sum | (a ^ b));
    std::hint::black_box(differ) == 0 && given.len() == wanted.len()
}

impl AuthProvider for Door {
    fn authenticate<'a>(
        &'a self,
        connect: &'a ConnectPacket,
        client: SocketAddr,
    ) -> Answer<'a, Result<AuthResult, MqttError>> {
        let password = connect.password.as_deref().unwrap_or_default();
        let result = match &connect.username {
            user if self.opens(user.as_deref(), password) => match user {
                Some(user) => AuthResult::success_with_user(user),
                None => AuthResult::success(),
            },
            user => {
                tracing::warn!(%client, user, client_id = connect.client_id, "the embedded broker refused a login");
                AuthResult::fail(ReasonCode::BadUsernameOrPassword)
            }
        };
        Box::pin(ready(Ok(result)))
    }

    fn authorize_publish<'a>(&'a self, _: &str, _: Option<&'a str>, _: &'a str) -> Answer<'a, bool> {
        Box::pin(ready(true))
    }

    fn authorize_subscribe<'a>(&'a self, _: &str, _: Option<&'a str>, _: &'a str) -> Answer<'a, bool> {
        Box::pin(ready(true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_door_opens_for_the_user_and_only_where_allowed_for_anybody() {
        let login = Some(("sensor".to_owned(), Secret::new("rain")));
        let door = Door { login, allow_anonymous: false };
        assert!(door.opens(Some("sensor"), b"rain"));
        for (user, password) in
            [(Some("sensor"), "rainrain"), (Some("sensor"), ""), (Some("other"), "rain"), (None, "rain")]
        {
            assert!(!door.opens(user, password.as_bytes()), "{user:?} {password}");
        }
        let open = Door { login: None, allow_anonymous: true };
        assert!(open.opens(None, b"") && open.opens(Some("anybody"), b"x"));
    }
}
