//! The guard: off loopback, details are shown only to who holds the token.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::secret::Secret;

/// Whether, and with what, the closed pages open.
#[derive(Debug)]
pub(super) enum Door {
    /// Only this machine can reach us.
    Open,
    Token(Secret),
    /// Others can reach us and no token is set: closed to all.
    Shut,
}

impl Door {
    pub(super) fn new(address: SocketAddr, token: Option<Secret>) -> Self {
        match token {
            _ if address.ip().is_loopback() => Self::Open,
            Some(token) => Self::Token(token),
            None => Self::Shut,
        }
    }

    fn admits(&self, headers: &HeaderMap) -> bool {
        match self {
            Self::Open => true,
            Self::Shut => false,
            Self::Token(token) => gives(headers, token),
        }
    }
}

/// Whether the request shows this token.
pub(super) fn gives(headers: &HeaderMap, token: &Secret) -> bool {
    headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "))
        .is_some_and(|given| same(given, token.reveal().as_bytes()))
}

/// Runs before each closed page.
pub(super) async fn check(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    if door.admits(request.headers()) {
        return next.run(request).await;
    }
    let told = match *door {
        Door::Shut => "closed: set http.token or http.token_file to open this page to other machines\n",
        Door::Open | Door::Token(_) => "send the token of http.token as: Authorization: Bearer <token>\n",
    };
    (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")], told).into_response()
}

/// Compares in a time that does not tell how many bytes were right.
fn same(given: &[u8], token: &[u8]) -> bool {
    let differing = given.iter().zip(token).fold(0_u8, |sum, (a, b)| sum | (a ^ b));
    given.len() == token.len() && std::hint::black_box(differing) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        headers
    }

    #[test]
    fn off_loopback_only_the_exact_token_opens() {
        let door = Door::new("0.0.0.0:8080".parse().unwrap(), Some(Secret::new("s3cret")));
        assert!(door.admits(&headers("Bearer s3cret")));
        for wrong in ["Bearer s3cre", "Bearer s3cret2", "Bearer ", "s3cret", "Basic s3cret"] {
            assert!(!door.admits(&headers(wrong)), "{wrong}");
        }
        assert!(!door.admits(&HeaderMap::new()));
    }

    #[test]
    fn off_loopback_without_a_token_it_is_shut_and_on_loopback_open() {
        assert!(!Door::new("[::]:80".parse().unwrap(), None).admits(&headers("Bearer ")));
        assert!(Door::new("127.0.0.1:80".parse().unwrap(), None).admits(&HeaderMap::new()));
    }
}
