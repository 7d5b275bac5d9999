//! Puts the parts together: store, writer, outlet, API, listener; and stops them in order.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use protocol::ids::Hash32;
use tokio::sync::watch;

use crate::api::{self, App};
use crate::centre::Centre;
use crate::clock::Clock;
use crate::config::CentreConfig;
use crate::heartbeat::Heartbeats;
use crate::metrics::Metrics;
use crate::outlet::Outlet;
use crate::store::sqlite::SqliteStore;
use crate::store::{Reads, StoreError};
use crate::writer::Writer;

mod silence;

/// The database's file in the data directory.
pub const DATABASE: &str = "centre.db";

/// What a new data directory allows: the service alone.
const DATA_DIR_MODE: u32 = 0o700;

/// How long a new connection may take to say what it wants.
const FIRST_REQUEST_WITHIN: Duration = Duration::from_secs(10);

/// How long open requests may take to end once the service stops.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// Why the service does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Credentials that everybody can read.
    #[error("{0} credentials are those of the example file; put random ones in their place")]
    ExampleCredentials(usize),
    /// The port is taken.
    #[error("{0} is already in use; stop the other program or change `listen`")]
    PortTaken(SocketAddr),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The data directory cannot be made.
    #[error("the data directory {path} cannot be made")]
    DataDir {
        /// The directory.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// Another process writes the same database.
    #[error("the data directory {0} is used by another cloud-bridge")]
    InUse(PathBuf),
    /// The store cannot be opened.
    #[error("the store cannot be opened")]
    Store(#[source] StoreError),
    /// Certificate or key cannot be used.
    #[error("certificate {cert} or key {key} cannot be used")]
    Tls {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// No thread or randomness from the machine.
    #[error("the machine gives no {what}")]
    Machine {
        /// What.
        what: &'static str,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

/// A running service.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    handle: axum_server::Handle<SocketAddr>,
    serving: tokio::task::JoinHandle<std::io::Result<()>>,
    writer: Writer,
    writing: JoinHandle<()>,
    _lock: std::fs::File,
}

impl Running {
    /// Starts everything and listens.
    ///
    /// # Errors
    /// Says what cannot be opened, bound or used.
    pub async fn start(config: &CentreConfig) -> Result<Self, ServeError> {
        match config.example_credentials() {
            0 => {}
            count => return Err(ServeError::ExampleCredentials(count)),
        }
        let listener = TcpListener::bind(config.listen).map_err(|source| {
            if source.kind() == std::io::ErrorKind::AddrInUse {
                ServeError::PortTaken(config.listen)
            } else {
                ServeError::Listen { address: config.listen, source }
            }
        })?;
        let listen_failed = |source| ServeError::Listen { address: config.listen, source };
        listener.set_nonblocking(true).map_err(listen_failed)?;
        let address = listener.local_addr().map_err(listen_failed)?;

        let lock = lock_data_dir(config)?;
        let path = config.data_dir.join(DATABASE);
        let mut store = SqliteStore::open(&path, random_identity()?).map_err(ServeError::Store)?;
        let bounds = store.feed_bounds().map_err(ServeError::Store)?;
        let known = store.gateways().map_err(ServeError::Store)?;
        let centre = Centre::with_rules(store, config.mains).map_err(ServeError::Store)?;

        let metrics = Arc::new(Metrics::default());
        let clock = Arc::new(Clock::start());
        let outlet = Arc::new(Outlet::new(&config.tenant, bounds.last));
        let (writer, writing) = Writer::start(centre, Arc::clone(&outlet), Arc::clone(&clock), Arc::clone(&metrics))
            .map_err(|source| ServeError::Machine { what: "thread", source })?;
        let (stop, stopping) = watch::channel(false);
        let heartbeats = Heartbeats::start(config.heartbeat, known, clock.now_ms());
        let heartbeats = Arc::new(Mutex::new(heartbeats));
        let watch = silence::Watch {
            heartbeats: Arc::clone(&heartbeats),
            rules: config.heartbeat,
            high_risk: config.high_risk.clone(),
            writer: writer.clone(),
            clock: Arc::clone(&clock),
            metrics: Arc::clone(&metrics),
        };
        tokio::spawn(watch.run(stopping.clone()));
        let app = App::new(config, path, (writer.clone(), outlet, heartbeats), clock, metrics, stopping);
        let service = api::router(app).into_make_service();

        let handle = axum_server::Handle::new();
        let server = axum_server::from_tcp(listener).map_err(listen_failed)?;
        let server = server.handle(handle.clone()).first_request_timeout(FIRST_REQUEST_WITHIN);
        let serving = match &config.tls {
            None => tokio::spawn(server.acceptor(NoDelayAcceptor::new()).serve(service)),
            Some(tls) => {
                let loaded = RustlsConfig::from_pem_file(&tls.cert, &tls.key)
                    .await
                    .map_err(|source| ServeError::Tls { cert: tls.cert.clone(), key: tls.key.clone(), source })?;
                let acceptor = RustlsAcceptor::new(loaded).acceptor(NoDelayAcceptor::new());
                tokio::spawn(server.acceptor(acceptor).serve(service))
            }
        };
        Ok(Self { address, stop, handle, serving, writer, writing, _lock: lock })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends streams and long polls, lets open requests finish, commits what is queued.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        self.handle.graceful_shutdown(Some(STOP_WITHIN));
        if let Ok(Err(error)) = self.serving.await {
            tracing::warn!(%error, "the listener ended with an error");
        }
        let (writer, writing) = (self.writer, self.writing);
        let joined = tokio::task::spawn_blocking(move || {
            writer.stop();
            writing.join().is_ok()
        });
        if !joined.await.unwrap_or(false) {
            tracing::error!("the writer ended badly");
        }
    }
}

/// Makes the directory and holds a lock in it for as long as the service runs.
fn lock_data_dir(config: &CentreConfig) -> Result<std::fs::File, ServeError> {
    let failed = |source| ServeError::DataDir { path: config.data_dir.clone(), source };
    std::fs::DirBuilder::new().recursive(true).mode(DATA_DIR_MODE).create(&config.data_dir).map_err(failed)?;
    // Else a power cut could take the new directory away, with what was committed into it.
    for dir in [Some(config.data_dir.as_path()), config.data_dir.parent()].into_iter().flatten() {
        let dir = if dir.as_os_str().is_empty() { std::path::Path::new(".") } else { dir };
        std::fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed)?;
    }
    let lock = std::fs::File::create(config.data_dir.join("lock")).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(std::fs::TryLockError::WouldBlock) => Err(ServeError::InUse(config.data_dir.clone())),
        Err(std::fs::TryLockError::Error(source)) => Err(failed(source)),
    }
}

#[expect(clippy::disallowed_methods, reason = "the driver's randomness, once per database")]
fn random_identity() -> Result<Hash32, ServeError> {
    let mut identity = Hash32::ZERO;
    getrandom::fill(&mut identity.0).map_err(|error| ServeError::Machine {
        what: "randomness",
        source: std::io::Error::other(error.to_string()),
    })?;
    Ok(identity)
}
