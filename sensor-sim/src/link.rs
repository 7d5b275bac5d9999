//! The connection to a broker: publishes until confirmed, hears what is subscribed, reconnects for ever.
//!
//! Each connection is a fresh client over one outbox, so that a lost session loses no message.

use std::io;
use std::time::Duration;

use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event, EventLoop, LastWill, MqttOptions, Outgoing, Packet, QoS,
    SubscribeFilter, SubscribeReasonCode,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::publication::{Publication, Qos};

mod outbox;

pub use outbox::Away;
use outbox::{Entry, Outbox};

/// The largest message sent or taken, bytes: above what any broker of ours lets through.
pub const PACKET_BYTES_MAX: usize = 20 << 20;
/// Shortest and longest wait before the next try to connect.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));
/// How long a broker may take to answer a connect, seconds.
const CONNECT_SECS_MAX: u64 = 5;
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
        let driver = Driver {
            outbox: Outbox::new(config.away),
            config,
            commands: commands_rx,
            news,
            standing: standing_tx,
            connected_before: false,
            closing: false,
        };
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

struct Driver {
    config: LinkConfig,
    outbox: Outbox,
    commands: mpsc::Receiver<Command>,
    news: mpsc::Sender<LinkNews>,
    standing: watch::Sender<Standing>,
    connected_before: bool,
    closing: bool,
}

enum Ended {
    SignedOff,
    Trouble(LinkTrouble),
}

impl Driver {
    async fn run(mut self) {
        let mut wait = BACKOFF.0;
        loop {
            match self.connection(&mut wait).await {
                Ended::SignedOff => return,
                Ended::Trouble(trouble) => {
                    self.standing.send_modify(|standing| standing.connected = false);
                    for entry in self.outbox.disconnected() {
                        self.drop_entry(entry, "the broker closes the connection each time it is sent");
                    }
                    if self.closing {
                        return;
                    }
                    self.tell(LinkNews::Away { trouble, retry_in: wait });
                    if self.rest(wait).await {
                        return;
                    }
                    wait = (wait * 2).min(BACKOFF.1);
                }
            }
        }
    }

    /// Waits for the next try and goes on taking messages; true where the link is to close.
    async fn rest(&mut self, wait: Duration) -> bool {
        let alarm = tokio::time::sleep(wait);
        tokio::pin!(alarm);
        loop {
            tokio::select! {
                () = &mut alarm => return false,
                command = self.commands.recv(), if self.outbox.has_room() => {
                    if !self.take(command, false) {
                        return true;
                    }
                }
            }
        }
    }

    /// One connection, from connect to its end.
    async fn connection(&mut self, wait: &mut Duration) -> Ended {
        let (client, event_loop) = AsyncClient::new(self.options(), 256);
        let (events_tx, mut events) = mpsc::channel(256);
        let poller = tokio::spawn(poll(event_loop, events_tx));
        let mut connected = false;
        let ended = loop {
            tokio::select! {
                event = events.recv() => match event {
                    Some(Ok(event)) => self.on_event(event, &client, &mut connected, wait),
                    Some(Err(error)) => break self.ended(&error, connected),
                    None => break self.ended(&ConnectionError::RequestsDone, connected),
                },
                command = self.commands.recv(), if !self.closing && self.outbox.has_room() => {
                    if !self.take(command, connected) {
                        self.closing = true;
                        if !connected {
                            break Ended::SignedOff;
                        }
                    }
                }
            }
            while connected && let Some(publication) = self.outbox.submit() {
                let qos = if publication.qos == Qos::AtMostOnce { QoS::AtMostOnce } else { QoS::AtLeastOnce };
                let Publication { topic, payload, retain, .. } = publication.clone();
                // The outbox hands out fewer than the client's channel holds; a failure shows as a lost connection.
                let _ = client.try_publish(topic, qos, retain, payload);
            }
            if self.closing && connected && self.outbox.len() == 0 {
                let _ = client.try_disconnect();
                while let Some(Ok(event)) = events.recv().await {
                    if event == Event::Outgoing(Outgoing::Disconnect) {
                        break;
                    }
                }
                break Ended::SignedOff;
            }
        };
        poller.abort();
        ended
    }

