//! The guard: who may see more than that we are there, and under which names we answer.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::secret::Secret;

/// Whether, and with what, the closed pages open.
#[derive(Debug)]
pub(super) enum Door {
    /// Only this machine can reach us, and no token is set.
    Local,
    Token(Secret),
    /// Others can reach us and no token is set: closed to all.
    Shut,
}

impl Door {
    pub(super) fn new(address: SocketAddr, token: Option<Secret>) -> Self {
        match token {
            Some(token) => Self::Token(token),
            None if address.ip().is_loopback() => Self::Local,
            None => Self::Shut,
        }
    }

    pub(super) fn admits(&self, headers: &HeaderMap) -> bool {
        match self {
            Self::Local => true,
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
        Door::Local | Door::Token(_) => "send the token of http.token as: Authorization: Bearer <token>\n",
    };
    (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")], told).into_response()
}

/// Runs before every answer. A page of another site can give itself a name that leads to loopback, and would then be
/// let in with this machine's browser; but the browser tells us that name. Where a token is asked for it is no use.
pub(super) async fn check_name(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    if matches!(*door, Door::Local) && !names_this_machine(&request) {
        let told = "without http.token only requests to localhost, 127.0.0.1 or [::1] are answered; behind a proxy, or \
                    under a name of its own, set http.token\n";
        return (StatusCode::MISDIRECTED_REQUEST, told).into_response();
    }
    next.run(request).await
}

/// No browser leaves the name out.
fn names_this_machine(request: &Request) -> bool {
    let told = match request.headers().get(header::HOST) {
        Some(value) => value.to_str().ok().and_then(|text| text.parse().ok()),
        None => match request.uri().authority() {
            Some(authority) => Some(authority.clone()),
            None => return true,
        },
    };
    told.is_some_and(|told: Authority| {
        let name = told.host().trim_start_matches('[').trim_end_matches(']');
        name.eq_ignore_ascii_case("localhost")
            || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    })
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
    fn where_a_token_is_set_only_it_opens_also_on_loopback() {
        for address in ["0.0.0.0:8080", "127.0.0.1:8080", "[::1]:8080"] {
            let door = Door::new(address.parse().unwrap(), Some(Secret::new("s3cret")));
            assert!(door.admits(&headers("Bearer s3cret")));
            for wrong in ["Bearer s3cre", "Bearer s3cret2", "Bearer ", "s3cret", "Basic s3cret"] {
                assert!(!door.admits(&headers(wrong)), "{wrong}");
            }
            assert!(!door.admits(&HeaderMap::new()));
        }
    }

    #[test]
    fn only_names_of_this_machine_are_its_names() {
        let names = |host: Option<&str>, uri: &str| {
            let request = axum::http::Request::builder().uri(uri);
            let request = host.into_iter().fold(request, |request, host| request.header("host", host));
            names_this_machine(&request.body(axum::body::Body::empty()).unwrap())
        };
        for own in
            ["localhost", "LocalHost:8080", "127.0.0.1", "127.0.0.1:1", "127.1.2.3:80", "[::1]", "[::1]:8080"]
        {
            assert!(names(Some(own), "/"), "{own}");
        }
        for other in [
            "evil.example:8080",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "192.0.2.1",
            "",
            "a b",
            "[::2]",
        ] {
            assert!(!names(Some(other), "/"), "{other}");
        }
        assert!(names(None, "/") && names(None, "http://localhost/") && !names(None, "http://evil.example/"));
    }

    #[test]
    fn off_loopback_without_a_token_it_is_shut_and_on_loopback_open() {
        assert!(!Door::new("[::]:80".parse().unwrap(), None).admits(&headers("Bearer ")));
        assert!(Door::new("127.0.0.1:80".parse().unwrap(), None).admits(&HeaderMap::new()));
    }
}
