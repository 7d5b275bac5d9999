//! The API under `/v1`: who may ask what, and where it is answered. Every error is a problem detail.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{MethodRouter, get, post};
use protocol::ids::GatewayId;
use protocol::uplink::UPLINK_BYTES_MAX;
use tokio::sync::watch;

use crate::centre::{Answer, LinkChange, Request};
use crate::clock::Clock;
use crate::config::CentreConfig;
use crate::heartbeat::Heartbeats;
use crate::metrics::Metrics;
use crate::outlet::Outlet;
use crate::store::StoreError;
use crate::store::sqlite::SqliteStore;
use crate::writer::Writer;

pub mod access;
mod body;
mod commands;
mod downlink;
mod feed;
mod openapi;
mod operations;
mod orders;
pub mod problem;
mod salvage;
mod schema;
mod stream;
mod uplink;
mod view;

use access::Access;
use problem::ApiError;
pub use uplink::understand as understand_uplink;

/// Database readers kept open while idle.
const READERS_IDLE_MAX: usize = 8;

/// What every handler works with.
#[derive(Debug, Clone)]
pub struct App(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    access: Access,
    writer: Writer,
    outlet: Arc<Outlet>,
    heartbeats: Arc<Mutex<Heartbeats>>,
    clock: Arc<Clock>,
    metrics: Arc<Metrics>,
    stopping: watch::Receiver<bool>,
    database: PathBuf,
    readers: Mutex<Vec<SqliteStore>>,
    health: operations::Health,
}

impl App {
    /// Puts the parts of a running service together.
    pub fn new(
        config: &CentreConfig,
        database: PathBuf,
        parts: (Writer, Arc<Outlet>, Arc<Mutex<Heartbeats>>),
        clock: Arc<Clock>,
        metrics: Arc<Metrics>,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        let (writer, outlet, heartbeats) = parts;
        Self(Arc::new(Inner {
            access: Access::new(config),
            writer,
            outlet,
            heartbeats,
            clock,
            metrics,
            stopping,
            database,
            readers: Mutex::new(Vec::new()),
            health: operations::Health::default(),
        }))
    }

    /// A gateway is heard; a home that was held for silent is told so.
    async fn heard(&self, gateway: &GatewayId) {
        let heartbeats = || self.0.heartbeats.lock().unwrap_or_else(PoisonError::into_inner);
        let returned = heartbeats().beat(gateway, self.0.clock.now_ms());
        if returned {
            let told = Request::Link { gateway: gateway.clone(), change: LinkChange::Heard };
            if !matches!(self.0.writer.ask(told).await, Ok(Answer::Committed)) {
                heartbeats().not_told(gateway);
            }
        }
    }

    /// Reads from the store on a thread where blocking is allowed.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut SqliteStore) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let app = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || {
            let idle = app.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut reader = match idle {
                Some(reader) => reader,
                None => SqliteStore::open_reader(&app.database)?,
            };
            let value = read(&mut reader)?;
            let mut readers = app.readers.lock().unwrap_or_else(PoisonError::into_inner);
            if readers.len() < READERS_IDLE_MAX {
                readers.push(reader);
            }
            Ok(value)
        });
        match done.await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(ApiError::store(&error)),
            Err(_) => Err(ApiError::Stopping),
        }
    }
}

/// Every route: method, path as in the API document, handler.
fn routes() -> Vec<(&'static str, &'static str, MethodRouter<App>)> {
    vec![
        ("post", "/v1/uplink", post(uplink::uplink)),
        ("get", "/v1/downlink", get(downlink::downlink)),
        ("get", "/v1/feed", get(feed::feed)),
        ("get", "/v1/feed/stream", get(stream::stream)),
        ("get", "/v1/work-orders", get(orders::list)),
        ("get", "/v1/work-orders/{id}", get(orders::one)),
        ("post", "/v1/work-orders/{id}/claim", post(commands::claim)),
        ("post", "/v1/work-orders/{id}/release", post(commands::release)),
        ("post", "/v1/work-orders/{id}/dispatch", post(commands::dispatch)),
        ("post", "/v1/work-orders/{id}/withdraw", post(commands::withdraw)),
        ("post", "/v1/work-orders/{id}/on_scene", post(commands::on_scene)),
        ("post", "/v1/work-orders/{id}/note", post(commands::note)),
        ("post", "/v1/work-orders/{id}/close", post(commands::close)),
        ("get", "/v1/openapi.json", get(openapi::document)),
        ("get", "/healthz", get(operations::healthz)),
        ("get", "/metrics", get(operations::metrics)),
    ]
}

/// The whole API.
pub fn router(app: App) -> Router {
    let mut router = Router::new();
    for (_, path, handler) in routes() {
        router = router.route(path, handler.fallback(problem::method_not_allowed));
    }
    router
        .fallback(problem::not_found)
        .layer(axum::middleware::from_fn_with_state(app.clone(), problem::count))
        .layer(DefaultBodyLimit::max(UPLINK_BYTES_MAX))
        .with_state(app)
}

#[cfg(test)]
mod tests;
