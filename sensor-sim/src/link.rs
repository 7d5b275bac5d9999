//! The connection to a broker: publishes until confirmed, hears what is subscribed, reconnects for ever.
//!
//! Each connection is a fresh client over one outbox, so that a lost session loses no message.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::publication::Publication;

mod driver;
mod outbox;

use driver::Driver;
pub use outbox::Away;

/// The largest message sent or taken, bytes: above what any broker of ours lets through.
pub const PACKET_BYTES_MAX: usize = 20 << 20;
/// News that may wait to be read; more are dropped and counted.
const NEWS_MAX: usize = 4096;

/// Where and as whom to connect.
#[derive(Debug, Clone)]
pub struct LinkConfig {
    /// Client id; names the session that the broker keeps.
    pub client_id: String,
    /// Host.
    pub host: String,
    /// Port.
    pub port: u16,
    /// User name and password, where the broker wants them.
    pub sign_in: Option<(String, String)>,
    /// What to subscribe to.
    pub filters: Vec<String>,
    /// What the broker publishes when this client is gone without a word.
    pub will: Option<Publication>,
    /// What happens to messages while the broker is away.
    pub away: Away,
}

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkTrouble {
    /// Nobody listens there, or the name is unknown.
    #[error("cannot reach the broker at {address}: {why}; is it running, and is the address right?")]
    NotReached {
        /// Host and port.
        address: String,
        /// The system's words.
        why: String,
    },
    /// The broker does not take the user name and password.
    #[error("the broker at {address} refuses the sign-in of `{user}`; check the user name and password")]
    SignInRefused {
        /// Host and port.
        address: String,
        /// User name, or `(none)`.
        user: String,
    },
    /// The broker refuses the connection for another reason.
    #[error("the broker at {address} refuses the connection: {why}")]
    Refused {
        /// Host and port.
        address: String,
        /// Its reason.
        why: String,
    },
    /// An open connection was lost.
    #[error("the connection to the broker at {address} was lost: {why}")]
    Lost {
        /// Host and port.
        address: String,
        /// What was seen.
        why: String,
    },
}

/// What a link has to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkNews {
    /// Connected and signed in.
    Connected {
        /// Whether it is the first time.
        first: bool,
    },
    /// The broker has answered every subscription.
    Subscribed,
    /// The broker refuses a subscription.
    SubscriptionRefused {
        /// The filter.
        filter: String,
    },
    /// A message came.
    Heard {
        /// Topic.
        topic: String,
        /// Payload.
        payload: Vec<u8>,
        /// Whether it was kept by the broker from before.
        retained: bool,
    },
    /// There is no connection; the next try follows by itself.
    Away {
        /// Why.
        trouble: LinkTrouble,
        /// Time to the next try.
        retry_in: Duration,
    },
    /// A message will not be delivered.
    Dropped {
        /// Its topic.
        topic: String,
        /// Why.
        why: &'static str,
    },
}

/// How many messages were taken and how many are settled: confirmed or dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// Taken from callers.
    pub taken: u64,
    /// Confirmed by the broker.
    pub confirmed: u64,
    /// Dropped.
    pub dropped: u64,
    /// Whether a connection is open.
    pub connected: bool,
}

enum Command {
    Publish(Publication, Option<oneshot::Sender<()>>),
    Close,
}

/// The link was closed, or its task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the link to the broker is closed")]
pub struct LinkClosed;

/// A connection to a broker that mends itself.
#[derive(Debug)]
pub struct Link {
    commands: mpsc::Sender<Command>,
    standing: watch::Receiver<Standing>,
    task: JoinHandle<()>,
}

impl Link {
    /// Begins to connect; news come through the receiver, and publishing may begin at once.
    pub fn open(config: LinkConfig) -> (Self, mpsc::Receiver<LinkNews>) {
        let (commands, commands_rx) = mpsc::channel(64);
        let (news, news_rx) = mpsc::channel(NEWS_MAX);
        let (standing_tx, standing) = watch::channel(Standing::default());
        let driver = Driver::new(config, commands_rx, news, standing_tx);
        let task = tokio::spawn(driver.run());
        (Self { commands, standing, task }, news_rx)
    }

    /// Hands over a message; waits while too many are unconfirmed and none may be dropped.
    pub async fn publish(&self, publication: Publication) -> Result<(), LinkClosed> {
        self.commands.send(Command::Publish(publication, None)).await.map_err(|_| LinkClosed)
    }

    /// Publishes; the receiver answers at the broker's confirmation (PUBACK), or fails where it was dropped.
    pub async fn publish_tracked(&self, publication: Publication) -> Result<oneshot::Receiver<()>, LinkClosed> {
        let (done, confirmed) = oneshot::channel();
        self.commands.send(Command::Publish(publication, Some(done))).await.map_err(|_| LinkClosed)?;
        Ok(confirmed)
    }

    /// Publishes and waits for the broker's confirmation; an error where it was dropped.
    pub async fn publish_confirmed(&self, publication: Publication) -> Result<(), LinkClosed> {
        self.publish_tracked(publication).await?.await.map_err(|_| LinkClosed)
    }

    /// How many messages are confirmed.
    pub fn standing(&self) -> Standing {
        *self.standing.borrow()
    }

    /// Waits until `enough` holds.
    pub async fn until(&self, enough: impl FnMut(&Standing) -> bool) -> Result<Standing, LinkClosed> {
        self.standing.clone().wait_for(enough).await.map(|standing| *standing).map_err(|_| LinkClosed)
    }

    /// Sends what is still waiting, as long as there is a connection, and signs off.
    pub async fn close(self) -> Standing {
        // A link that has ended by itself is closed already.
        let _ = self.commands.send(Command::Close).await;
        let _ = self.task.await;
        *self.standing.borrow()
    }
}

#[cfg(test)]
mod tests;
