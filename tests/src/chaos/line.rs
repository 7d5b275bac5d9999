//! One line to the centre: a TCP proxy that can delay, stall, cut in the middle of a frame and
//! half-close, and counts what it carried.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Bytes carried at once; a TLS record is longer, so that a cut falls inside one.
const CHUNK_BYTES: usize = 512;

/// What a line does with what passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Carries everything at once.
    Open,
    /// Carries each chunk so much later, milliseconds.
    Delay(u64),
    /// Takes connections and bytes and carries nothing; what it holds goes on when it opens again.
    Stall,
    /// Carries so many more bytes of each connection and then drops it.
    Cut(usize),
    /// Carries requests and ends the stream of answers: the centre commits, the gateway never hears.
    HalfClose,
}

/// What a line has done.
#[derive(Debug, Default)]
pub struct Counts {
    /// Connections taken.
    pub connections: AtomicU64,
    /// Bytes carried from the gateway to the centre.
    pub up_bytes: AtomicU64,
    /// Bytes carried from the centre to the gateway.
    pub down_bytes: AtomicU64,
    /// Connections cut.
    pub cut: AtomicU64,
    /// Answers ended early.
    pub half_closed: AtomicU64,
    /// Chunks that had to wait in a stall.
    pub stalled: AtomicU64,
}

/// One line.
pub struct Line {
    mode: watch::Sender<Mode>,
    counts: Arc<Counts>,
    taking: tokio::task::JoinHandle<()>,
}

impl Line {
    /// Takes connections on `listener` and carries them to `centre`.
    pub fn start(listener: TcpListener, centre: SocketAddr) -> Self {
        let (mode, mode_now) = watch::channel(Mode::Open);
        let counts = Arc::new(Counts::default());
        let taking = tokio::spawn(take(listener, centre, mode_now, Arc::clone(&counts)));
        Self { mode, counts, taking }
    }

    /// Changes what it does, for connections under way too.
    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// What it has done.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Bytes carried up so far.
    pub fn up_bytes(&self) -> u64 {
        self.counts.up_bytes.load(Ordering::Relaxed)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.taking.abort();
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

async fn take(listener: TcpListener, centre: SocketAddr, mode: watch::Receiver<Mode>, counts: Arc<Counts>) {
    while let Ok((near, _)) = listener.accept().await {
        counts.connections.fetch_add(1, Ordering::Relaxed);
        let (mode, counts) = (mode.clone(), Arc::clone(&counts));
        tokio::spawn(async move {
            let mut waiting = mode.clone();
            if waiting.wait_for(|mode| *mode != Mode::Stall).await.is_err() {
                return;
            }
            // No connection: the near end is dropped, as a router would answer.
            let Ok(far) = TcpStream::connect(centre).await else { return };
            for stream in [&near, &far] {
                let _ = stream.set_nodelay(true);
            }
            let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
            // The first to end ends both, so that a cut is a cut in both directions.
            tokio::select! {
                () = carry(near_read, far_write, Way::Up, mode.clone(), &counts) => {}
                () = carry(far_read, near_write, Way::Down, mode, &counts) => {}
            }
        });
    }
}

async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    way: Way,
    mut mode: watch::Receiver<Mode>,
    counts: &Counts,
) {
    let mut chunk = [0; CHUNK_BYTES];
    let mut left_to_cut = None;
    loop {
        let Ok(read @ 1..) = from.read(&mut chunk).await else { return };
        let mut carried = read;
        if *mode.borrow_and_update() == Mode::Stall {
            counts.stalled.fetch_add(1, Ordering::Relaxed);
            if mode.wait_for(|mode| *mode != Mode::Stall).await.is_err() {
                return;
            }
        }
        let mode_now = *mode.borrow_and_update();
        match mode_now {
            Mode::Open | Mode::Stall => left_to_cut = None,
            Mode::Delay(delay_ms) => tokio::time::sleep(Duration::from_millis(delay_ms)).await,
            Mode::Cut(after) => {
                let left = left_to_cut.get_or_insert(after);
                carried = read.min(*left);
                *left -= carried;
            }
            Mode::HalfClose if way == Way::Down => {
                counts.half_closed.fetch_add(1, Ordering::Relaxed);
                let _ = to.shutdown().await;
                // The other direction goes on: what the gateway says is still heard by the centre.
                std::future::pending::<()>().await;
            }
            Mode::HalfClose => {}
        }
        if to.write_all(&chunk[..carried]).await.is_err() {
            return;
        }
        let bytes = if way == Way::Up { &counts.up_bytes } else { &counts.down_bytes };
        bytes.fetch_add(carried as u64, Ordering::Relaxed);
        if carried < read {
            counts.cut.fetch_add(1, Ordering::Relaxed);
            return;
        }
    }
}
