//! The tokio driver around the loop: executes commands, reports completions, keeps no state of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::Sender as JournalSender;
use std::time::Duration;

use protocol::ids::Incarnation;
use protocol::topics;
use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::Clock;
use crate::config::{GatewayConfig, IntakeConfig};
use crate::contacts::ContactLine;
use crate::engine::{Command, Completion, Engine, EngineConfig, Heard, Recovered, SendFailure, Verdict};
use crate::gpio::{self, Bank};
use crate::home::local_time::LocalTime;
use crate::home_assistant::{self, Dashboard};
use crate::intake::door::DoorCounts;
use crate::intake::embedded::EmbeddedError;
use crate::intake::{Announcement, INTAKE_QUEUE_MAX, Incoming, Publisher, canary, embedded, external};
use crate::journal::{JournalError, Recovery};
use crate::journal_thread::JournalRequest;
use crate::reassure::Elder;
use crate::status::{self, StatusRights};
use crate::uplink::validity::TrueTime;
use crate::uplink::{CentreClient, UplinkError};

mod disk;
pub mod questions;
mod readiness;

use self::disk::Disk;
use self::readiness::{Beat, Readiness};

/// A presence code holds for so long, milliseconds.
const CODE_MS: i64 = 60_000;

/// Longest wait for an orderly stop.
pub const STOP_WAIT: Duration = Duration::from_secs(5);

