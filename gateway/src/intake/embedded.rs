//! The embedded broker (rmqtt): its publish hook hands each message to the loop and is awaited
//! before the PUBACK, so that a button's own PUBACK means "on disk".
//!
//! Every client signs in with its own name and password and may publish and subscribe only where
//! its configuration says.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::DerefMut as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use rmqtt::codec::types::Publish as CodecPublish;
use rmqtt::context::ServerContext;
use rmqtt::hook::{Handler, HookResult, Parameter, ReturnType, Type};
use rmqtt::net::Builder;
use rmqtt::server::MqttServer;
use rmqtt::session::SessionState;
use rmqtt::types::{AuthResult, ClientId, From, FromType, Id, Publish, PublishAclResult, QoS, SubscribeReturn};
use tokio::sync::oneshot;

use super::door::{self, DoorCounts, Guests};
use super::retained::RetainedMessages;
use super::{Announcement, Incoming, IntakeSender, topic_filter};
use crate::engine::Verdict;

/// Most sessions of one name, those of absent clients included, so that one name cannot fill the broker.
const SESSIONS_PER_NAME_MAX: usize = 64;

/// Most subscriptions of one session.
const SUBSCRIPTIONS_MAX: usize = 64;

/// All messages that the broker holds for subscribers, bytes; beyond it a message is heard by the
/// gateway and acknowledged, and not passed on to other clients of the home.
const HELD_BYTES_MAX: usize = 24 * 1024 * 1024;

/// What a held message costs beside its payload, bytes: its topic, its place in a queue.
const HELD_OVERHEAD_BYTES: usize = 512;

/// Most sign-ins that the broker works on at once.
const SIGN_INS_MAX: usize = 64;

/// A session outlives its connection by this, so that made-up client ids do not fill the broker.
const SESSION_EXPIRY: std::time::Duration = std::time::Duration::from_secs(600);

/// Who may sign in and what they may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientRights {
    /// User name; it is also what the MQTT client id must be or begin with.
    pub name: String,
    /// Password.
    pub password: String,
    /// Filters it may publish under.
    pub publish: Vec<String>,
    /// Filters it may subscribe under.
    pub subscribe: Vec<String>,
}

/// Why the broker could not start.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// The address is taken or not ours.
    #[error("cannot listen for MQTT on {listen}: {cause}; choose another `mqtt.listen`")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// The operating system's or broker's word.
        cause: String,
    },
}

/// The running broker, for what the gateway itself publishes.
#[derive(Clone)]
pub struct EmbeddedBroker {
    context: ServerContext,
    from: From,
}

