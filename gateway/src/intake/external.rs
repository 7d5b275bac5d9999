//! An external broker, through rumqttc: two sessions, one of them for life-safety topics alone, so
//! that a backlog of telemetry never stands before an SOS.
//!
//! Acknowledgements are given in order and only on the connection that brought the message; it is
//! transport, never storage.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rumqttc::{
    AsyncClient, ConnectReturnCode, Event as ClientNotice, EventLoop, LastWill, MqttOptions, Packet, QoS,
    SubscribeReasonCode,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Sleep;

use super::{Announcement, Incoming, IntakeSender};
use crate::engine::Verdict;

/// Largest packet taken from the broker, bytes: above what any broker in front of us should allow.
const PACKET_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Most messages of one session waiting for their verdict.
const UNANSWERED_MAX: usize = 100;

/// The client's own queue; acknowledgements for every waiting message fit with room to spare, so that
/// neither side ever waits for the other.
const CLIENT_QUEUE_MAX: usize = 1_000;

/// How long a new connection leaves life-safety topics to the other session before it hears them itself.
const SETTLE: Duration = Duration::from_secs(2);

/// The external broker and how to sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalBroker {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// User name and password, where the broker asks for them.
    pub sign_in: Option<(String, String)>,
    /// Begins the client ids; two gateways on one broker need two.
    pub client_id: String,
    /// Everything to hear.
    pub filters: Vec<String>,
    /// Exact topics of buttons, fall sensors and smoke alarms, heard on a session of their own.
    pub life_safety_topics: BTreeSet<String>,
}

/// Publishes to the external broker.
#[derive(Debug, Clone)]
pub struct ExternalPublisher {
    client: AsyncClient,
    /// What is to stand at the broker, said again on every connection: it may have forgotten.
    retained: Arc<Mutex<BTreeMap<String, String>>>,
}

impl ExternalPublisher {
    /// Queues a message. Returns whether there was room.
    pub fn publish(&self, announcement: Announcement) -> bool {
        let Announcement { topic, payload, retain } = announcement;
        if retain && let Ok(mut retained) = self.retained.lock() {
            retained.insert(topic.clone(), payload.clone());
        }
        self.client.try_publish(topic, QoS::AtLeastOnce, retain, payload).is_ok()
    }
}

impl ExternalPublisher {
    fn say_again(&self) {
        let Ok(retained) = self.retained.lock() else { return };
        for (topic, payload) in retained.iter() {
            // A full queue holds what was just asked for, which is newer.
            let _ = self.client.try_publish(topic, QoS::AtLeastOnce, true, payload.clone());
        }
    }
}

/// Starts both sessions and the publisher; they reconnect for ever until `stop` turns true. `will` is what the broker
/// says once this gateway is gone.
pub fn start(
    broker: &ExternalBroker,
    intake: IntakeSender,
    stop: &watch::Receiver<bool>,
    will: Option<Announcement>,
) -> ExternalPublisher {
    let life_safety = Arc::new(broker.life_safety_topics.clone());
    let heard_apart = Arc::new(watch::Sender::new(false));
    let everything = Session {
        name: "telemetry",
        heard_apart: heard_apart.clone(),
        filters: broker.filters.clone(),
        skip: life_safety.clone(),
        intake: intake.clone(),
        stop: stop.clone(),
    };
    tokio::spawn(everything.run(options(broker, "telemetry", false)));
    if !life_safety.is_empty() {
        let urgent = Session {
            name: "life-safety",
            heard_apart,
            filters: life_safety.iter().cloned().collect(),
            skip: Arc::default(),
            intake,
            stop: stop.clone(),
        };
        tokio::spawn(urgent.run(options(broker, "life-safety", false)));
    }
    // Manual acknowledgements share the publish queue: what we publish goes through a client of its own.
    let mut out = options(broker, "out", true);
    if let Some(Announcement { topic, payload, retain }) = will {
        out.set_last_will(LastWill::new(topic, payload, QoS::AtLeastOnce, retain));
    }
    let (client, events) = AsyncClient::new(out, 64);
    let publisher = ExternalPublisher { client, retained: Arc::default() };
    tokio::spawn(drain(publisher.clone(), events, stop.clone()));
    publisher
}

fn options(broker: &ExternalBroker, role: &str, clean: bool) -> MqttOptions {
    let mut options = MqttOptions::new(format!("{}-{role}", broker.client_id), &broker.host, broker.port);
    options
        .set_clean_session(clean)
        .set_manual_acks(true)
        .set_keep_alive(Duration::from_secs(15))
        .set_max_packet_size(PACKET_BYTES_MAX, 256 * 1024);
    if let Some((name, password)) = &broker.sign_in {
        options.set_credentials(name, password);
    }
    options
}

async fn drain(publisher: ExternalPublisher, mut events: EventLoop, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            event = events.poll() => match event {
                Ok(ClientNotice::Incoming(Packet::ConnAck(_))) => publisher.say_again(),
                Ok(_) => {}
                Err(_) => tokio::time::sleep(Duration::from_secs(1)).await,
            },
            () = stopped(&mut stop) => return,
        }
    }
}

/// Waits until the program stops; the guard it is read through is not held.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// A message that waits for its verdict, in the order of arrival.
struct Unanswered {
    publish: rumqttc::Publish,
    connection: u64,
    verdict: oneshot::Receiver<Verdict>,
}