/// Why the gateway could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// The journal.
    #[error("cannot use the journal in {path}; choose another `data_dir` or give this user the right")]
    Journal {
        /// The directory.
        path: String,
        /// Why.
        #[source]
        source: JournalError,
    },
    /// The journal's thread.
    #[error("cannot start the journal's thread")]
    Thread(#[source] std::io::Error),
    /// The broker.
    #[error("the embedded broker did not start")]
    Broker(#[source] EmbeddedError),
    /// The status page.
    #[error("cannot listen for status on {listen}; choose another `status.listen`")]
    Status {
        /// The address.
        listen: std::net::SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The way to the centre.
    #[error("the way to the centre could not be prepared")]
    Uplink(#[source] UplinkError),
    /// The way to the contacts.
    #[error("the way to the contacts could not be prepared")]
    Contacts(#[source] reqwest::Error),
}

/// Random numbers of one start.
#[derive(Debug, Clone)]
pub struct Draw {
    /// Names this run.
    pub incarnation: Incarnation,
    /// Feeds back-off jitter.
    pub seed: u64,
    /// What the canary signs in with.
    pub secret: String,
}

/// Runs the gateway until `stop` is asked for and everything is written.
///
/// # Errors
/// [`DriverError`] at start; once running it goes on whatever fails.
pub async fn run(config: GatewayConfig, draw: Draw, mut stop: watch::Receiver<bool>) -> Result<(), DriverError> {
    let clock = Clock::new();
    let (completions, mut completed) = mpsc::unbounded_channel();
    let Disk { recovered, journal, mut found, history, wall_ms } =
        disk::open(&config, &clock.now(), completions.clone())?;
    let true_time = Arc::new(TrueTime::after(wall_ms));
    let centre = CentreClient::new(config.gateway.clone(), &config.centre, &true_time).map_err(DriverError::Uplink)?;
    let contacts = ContactLine::new(config.gateway.clone(), config.contacts.clone()).map_err(DriverError::Contacts)?;
    let wired = !(config.outputs.inputs.is_empty() && config.outputs.pins.is_empty());
    let bank = if wired && !config.outputs.simulated { Bank::of_this_machine() } else { Bank::simulated() };
    let (intake, mut incoming) = mpsc::channel(INTAKE_QUEUE_MAX);
    let (questions, mut asked) = mpsc::channel(16);

    let engine_config = EngineConfig {
        rules: config.rules.clone(),
        decoder: config.decoder.clone(),
        outbox: config.outbox,
        paths: config.centre.paths.len(),
        limits: config.limits,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    tracing::info!(incarnation = %draw.incarnation, last_seq = recovered.last_seq, "starting");
    let (mut engine, commands) =
        Engine::start(engine_config.clone(), recovered, draw.incarnation, &clock.now(), draw.seed);

    let door = DoorCounts::default();
    let listener = std::net::TcpListener::bind(config.status_listen)
        .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
        .and_then(tokio::net::TcpListener::from_std)
        .map_err(|source| DriverError::Status { listen: config.status_listen, source })?;
    let rights = StatusRights::new(&listener, config.status_token.clone());
    let pins = bank.simulated.clone();
    tokio::spawn(status::serve(listener, questions, history.clone(), rights, door.clone(), pins, stop.clone()));
    let publisher = match &config.intake {
        IntakeConfig::Embedded { listen, clients, topics } => {
            let mut clients = clients.clone();
            clients.insert(0, canary::rights(draw.secret.clone()));
            let start = embedded::start(*listen, clients, topics.clone(), intake.clone(), door.clone());
            let broker = start.await.map_err(DriverError::Broker)?;
            canary::start(*listen, draw.secret);
            Publisher::Embedded(broker)
        }
        IntakeConfig::External(broker) => {
            let will = config.homeassistant.as_ref().map(|_| home_assistant::status(false));
            Publisher::External(external::start(broker, intake.clone(), &stop, will))
        }
    };
    gpio::input::start(config.outputs.inputs.clone(), &bank.pins, &intake, &stop);
    drop(intake);
    let mut dashboard = Dashboard::start(&config, publisher.clone());

    let mut driver = Driver {
        elder: Elder::start(&config.outputs, &publisher, &bank.pins, &completions),
        contacts: Arc::new(contacts),
        local: None,
        journal,
        centre,
        publisher,
        completions,
        senders: BTreeMap::new(),
        next_token: 1,
        canary_heard: false,
        stopped: false,
    };
    driver.execute(commands);
    let watchdog_ms = sd_notify::watchdog_enabled().map(|period| period.as_millis() as u64 / 3);
    let has_canary = matches!(config.intake, IntakeConfig::Embedded { .. });
    let mut ready = Readiness::new(&clock.now(), watchdog_ms, has_canary);
    let mut returned: Option<Recovery> = None;
    let mut disk_answered = false;
    let mut code_due_ms = 0;
    let mut stop_deadline = None;
    loop {
        let now = clock.now();
        // A clock set back leaves the next change far ahead: the code of the moment is shown all the same.
        if now.wall_ms >= code_due_ms || code_due_ms.saturating_sub(now.wall_ms) > CODE_MS && code_due_ms != i64::MAX {
            code_due_ms = driver.show_code(&engine, now.wall_ms);
        }
        let due_ms = engine.next_deadline_ms().into_iter().chain(stop_deadline).min();
        let wake = wake_in(&now, due_ms, code_due_ms, ready.period_ms());
        let completion = tokio::select! {
            biased;
            Some(completion) = completed.recv() => completion,
            changed = stop.wait_for(|stop| *stop), if stop_deadline.is_none() => {
                drop(changed);
                stop_deadline = Some(now.uptime_ms + STOP_WAIT.as_millis() as u64);
                tracing::info!("stopping: writing what is left");
                Completion::Stopping
            }
            Some(recovery) = found.recv() => {
                disk::tell(&recovery);
                returned = Some(recovery);
                Completion::Woken
            }
            Some(message) = incoming.recv(), if stop_deadline.is_none() => match driver.heard(message) {
                Some(heard) => heard,
                None => Completion::Woken,
            },
            Some(question) = asked.recv() => {
                let Some(completion) = question.answer(&engine, &now, ready.is_canary_lost(&now)) else { continue };
                completion
            }
            () = tokio::time::sleep(wake) => Completion::Woken,
        };
        disk_answered |= matches!(completion, Completion::Written { .. } | Completion::WriteFailed);
        log(&completion);
        let now = clock.now();
        let commands = engine.step(&now, completion);
        driver.local = engine.local_time(&now);
        driver.execute(commands);
        if let Some(recovery) = returned.take_if(|recovery| engine.can_continue(recovery.chain().0)) {
            // Senders that still wait say it again, and are known by what was taken along.
            driver.senders.clear();
            driver.ask_journal(JournalRequest::Join);
            history.note(recovery.records.iter().cloned().map(Arc::new).collect());
            let recovered = Recovered::from(recovery).continued_by(engine.into_carried());
            let (next, commands) = Engine::start(engine_config.clone(), recovered, draw.incarnation, &now, draw.seed);
            engine = next;
            driver.execute(commands);
            tracing::info!("the disk is back: the loop goes on from the journal");
        }
        true_time.clock_is(now.wall_ms, engine.wall_trusted(&now));
        if std::mem::take(&mut driver.canary_heard) {
            ready.heard_canary(&now);
        }
        tell_service_manager(ready.beat(&now, disk_answered), &config);
        dashboard.show(&now, &engine);
        if driver.stopped || stop_deadline.is_some_and(|deadline| now.uptime_ms >= deadline) {
            dashboard.leave(&driver.publisher).await;
            tracing::info!(in_order = driver.stopped, "stopped");
            return Ok(());
        }
    }
}

fn wake_in(now: &crate::engine::Now, due_ms: Option<u64>, code_due_ms: i64, watchdog_ms: Option<u64>) -> Duration {
    let engine = due_ms.map_or(60_000, |due| due.saturating_sub(now.uptime_ms));
    let code = u64::try_from(code_due_ms.saturating_sub(now.wall_ms)).unwrap_or(0);
    // A deadline of this very millisecond is met within the next one.
    Duration::from_millis(engine.min(code).min(watchdog_ms.unwrap_or(60_000)).clamp(1, 60_000))
}

fn log(completion: &Completion) {
    match completion {
        Completion::Sent { outcome: Err(SendFailure::CertificateTime(why)), .. }
        | Completion::Polled(Err(SendFailure::CertificateTime(why))) => {
            tracing::error!(
                why,
                "the centre's certificate is not valid at this time: set this machine's clock, or renew the certificate"
            );
        }
        Completion::Sent { request, outcome: Err(failure) } => {
            tracing::warn!(request, ?failure, "the centre did not take records; they wait and are sent again");
        }
        Completion::Polled(Err(failure)) => tracing::debug!(?failure, "the centre did not answer a poll"),
        Completion::Sent { outcome: Ok(answer), .. } => {
            for refusal in &answer.refused {
                tracing::error!(key = %refusal.key, reason = refusal.reason, "the centre refused a record");
            }
        }
        Completion::Told { stage, shown } => tracing::info!(?stage, shown, "told the elder"),
        Completion::Played { output, stage, outcome } => tracing::info!(output, ?stage, ?outcome, "an output told"),
        Completion::Contacted { told, result } => {
            tracing::warn!(contact = told.contact, attempt = told.attempt, ?result, "a contact was told");
        }
        Completion::Heard(_)
        | Completion::Written { .. }
        | Completion::WriteFailed
        | Completion::Reserved { .. }
        | Completion::Rolled { .. }
        | Completion::Loaded { .. }
        | Completion::LoadFailed
        | Completion::Polled(Ok(_))
        | Completion::TestAsked { .. }
        | Completion::Woken
        | Completion::Stopping => {}
    }
}

fn tell_service_manager(beat: Beat, config: &GatewayConfig) {
    if beat.ready {
        let listen = match &config.intake {
            IntakeConfig::Embedded { listen, .. } => listen.to_string(),
            IntakeConfig::External(broker) => format!("{}:{}", broker.host, broker.port),
        };
        tracing::info!(gateway = %config.gateway, mqtt = listen, status = %config.status_listen, "ready");
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    }
    if beat.watchdog {
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]);
    }
}

struct Driver {
    journal: JournalSender<JournalRequest>,
    centre: CentreClient,
    publisher: Publisher,
    completions: mpsc::UnboundedSender<Completion>,
    elder: Elder,
    contacts: Arc<ContactLine>,
    /// The home's own time of day, where it is known.
    local: Option<LocalTime>,
    senders: BTreeMap<u64, oneshot::Sender<Verdict>>,
    next_token: u64,
    canary_heard: bool,
    stopped: bool,
}

impl Driver {
    /// The message for the loop; none where it is the canary's.
    fn heard(&mut self, message: Incoming) -> Option<Completion> {
        let Incoming { client, topic, payload, retain, duplicate, packet, answer } = message;
        if client == canary::CLIENT && topic == canary::TOPIC {
            self.canary_heard = true;
            let _ = answer.send(Verdict::Acknowledge);
            return None;
        }
        let token = self.next_token;
        self.next_token += 1;
        self.senders.insert(token, answer);
        Some(Completion::Heard(Heard { token, client, topic, payload, retain, duplicate, packet }))
    }

    fn execute(&mut self, commands: Vec<Command>) {
        for command in commands {
            match command {
                Command::Write { records, roll, low_water } => {
                    self.ask_journal(JournalRequest::Write { records, roll, low_water });
                }
                Command::Reserve { records } => self.ask_journal(JournalRequest::Reserve { records }),
                Command::Retire { through_segment } => self.ask_journal(JournalRequest::Retire { through_segment }),
                Command::Load { from_seq, limit } => self.ask_journal(JournalRequest::Load { from_seq, limit }),
                Command::Answer { token, verdict } => {
                    if let Some(sender) = self.senders.remove(&token) {
                        let _ = sender.send(verdict);
                    }
                }
                Command::Send { request, path, sent, records } => {
                    let centre = self.centre.clone();
                    self.spawn(
                        async move { Completion::Sent { request, outcome: centre.send(path, sent, records).await } },
                    );
                }
                Command::Poll { path, after, wait_secs } => {
                    let centre = self.centre.clone();
                    self.spawn(async move { Completion::Polled(centre.poll(path, after, wait_secs).await) });
                }
                Command::Tell { stage, again } => self.elder.tell(stage, again, self.local),
                Command::Contact(told) => {
                    let contacts = Arc::clone(&self.contacts);
                    self.spawn(async move { Completion::Contacted { told, result: contacts.send(&told).await } });
                }
                Command::Stop => self.stopped = true,
            }
        }
    }

    fn ask_journal(&self, request: JournalRequest) {
        // The thread ends only with this driver; were it gone, the loop's own time limit tells the truth.
        if self.journal.send(request).is_err() {
            let _ = self.completions.send(Completion::WriteFailed);
        }
    }

    fn spawn(&self, work: impl Future<Output = Completion> + Send + 'static) {
        let completions = self.completions.clone();
        tokio::spawn(async move {
            let _ = completions.send(work.await);
        });
    }

    /// Publishes the presence code of the moment; returns when the next one is due.
    fn show_code(&self, engine: &Engine, wall_ms: i64) -> i64 {
        let rules = &engine.home().rules().visit;
        let Some((code, until_ms)) = crate::home::visit::Visits::code_now(rules, wall_ms) else { return i64::MAX };
        let publisher = self.publisher.clone();
        let payload = serde_json::json!({ "code": code, "valid_until_ms": until_ms }).to_string();
        let announcement = Announcement { topic: topics::PRESENCE_CODE.to_owned(), payload, retain: true };
        tokio::spawn(async move { publisher.publish(announcement).await });
        until_ms
    }
}

/// Makes a directory and what lies above it, readable by this user only; else a power cut could take
/// the new directory away with what was recorded in it.
fn private_dir(dir: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    if dir.is_dir() {
        return Ok(());
    }
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let parents = dir.ancestors().skip(1).map(|parent| match parent.as_os_str().is_empty() {
        true => std::path::Path::new("."),
        false => parent,
    });
    for parent in parents {
        // What lies further up was there before, and need not be readable.
        let Ok(parent) = std::fs::File::open(parent) else { break };
        parent.sync_all()?;
    }
    Ok(())
}