/// Starts the broker behind a door on `listen`.
///
/// # Errors
/// [`EmbeddedError::Listen`] when the address cannot be had.
pub async fn start(
    listen: SocketAddr,
    clients: Vec<ClientRights>,
    topics: door::Topics,
    intake: IntakeSender,
    counts: DoorCounts,
) -> Result<EmbeddedBroker, EmbeddedError> {
    let taken = |cause: &dyn std::fmt::Display| EmbeddedError::Listen { listen, cause: cause.to_string() };
    let outside = tokio::net::TcpListener::bind(listen).await.map_err(|cause| taken(&cause))?;
    let context = ServerContext::new()
        .node_id(1)
        .task_exec_workers(64)
        .task_exec_queue_max(10_000)
        .busy_check_enable(false)
        .build()
        .await;
    *context.extends.retain_mut().await = Box::new(RetainedMessages::default());
    let guests = Guests::new(counts.clone());
    let sessions = Mutex::default();
    let gate = Arc::new(Gate { clients, intake, guests: guests.clone(), sessions, held: Held::default(), counts });
    let register = context.extends.hook_mgr().register();
    for hook in [
        Type::ClientAuthenticate,
        Type::ClientSubscribeCheckAcl,
        Type::MessagePublishCheckAcl,
        Type::MessagePublish,
        Type::SessionCreated,
        Type::SessionTerminated,
    ] {
        register.add(hook, Box::new(Hook(gate.clone()))).await;
    }
    register.start().await;
    let builder = Builder::new()
        .name("home/tcp")
        // Reached through the door alone, on a port that nobody is told.
        .laddr(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
        .nodelay(true)
        .allow_anonymous(false)
        .max_connections(SIGN_INS_MAX)
        .max_handshaking_limit(SIGN_INS_MAX)
        .max_packet_size(door::PACKET_BYTES_MAX as u32)
        .max_subscriptions(SUBSCRIPTIONS_MAX)
        .max_clientid_len(128)
        .max_topic_levels(16)
        .max_mqueue_len(1_000)
        .session_expiry_interval(SESSION_EXPIRY)
        .max_session_expiry_interval(SESSION_EXPIRY)
        .message_expiry_interval(std::time::Duration::ZERO);
    let listener = builder.bind().and_then(|listener| listener.tcp()).map_err(|cause| taken(&cause))?;
    let inside = listener.local_addr().map_err(|cause| taken(&cause))?;
    let server = MqttServer::new(context.clone()).listener_by_id(listener, 1).build();
    tokio::spawn(async move {
        if let Err(error) = server.run().await {
            tracing::error!(%error, "the embedded broker ended");
        }
    });
    tokio::spawn(door::keep(outside, inside, topics, guests, gate.counts.clone()));
    let from = From::from_system(Id::from(1, ClientId::from_static("gateway")));
    Ok(EmbeddedBroker { context, from })
}

impl EmbeddedBroker {
    /// Publishes to the home's subscribers. Returns whether the broker took it.
    pub async fn publish(&self, announcement: Announcement) -> bool {
        let publish = CodecPublish {
            dup: false,
            retain: announcement.retain,
            qos: QoS::AtLeastOnce,
            topic: announcement.topic.into(),
            packet_id: None,
            payload: Bytes::from(announcement.payload),
            properties: None,
        };
        SessionState::forwards(&self.context, self.from.clone(), Publish::from(publish), false, None).await.is_ok()
    }
}

/// Sign-in, rights and hand-over, shared by all hooks.
struct Gate {
    clients: Vec<ClientRights>,
    intake: IntakeSender,
    guests: Guests,
    /// Names of the sessions that stand, by client id.
    sessions: Mutex<BTreeMap<String, String>>,
    held: Held,
    counts: DoorCounts,
}

/// Bytes of the messages that the broker holds for anybody.
#[derive(Debug, Clone, Default)]
struct Held(Arc<AtomicUsize>);

/// A payload whose bytes are counted until its last holder lets it go.
struct Counted {
    payload: Bytes,
    held: Held,
}

impl Held {
    fn is_full(&self) -> bool {
        self.0.load(Ordering::Relaxed) > HELD_BYTES_MAX
    }

    fn count(&self, payload: Bytes) -> Bytes {
        self.0.fetch_add(payload.len() + HELD_OVERHEAD_BYTES, Ordering::Relaxed);
        Bytes::from_owner(Counted { payload, held: self.clone() })
    }
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.payload
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.held.0.fetch_sub(self.payload.len() + HELD_OVERHEAD_BYTES, Ordering::Relaxed);
    }
}

/// One hook of the broker; all share the gate.
struct Hook(Arc<Gate>);

impl Gate {
    fn rights(&self, name: &str) -> Option<&ClientRights> {
        self.clients.iter().find(|client| client.name == name)
    }

    fn sign_in(&self, name: Option<&str>, password: Option<&[u8]>, client_id: &str) -> AuthResult {
        let Some(rights) = name.and_then(|name| self.rights(name)) else { return AuthResult::NotFound };
        if !same(rights.password.as_bytes(), password.unwrap_or_default()) {
            return AuthResult::BadUsernameOrPassword;
        }
        // A client id of somebody else's would take over their session; where names begin alike, the longest owns it.
        let named = self.clients.iter().filter(|client| client_id.starts_with(&client.name));
        if named.max_by_key(|client| client.name.len()).is_none_or(|owner| owner.name != rights.name) {
            return AuthResult::NotAuthorized;
        }
        // One name may hold only so many sessions; its own are always let in again.
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let held = sessions.values().filter(|held| **held == rights.name).count();
        if held >= SESSIONS_PER_NAME_MAX && !sessions.contains_key(client_id) {
            self.counts.count("sessions_crowded");
            return AuthResult::NotAuthorized;
        }
        AuthResult::Allow(false, None)
    }

    fn may_publish(&self, name: &str, topic: &str) -> bool {
        self.rights(name).is_some_and(|rights| rights.publish.iter().any(|filter| topic_filter::matches(filter, topic)))
    }

    fn may_subscribe(&self, name: &str, filter: &str) -> bool {
        self.rights(name)
            .is_some_and(|rights| rights.subscribe.iter().any(|granted| topic_filter::covers(granted, filter)))
    }

    /// Hands a message to the loop and waits for its verdict.
    async fn hand_over(&self, client: &str, publish: &CodecPublish) -> Verdict {
        let (answer, verdict) = oneshot::channel();
        let incoming = Incoming {
            client: client.to_owned(),
            topic: publish.topic.to_string(),
            payload: publish.payload.clone(),
            // The publisher itself is heard here, never a broker's replay: a press sent with the flag is a press.
            retain: false,
            duplicate: publish.dup,
            packet: publish.packet_id.map(std::num::NonZeroU16::get),
            answer,
        };
        if self.intake.send(incoming).await.is_err() {
            return Verdict::Withhold;
        }
        if publish.packet_id.is_none() {
            // Nothing is acknowledged at QoS 0, so nothing waits.
            return Verdict::Acknowledge;
        }
        verdict.await.unwrap_or(Verdict::Withhold)
    }
}

