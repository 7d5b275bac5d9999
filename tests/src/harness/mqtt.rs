//! An MQTT client whose every packet the test decides, and which notes when each answer came.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;

use super::Failed;
use super::clock::now;
use super::wire::{self, Packet, Publish};

/// Most messages kept of those heard; later ones are only counted by their absence in a failing test.
const HEARD_MAX: usize = 200_000;

/// Longest wait for a broker's answer.
pub const ANSWER_WAIT: Duration = Duration::from_secs(10);

/// A message that came, and when.
#[derive(Debug, Clone)]
pub struct Heard {
    /// Topic.
    pub topic: String,
    /// Payload.
    pub payload: Vec<u8>,
    /// Whether the broker sent it from its store.
    pub retained: bool,
    /// When it came.
    pub at: Instant,
}

impl Heard {
    /// A text field of its JSON payload.
    pub fn field(&self, key: &str) -> Option<String> {
        let body: Value = serde_json::from_slice(&self.payload).ok()?;
        body.get(key).and_then(Value::as_str).map(str::to_owned)
    }
}

/// What is done with each packet a broker sends, before anybody who waits for it goes on.
pub type PacketTeller = Box<dyn Fn(&Packet) + Send + Sync>;

/// A client's sign-in.
#[derive(Debug, Clone)]
pub struct SignIn {
    /// User name.
    pub name: String,
    /// Password.
    pub password: String,
}

#[derive(Default)]
struct State {
    signed_in: Option<u8>,
    acknowledged: BTreeMap<u16, Vec<Instant>>,
    subscribed: BTreeMap<u16, Vec<u8>>,
    heard: Vec<Heard>,
    closed: bool,
}

struct Shared {
    state: Mutex<State>,
    changed: watch::Sender<u64>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.send_modify(|version| *version += 1);
    }
}

/// A connected client.
pub struct MqttClient {
    writer: OwnedWriteHalf,
    shared: Arc<Shared>,
    next_packet: u16,
    reading: tokio::task::JoinHandle<()>,
}

impl MqttClient {
    /// Connects and signs in with a clean session.
    ///
    /// # Errors
    /// When there is no connection, or the sign-in is refused.
    pub async fn connect(port: u16, client_id: &str, sign_in: Option<&SignIn>) -> Result<Self, Failed> {
        Self::connect_telling(port, client_id, sign_in, None).await
    }

    /// The same, with every packet told as it comes.
    ///
    /// # Errors
    /// As [`MqttClient::connect`].
    pub async fn connect_telling(
        port: u16,
        client_id: &str,
        sign_in: Option<&SignIn>,
        tell: Option<PacketTeller>,
    ) -> Result<Self, Failed> {
        let stream =
            TcpStream::connect(("127.0.0.1", port)).await.map_err(|error| format!("MQTT on {port}: {error}"))?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let (reader, writer) = stream.into_split();
        let shared = Arc::new(Shared { state: Mutex::default(), changed: watch::Sender::new(0) });
        let reading = tokio::spawn(read(reader, Arc::clone(&shared), tell));
        let mut client = Self { writer, shared, next_packet: 1, reading };
        let sign_in = sign_in.map(|sign_in| (sign_in.name.as_str(), sign_in.password.as_str()));
        client.send(&wire::connect(client_id, sign_in)).await?;
        match client.wait("the sign-in's answer", ANSWER_WAIT, |state| state.signed_in).await? {
            0 => Ok(client),
            code => Err(format!("sign-in as {client_id} refused with code {code}")),
        }
    }

    /// A packet id that was not used before.
    pub fn packet(&mut self) -> u16 {
        let packet = self.next_packet;
        self.next_packet = self.next_packet.checked_add(1).unwrap_or(1);
        packet
    }

