//! The task behind a link: one connection after another over one outbox.

use std::io;
use std::time::Duration;

use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event, EventLoop, LastWill, MqttOptions, Outgoing, Packet, QoS,
    SubscribeFilter, SubscribeReasonCode,
};
use tokio::sync::{mpsc, watch};

use super::outbox::{Entry, Outbox};
use super::{Command, LinkConfig, LinkNews, LinkTrouble, PACKET_BYTES_MAX, Standing};
use crate::publication::{Publication, Qos};

/// Shortest and longest wait before the next try to connect.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));
/// How long a broker may take to answer a connect, seconds.
const CONNECT_SECS_MAX: u64 = 5;

pub(super) struct Driver {
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
    pub(super) fn new(
        config: LinkConfig,
        commands: mpsc::Receiver<Command>,
        news: mpsc::Sender<LinkNews>,
        standing: watch::Sender<Standing>,
    ) -> Self {
        let outbox = Outbox::new(config.away);
        Self { config, outbox, commands, news, standing, connected_before: false, closing: false }
    }

    pub(super) async fn run(mut self) {
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