#[async_trait]
impl Handler for Hook {
    #[expect(clippy::wildcard_enum_match_arm, reason = "hooks that were not registered are never called")]
    async fn hook(&self, parameter: &Parameter, acc: Option<HookResult>) -> ReturnType {
        let gate = &self.0;
        match parameter {
            Parameter::ClientAuthenticate(info) => {
                let name = info.username().map(AsRef::as_ref);
                let password = info.password().map(AsRef::as_ref);
                let client_id: &str = info.client_id().as_ref();
                let mut result = gate.sign_in(name, password, client_id);
                // Whoever found the broker's own port has not come through the door.
                if !info.id().remote_addr.is_some_and(|address| gate.guests.is_own(address.port())) {
                    result = AuthResult::NotAuthorized;
                }
                // A last will passes no check of its own later: one outside the client's topics is refused here.
                let will = info.last_will().and_then(|will| Publish::try_from(will).ok());
                if let (Some(name), Some(will)) = (name, will)
                    && !gate.may_publish(name, &will.topic)
                {
                    result = AuthResult::NotAuthorized;
                }
                if !matches!(result, AuthResult::Allow(..)) {
                    tracing::warn!(client_id, "an MQTT client was refused at sign-in");
                }
                (false, Some(HookResult::AuthResult(result)))
            }
            Parameter::ClientSubscribeCheckAcl(session, subscribe) => {
                let name = session.id.username_ref();
                let result = if gate.may_subscribe(name, &subscribe.topic_filter) {
                    SubscribeReturn::new_success(subscribe.opts.qos(), None)
                } else {
                    tracing::warn!(client = name, filter = %subscribe.topic_filter, "a subscription was refused");
                    SubscribeReturn::new_failure(rmqtt::codec::v5::SubscribeAckReason::NotAuthorized)
                };
                (false, Some(HookResult::SubscribeAclResult(result)))
            }
            Parameter::MessagePublishCheckAcl(session, publish) => {
                let name = session.id.username_ref();
                let result = if !topic_filter::is_topic(&publish.topic) {
                    gate.counts.count("not_a_topic");
                    PublishAclResult::rejected(true, None)
                } else if !gate.may_publish(name, &publish.topic) {
                    tracing::warn!(client = name, topic = %publish.topic, "a message outside a client's topics was refused");
                    PublishAclResult::rejected(false, None)
                } else {
                    let client_id: &str = session.id.client_id.as_ref();
                    match gate.hand_over(client_id, publish).await {
                        Verdict::Acknowledge if gate.held.is_full() => {
                            gate.counts.count("not_passed_on");
                            PublishAclResult::rejected(false, None)
                        }
                        Verdict::Acknowledge => PublishAclResult::allow(),
                        // MQTT 3.1.1 has no refusal for a publish: closing makes the sender say it again.
                        Verdict::Withhold => PublishAclResult::rejected(true, None),
                    }
                };
                (false, Some(HookResult::PublishAclResult(result)))
            }
            // A last will passes no ACL check: it is checked and handed over here, and nobody waits for it.
            Parameter::MessagePublish(session, from, publish) if matches!(from.typ(), FromType::LastWill) => {
                if let Some(session) = session
                    && gate.may_publish(session.id.username_ref(), &publish.topic)
                {
                    let client_id: &str = session.id.client_id.as_ref();
                    gate.hand_over(client_id, publish).await;
                }
                (true, acc)
            }
            Parameter::MessagePublish(_, from, publish) if matches!(from.typ(), FromType::Custom) => {
                let mut counted = (*publish).clone();
                let payload = std::mem::take(&mut counted.deref_mut().payload);
                counted.deref_mut().payload = gate.held.count(payload);
                (true, Some(HookResult::Publish(counted)))
            }
            Parameter::SessionCreated(session) => {
                let mut sessions = gate.sessions.lock().unwrap_or_else(PoisonError::into_inner);
                sessions.insert(session.id.client_id.to_string(), session.id.username_ref().to_owned());
                (true, acc)
            }
            Parameter::SessionTerminated(session, _) => {
                let mut sessions = gate.sessions.lock().unwrap_or_else(PoisonError::into_inner);
                sessions.remove::<str>(session.id.client_id.as_ref());
                (true, acc)
            }
            _ => (true, acc),
        }
    }
}

/// Compares without telling by its time where the texts differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differs, (x, y)| differs | (x ^ y)) == 0
}
