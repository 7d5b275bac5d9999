//! The door before the embedded broker: every connection from the home comes through it.
//!
//! It bounds what strangers can hold (connections that do not sign in, packets that never end, memory),
//! and it lets life safety overtake: it reads ahead on each connection, gives the broker only a short
//! queue of telemetry, and a press that comes behind ten thousand motions goes first. What a packet
//! means is the broker's to judge; the door knows where packets end, who signs in and which topic a
//! publish is for.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

mod frame;
mod guests;
mod lanes;
mod passage;

pub use self::guests::{DoorCounts, Guests};
pub use self::lanes::Topics;
use self::passage::{Passage, ReadAhead};

/// Longest packet, bytes: a device list of 357 devices is 763 kB.
pub const PACKET_BYTES_MAX: usize = 2 * 1024 * 1024;

/// A packet up to this is held whole before the broker sees any of it, bytes.
const SMALL_BYTES_MAX: usize = 64 * 1024;

/// Most that is read ahead on one connection, bytes.
const READ_AHEAD_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Most that is read ahead on all connections together, bytes; beyond it each keeps [`SMALL_BYTES_MAX`].
const READ_AHEAD_TOTAL_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Most packets longer than [`SMALL_BYTES_MAX`] on their way at once, in the whole home.
const LARGE_UNDER_WAY_MAX: usize = 4;

/// From connecting to being signed in.
const SIGN_IN_WAIT: Duration = Duration::from_secs(10);

/// A sign-in that the broker cannot take just now is said again after this long, then after twice as
/// long, and so on: a client that comes back at once meets its own last session still being put away.
const ASK_AGAIN_FIRST: Duration = Duration::from_millis(10);

/// How often it is said again before the client hears of it.
const ASK_AGAIN_MAX: u32 = 7;

/// From the first byte of a long packet to its last.
const LARGE_WAIT: Duration = Duration::from_secs(20);

/// When the broker has answered nothing for so long, telemetry goes on without its answers.
const ANSWER_WAIT: Duration = Duration::from_secs(2);

/// From the end of one side to the end of the other.
const SEE_OFF_WAIT: Duration = Duration::from_secs(5);

/// What all connections share.
#[derive(Clone)]
struct House {
    broker: SocketAddr,
    topics: Arc<Topics>,
    read_ahead: ReadAhead,
    large: Arc<Semaphore>,
}

/// Takes connections on `listener` for ever and passes them to the broker at `broker`.
///
/// The broker must ask `guests` whether a connection is the door's own, and refuse any other.
pub async fn keep(listener: TcpListener, broker: SocketAddr, topics: Topics, guests: Guests, counts: DoorCounts) {
    let house = House {
        broker,
        topics: Arc::new(topics),
        read_ahead: ReadAhead::default(),
        large: Arc::new(Semaphore::new(LARGE_UNDER_WAY_MAX)),
    };
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                counts.count("connections");
                let house = house.clone();
                guests.arrive(|guest| async move {
                    if let Err(error) = pass(client, house, guest).await {
                        tracing::debug!(%error, "a connection of the home ended");
                    }
                });
            }
            Err(error) => {
                counts.count("accept_failed");
                tracing::warn!(%error, "a connection of the home could not be taken");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn pass(client: TcpStream, house: House, mut guest: guests::Guest) -> io::Result<()> {
    client.set_nodelay(true)?;
    let broker = dial(&house, &mut guest).await?;
    Passage::new(client, broker, house, guest).run().await
}

async fn dial(house: &House, guest: &mut guests::Guest) -> io::Result<TcpStream> {
    let broker = TcpStream::connect(house.broker).await?;
    broker.set_nodelay(true)?;
    guest.dials_from(broker.local_addr()?.port());
    Ok(broker)
}

#[cfg(test)]
mod tests;