    fn on_event(&mut self, event: Event, client: &AsyncClient, connected: &mut bool, wait: &mut Duration) {
        #[expect(clippy::wildcard_enum_match_arm, reason = "the rest of MQTT is the client's own business")]
        match event {
            Event::Incoming(Packet::ConnAck(_)) => {
                *connected = true;
                *wait = BACKOFF.0;
                // Subscribed again on every connection: a session that the broker says it kept may be an older one.
                let filters = self
                    .config
                    .filters
                    .iter()
                    .map(|filter| SubscribeFilter { path: filter.clone(), qos: QoS::AtLeastOnce });
                if !self.config.filters.is_empty() {
                    let _ = client.try_subscribe_many(filters);
                }
                self.standing.send_modify(|standing| standing.connected = true);
                self.tell(LinkNews::Connected { first: !self.connected_before });
                self.connected_before = true;
            }
            Event::Incoming(Packet::SubAck(answer)) => {
                for (filter, code) in self.config.filters.iter().zip(&answer.return_codes) {
                    if *code == SubscribeReasonCode::Failure {
                        self.tell(LinkNews::SubscriptionRefused { filter: filter.clone() });
                    }
                }
                self.tell(LinkNews::Subscribed);
            }
            Event::Incoming(Packet::Publish(heard)) => self.tell(LinkNews::Heard {
                topic: heard.topic,
                payload: heard.payload.to_vec(),
                retained: heard.retain,
            }),
            Event::Incoming(Packet::PubAck(answer)) => {
                let entry = self.outbox.confirmed(answer.pkid);
                self.settle(entry);
            }
            Event::Outgoing(Outgoing::Publish(packet_id)) => {
                let entry = self.outbox.wrote(packet_id);
                self.settle(entry);
            }
            _ => {}
        }
    }

    fn settle(&mut self, entry: Option<Entry>) {
        if let Some(entry) = entry {
            self.standing.send_modify(|standing| standing.confirmed += 1);
            if let Some(done) = entry.done {
                // Nobody need wait for it any more.
                let _ = done.send(());
            }
        }
    }

    /// Takes a command; false where the link is to close.
    fn take(&mut self, command: Option<Command>, connected: bool) -> bool {
        match command {
            Some(Command::Publish(publication, done)) => {
                self.standing.send_modify(|standing| standing.taken += 1);
                if let Err((entry, why)) = self.outbox.offer(Entry { publication, done, tries: 0 }, connected) {
                    self.drop_entry(entry, why);
                }
                true
            }
            Some(Command::Close) | None => false,
        }
    }

    fn drop_entry(&mut self, entry: Entry, why: &'static str) {
        self.standing.send_modify(|standing| standing.dropped += 1);
        self.tell(LinkNews::Dropped { topic: entry.publication.topic, why });
    }

    fn tell(&self, news: LinkNews) {
        if self.news.try_send(news).is_err() {
            tracing::debug!("nobody reads the link's news; one is dropped");
        }
    }

    fn options(&self) -> MqttOptions {
        let config = &self.config;
        let mut options = MqttOptions::new(config.client_id.clone(), config.host.clone(), config.port);
        options.set_clean_session(false);
        options.set_keep_alive(Duration::from_secs(20));
        options.set_max_packet_size(PACKET_BYTES_MAX, PACKET_BYTES_MAX);
        if let Some((user, password)) = &config.sign_in {
            options.set_credentials(user, password);
        }
        if let Some(will) = &config.will {
            options.set_last_will(LastWill::new(&will.topic, will.payload.clone(), QoS::AtLeastOnce, will.retain));
        }
        options
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "every other error is told in the client's own words")]
    fn ended(&self, error: &ConnectionError, connected: bool) -> Ended {
        let address = format!("{}:{}", self.config.host, self.config.port);
        let user = self.config.sign_in.as_ref().map_or("(none)", |(user, _)| user).to_owned();
        Ended::Trouble(match error {
            ConnectionError::ConnectionRefused(
                ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized,
            ) => LinkTrouble::SignInRefused { address, user },
            ConnectionError::ConnectionRefused(code) => LinkTrouble::Refused { address, why: format!("{code:?}") },
            ConnectionError::Io(error) if !connected => LinkTrouble::NotReached { address, why: plain(error) },
            ConnectionError::NetworkTimeout if !connected => {
                LinkTrouble::NotReached { address, why: format!("no answer within {CONNECT_SECS_MAX} s") }
            }
            other => LinkTrouble::Lost { address, why: other.to_string() },
        })
    }
}

fn plain(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::ConnectionRefused { "nobody listens there".to_owned() } else { error.to_string() }
}

/// Polls the client in a task of its own: an interrupted poll could lose half a packet.
async fn poll(mut event_loop: EventLoop, events: mpsc::Sender<Result<Event, ConnectionError>>) {
    let mut network = event_loop.network_options();
    network.set_tcp_nodelay(true);
    network.set_connection_timeout(CONNECT_SECS_MAX);
    event_loop.set_network_options(network);
    loop {
        let event = event_loop.poll().await;
        let failed = event.is_err();
        if events.send(event).await.is_err() || failed {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