/// One session with the broker.
struct Session {
    name: &'static str,
    /// Whether the life-safety session is subscribed, so that the other one may leave its topics to it.
    heard_apart: Arc<watch::Sender<bool>>,
    filters: Vec<String>,
    skip: Arc<BTreeSet<String>>,
    intake: IntakeSender,
    stop: watch::Receiver<bool>,
}

impl Session {
    async fn run(self, options: MqttOptions) {
        let (client, mut events) = AsyncClient::new(options, CLIENT_QUEUE_MAX);
        let (waiting, unanswered) = mpsc::channel(UNANSWERED_MAX);
        let (connections, connection_now) = watch::channel(0_u64);
        tokio::spawn(acknowledge_in_order(client.clone(), unanswered, connection_now));
        let mut stop = self.stop.clone();
        let mut told_down = false;
        let mut settling = Box::pin(tokio::time::sleep(SETTLE));
        loop {
            let event = tokio::select! {
                event = events.poll() => event,
                () = stopped(&mut stop) => return,
            };
            match event {
                Ok(ClientNotice::Incoming(Packet::ConnAck(ack))) if ack.code == ConnectReturnCode::Success => {
                    told_down = false;
                    connections.send_modify(|connection| *connection += 1);
                    settling.set(tokio::time::sleep(SETTLE));
                    tracing::info!(session = self.name, resumed = ack.session_present, "connected to the MQTT broker");
                    // Asked on every connection: a session that the broker kept need not have kept its filters.
                    self.subscribe(&client);
                }
                Ok(ClientNotice::Incoming(Packet::SubAck(ack))) => {
                    let granted = ack.return_codes.iter().all(|code| matches!(code, SubscribeReasonCode::Success(_)));
                    if granted {
                        self.is_subscribed(true);
                    } else {
                        tracing::error!(session = self.name, "the MQTT broker refused a subscription; asking again");
                        tokio::time::sleep(Duration::from_secs(5)).await;
                        self.subscribe(&client);
                    }
                }
                Ok(ClientNotice::Incoming(Packet::Publish(publish))) => {
                    let connection = *connections.borrow();
                    if let Some(verdict) = self.hand_over(&publish, settling.as_mut()).await
                        && waiting.send(Unanswered { publish, connection, verdict }).await.is_err()
                    {
                        return;
                    }
                }
                Ok(_) => {}
                Err(error) => {
                    self.is_subscribed(false);
                    // What is still to be acknowledged belongs to the connection that has ended.
                    connections.send_modify(|connection| *connection += 1);
                    if !std::mem::replace(&mut told_down, true) {
                        tracing::warn!(session = self.name, %error, "the MQTT broker is not reached; trying again");
                    }
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
            }
        }
    }

    fn subscribe(&self, client: &AsyncClient) {
        let filters = self.filters.iter().cloned();
        let filters = filters.map(|filter| rumqttc::SubscribeFilter::new(filter, QoS::AtLeastOnce));
        if let Err(error) = client.try_subscribe_many(filters) {
            tracing::error!(session = self.name, %error, "could not subscribe");
        }
    }

    fn is_subscribed(&self, subscribed: bool) {
        if self.skip.is_empty() {
            self.heard_apart.send_replace(subscribed);
        }
    }

    /// Whether the life-safety session has its topics. Just connected, it is given a moment: the broker kept the
    /// same press for both sessions, and heard on both it would count twice.
    async fn is_heard_apart(&self, settling: Pin<&mut Sleep>) -> bool {
        let mut apart = self.heard_apart.subscribe();
        tokio::select! {
            biased;
            heard = apart.wait_for(|apart| *apart) => heard.is_ok(),
            () = settling => false,
        }
    }

    /// None when nobody needs to wait for it and nothing needs an answer.
    async fn hand_over(
        &self,
        publish: &rumqttc::Publish,
        settling: Pin<&mut Sleep>,
    ) -> Option<oneshot::Receiver<Verdict>> {
        let (answer, verdict) = oneshot::channel();
        if self.skip.contains(&publish.topic) && self.is_heard_apart(settling).await {
            // The life-safety session has it; here it is only acknowledged.
            let _ = answer.send(Verdict::Acknowledge);
            return Some(verdict);
        }
        let incoming = Incoming {
            client: self.name.to_owned(),
            topic: publish.topic.clone(),
            payload: publish.payload.clone(),
            retain: publish.retain,
            duplicate: publish.dup,
            packet: (publish.qos != QoS::AtMostOnce).then_some(publish.pkid),
            answer,
        };
        self.intake.send(incoming).await.ok()?;
        Some(verdict)
    }
}

/// Acknowledges in the order of arrival, and never on a later connection, where the id may mean another message.
async fn acknowledge_in_order(
    client: AsyncClient,
    mut unanswered: mpsc::Receiver<Unanswered>,
    connection_now: watch::Receiver<u64>,
) {
    let mut given_up = 0;
    while let Some(Unanswered { publish, connection, verdict }) = unanswered.recv().await {
        let verdict = verdict.await.unwrap_or(Verdict::Withhold);
        if connection == given_up {
            continue;
        }
        if verdict == Verdict::Withhold {
            // Later acknowledgements must not overtake this one: a new connection brings all of them again.
            if connection == *connection_now.borrow() {
                given_up = connection;
                let _ = client.disconnect().await;
            }
            continue;
        }
        if publish.qos != QoS::AtMostOnce
            && connection == *connection_now.borrow()
            && client.ack(&publish).await.is_err()
        {
            return;
        }
    }
}
