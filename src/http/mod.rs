//! HTTP: tells people and machines how the service is; changes nothing but, with a token, the quarantine.

mod api;
mod ask;
mod control;
mod events;
mod guard;
mod health;
mod listener;
mod metrics;
mod page;
mod pulse;
mod view;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRef};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use ask::{Answer, AskError, ask, send};
pub use control::{Clerk, Desk, Job, Way};
pub use view::{Destination, Journal, Number, Snapshot, Value, View};

use pulse::Pulse;

use crate::secret::Secret;
use crate::settings::Section;

/// A client that is still reading when the service stops is cut off after this long.
const DRAIN: Duration = Duration::from_secs(2);

/// The section `[http]`.
#[derive(Debug, Clone)]
pub struct Config {
    /// Port 0 is any free port.
    pub listen: SocketAddr,
    /// Asked for where it is set, and where `listen` is not a loopback address, except by live, ready without its
    /// reasons, metrics and the empty page.
    pub token: Option<Secret>,
}

impl Default for Config {
    fn default() -> Self {
        Self { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)), token: None }
    }
}

impl Config {
    pub fn read(section: &mut Section) -> Self {
        let default = Self::default();
        let token = section.optional::<String>("token");
        if token.as_ref().is_some_and(String::is_empty) {
            section.problem("token", "is empty; leave it out or set a long random text");
        }
        Self {
            listen: section.get("listen", default.listen),
            token: token.filter(|text| !text.is_empty()).map(Secret::new),
        }
    }
}

/// What can go wrong with the HTTP server.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    #[error(
        "cannot listen for HTTP on {address}: the port is in use. Stop the program that has it, or choose another \
         with --http or http.listen"
    )]
    PortInUse { address: SocketAddr },
    #[error("cannot listen for HTTP on {address} (--http or http.listen)")]
    Bind { address: SocketAddr, source: io::Error },
    #[error("the HTTP server failed")]
    Serve(#[source] io::Error),
}

/// Takes the port of `http.listen`.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, HttpError> {
    TcpListener::bind(address).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => HttpError::PortInUse { address },
        _ => HttpError::Bind { address, source },
    })
}

/// The server, ready to run on a listener.
#[derive(Debug)]
pub struct Server {
    token: Option<Secret>,
    view: View,
    desk: Option<Desk>,
}

impl Server {
    pub fn new(config: &Config, view: View) -> Self {
        Self { token: config.token.clone(), view, desk: None }
    }

    /// Where the quarantine is worked on, which is not shown without one.
    #[must_use]
    pub fn with_desk(self, desk: Desk) -> Self {
        Self { desk: Some(desk), ..self }
    }

    /// Answers until `stop`, then lets open answers finish for a moment.
    pub async fn run(self, listener: TcpListener, stop: CancellationToken) -> Result<(), HttpError> {
        let address = listener.local_addr().map_err(HttpError::Serve)?;
        tracing::info!(%address, "HTTP is listening; the page is http://{address}/");
        let pulse = Arc::new(Pulse::new(self.view.clone()));
        let app = self.router(address, Arc::clone(&pulse), stop.clone());
        let serve = axum::serve(listener::Bounded::new(listener), app)
            .with_graceful_shutdown(stop.clone().cancelled_owned());
        let late = async {
            stop.cancelled().await;
            tokio::time::sleep(DRAIN).await;
        };
        tokio::select! {
            served = async { serve.await } => served.map_err(HttpError::Serve),
            never = pulse.run() => match never {},
            () = late => Ok(()),
        }
    }

    fn router(self, address: SocketAddr, pulse: Arc<Pulse>, stop: CancellationToken) -> Router {
        let door = Arc::new(guard::Door::new(address, self.token));
        let app =
            App { view: self.view, door: Arc::clone(&door), listeners: events::Listeners::new(stop), pulse };
        let closed = Router::new()
            .route("/health", get(health::whole))
            .route("/api/events", get(events::stream))
            .route("/api/latest", get(api::latest))
            .route("/api/refused", get(api::refused))
            .route("/api/explain", post(api::explain))
            .layer(DefaultBodyLimit::max(api::LARGEST_QUESTION))
            .layer(from_fn_with_state(Arc::clone(&door), guard::check));
        let page = page::FILES.iter().fold(Router::new(), |router, file| {
            router.route(file.path, get(move || std::future::ready(file.answer())))
        });
        let controlled = self.desk.map_or_else(Router::new, control::routes);
        Router::new()
            .route("/health/live", get(health::live))
            .route("/health/ready", get(health::ready))
            .route("/metrics", get(metrics::text))
            .merge(closed)
            .merge(controlled)
            .merge(page)
            .layer(from_fn_with_state(door, guard::check_name))
            .layer(from_fn(page::seal))
            .with_state(app)
    }
}

/// What the answers are made from.
#[derive(Debug, Clone)]
struct App {
    view: View,
    door: Arc<guard::Door>,
    pulse: Arc<Pulse>,
    listeners: events::Listeners,
}

impl FromRef<App> for View {
    fn from_ref(app: &App) -> Self {
        app.view.clone()
    }
}

#[cfg(test)]
mod tests;