    /// Writes raw bytes.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn send(&mut self, bytes: &[u8]) -> Result<(), Failed> {
        self.writer.write_all(bytes).await.map_err(|error| format!("MQTT connection: {error}"))
    }

    /// Publishes at QoS 1 and waits for the PUBACK; gives the moments of sending and of the PUBACK.
    ///
    /// # Errors
    /// When none comes.
    pub async fn publish(&mut self, topic: &str, payload: &[u8]) -> Result<(Instant, Instant), Failed> {
        let packet = self.packet();
        self.publish_as(topic, payload, packet, false).await
    }

    /// Publishes at QoS 1 under this packet id, flagged as a duplicate or not.
    ///
    /// # Errors
    /// When no PUBACK comes.
    pub async fn publish_as(
        &mut self,
        topic: &str,
        payload: &[u8],
        packet: u16,
        duplicate: bool,
    ) -> Result<(Instant, Instant), Failed> {
        let before = self.acknowledgements(packet);
        let message = Publish {
            topic: topic.to_owned(),
            payload: payload.to_vec(),
            packet: Some(packet),
            duplicate,
            retain: false,
        };
        let sent = now();
        self.send(&wire::publish(&message)).await?;
        let at = self.acknowledged(packet, before).await?;
        Ok((sent, at))
    }

    /// How often this packet id was acknowledged.
    pub fn acknowledgements(&self, packet: u16) -> usize {
        self.shared.state().acknowledged.get(&packet).map_or(0, Vec::len)
    }

    /// Waits for the PUBACK of a packet id after `before` earlier ones.
    ///
    /// # Errors
    /// When none comes.
    pub async fn acknowledged(&self, packet: u16, before: usize) -> Result<Instant, Failed> {
        let find = |state: &State| state.acknowledged.get(&packet).and_then(|times| times.get(before)).copied();
        self.wait("the PUBACK", ANSWER_WAIT, find).await
    }

    /// Subscribes and gives the broker's answer for each filter; 128 is a refusal.
    ///
    /// # Errors
    /// When none comes.
    pub async fn subscribe(&mut self, filters: &[&str]) -> Result<Vec<u8>, Failed> {
        let packet = self.packet();
        self.send(&wire::subscribe(packet, filters)).await?;
        self.wait("the SUBACK", ANSWER_WAIT, |state| state.subscribed.get(&packet).cloned()).await
    }

    /// How many messages were heard so far.
    pub fn heard_count(&self) -> usize {
        self.shared.state().heard.len()
    }

    /// The messages heard from the `skip`th on.
    pub fn heard(&self, skip: usize) -> Vec<Heard> {
        self.shared.state().heard.iter().skip(skip).cloned().collect()
    }

    /// Waits for a message after the first `skip` for which `wanted` holds; gives its place and itself.
    ///
    /// # Errors
    /// When none comes in time.
    pub async fn hear(
        &self,
        what: &str,
        skip: usize,
        patience: Duration,
        wanted: impl Fn(&Heard) -> bool,
    ) -> Result<(usize, Heard), Failed> {
        let find = |state: &State| {
            let heard = state.heard.iter().enumerate().skip(skip);
            heard.filter(|(_, heard)| wanted(heard)).map(|(place, heard)| (place, heard.clone())).next()
        };
        self.wait(what, patience, find).await
    }

    /// Waits until the broker closes the connection.
    ///
    /// # Errors
    /// When it does not.
    pub async fn closed(&self, patience: Duration) -> Result<(), Failed> {
        let mut changed = self.shared.changed.subscribe();
        let gone = async {
            while !self.shared.state().closed {
                if changed.changed().await.is_err() {
                    return;
                }
            }
        };
        tokio::time::timeout(patience, gone).await.map_err(|_| "the broker did not close the connection".to_owned())
    }

    async fn wait<T>(&self, what: &str, patience: Duration, find: impl Fn(&State) -> Option<T>) -> Result<T, Failed> {
        let mut changed = self.shared.changed.subscribe();
        let found = async {
            loop {
                changed.borrow_and_update();
                {
                    let state = self.shared.state();
                    if let Some(found) = find(&state) {
                        return Ok(found);
                    }
                    if state.closed {
                        return Err(format!("the broker closed the connection before {what}"));
                    }
                }
                if changed.changed().await.is_err() {
                    return Err(format!("the connection ended before {what}"));
                }
            }
        };
        let late = |_| format!("{what}: not within {:.1} s", patience.as_secs_f64());
        tokio::time::timeout(patience, found).await.map_err(late)?
    }

    /// Signs off.
    pub async fn disconnect(mut self) {
        let _ = self.send(&wire::disconnect()).await;
    }
}

impl Drop for MqttClient {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

async fn read(mut reader: OwnedReadHalf, shared: Arc<Shared>, tell: Option<PacketTeller>) {
    let mut bytes = Vec::new();
    while let Ok(1..) = reader.read_buf(&mut bytes).await {
        let at = now();
        while let Some(packet) = wire::take(&mut bytes) {
            if let Some(tell) = &tell {
                tell(&packet);
            }
            shared.change(|state| note(state, packet, at));
        }
    }
    shared.change(|state| state.closed = true);
}

fn note(state: &mut State, packet: Packet, at: Instant) {
    match packet {
        Packet::ConnAck(code) => state.signed_in = Some(code),
        Packet::PubAck(packet) => state.acknowledged.entry(packet).or_default().push(at),
        Packet::SubAck(packet, codes) => {
            state.subscribed.insert(packet, codes);
        }
        Packet::Publish(Publish { topic, payload, retain, .. }) => {
            if state.heard.len() < HEARD_MAX {
                state.heard.push(Heard { topic, payload, retained: retain, at });
            }
        }
        Packet::Other(_) => {}
    }
}
