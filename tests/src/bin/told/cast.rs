//! Who takes part in a home: the programs, the sensors, the desk, and what hears the elder being told.

use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ::gateway::reassure::device::DeviceKind;
use protocol::feed::WorkOrderNotice;
use protocol::stage::Stage;
use protocol::topics;
use protocol::visit::{Method, VisitAct};
use sensor_sim::payload::{self, VisitCall};
use sensor_sim::publication::Publication;
use sensor_sim::scenario::{DeviceKind as SimKind, HomeDevice};
use serde_json::{Value, json};
use tests::harness::api::Desk;
use tests::harness::clock::{ms_between, now, until, wall_ms};
use tests::harness::feed::Feed;
use tests::harness::mqtt::{Heard, MqttClient};
use tests::harness::program::Program;
use tests::harness::setup::{BRIDGE, CHECKER, LAMP, Ports, READER, Setup, Waits, fix_at_home};
use tests::harness::wire::{self, Publish};
use tests::harness::{Failed, centre, gateway, ports};

use super::report::Told;

/// Longest wait for a stage.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Between two causes; a person is not faster either.
pub const SETTLED: Duration = Duration::from_millis(100);

/// Longest wait until a program has stopped.
const STOPS_WITHIN: Duration = Duration::from_secs(10);

/// The lamp that the radio bridge would set.
const LAMP_DEVICE: &str = "bedroom lamp";

/// Smoke alarms of a home: one that cleared may alarm anew only after ten seconds, so they take turns.
const SMOKE_ALARMS: u32 = 8;

/// A home with its programs.
pub struct Home {
    /// Its directory and configurations.
    pub setup: Setup,
    /// The centre.
    pub centre: Program,
    gateway: Program,
    /// Everybody who takes part.
    pub cast: Cast,
}

impl Home {
    /// Starts a fresh home; `more` is added to its configuration.
    pub async fn start(more: &str) -> anyhow::Result<Self> {
        Self::start_in(Self::setup()?, more).await
    }

    /// Starts a fresh home whose journal stands on a disk that is not there.
    pub async fn start_without_disk() -> anyhow::Result<Self> {
        let setup = Self::setup()?;
        let data = setup.gateway_data();
        std::fs::DirBuilder::new().mode(0o700).recursive(true).create(&data)?;
        std::os::unix::fs::symlink(setup.dir().join("gone"), data.join("journal"))?;
        Self::start_in(setup, "").await
    }

    fn setup() -> anyhow::Result<Setup> {
        let [mqtt, centre, status] = ports::free()?;
        Setup::new(Ports { mqtt, centre, status }, Waits { link_down_minutes: 1, ..Waits::SHORT })
    }

    async fn start_in(mut setup: Setup, more: &str) -> anyhow::Result<Self> {
        let alarms = (0..SMOKE_ALARMS).map(|at| HomeDevice {
            kind: SimKind::Smoke,
            name: smoke_alarm(at),
            room: Some(format!("room {at}")),
        });
        setup.devices.extend(alarms);
        let (player, spoken) = player(setup.dir())?;
        setup.extra_toml = format!(
            "\n[voice]\nprompts_dir = \"{}\"\nplayer = \"{}\"\n[[output]]\ndevice = \"{LAMP_DEVICE}\"\nkind = \"lamp\"\n{more}",
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/voice").display(),
            player.display(),
        );
        let centre = centre::start(&setup, None).await?;
        let gateway = gateway::start(&setup, None).await?;
        let cast = sign_in(&setup, spoken).await.map_err(anyhow::Error::msg)?;
        Ok(Self { setup, centre, gateway, cast })
    }

    /// Stops both programs.
    pub async fn stop(self) -> Result<(), Failed> {
        let Self { setup, mut centre, mut gateway, cast } = self;
        drop(cast);
        gateway.stop(STOPS_WITHIN).await?;
        centre.stop(STOPS_WITHIN).await?;
        drop(setup);
        Ok(())
    }

    /// Stops the gateway, where the centre is away already.
    pub async fn stop_gateway(self) -> Result<(), Failed> {
        let Self { setup, centre, mut gateway, cast } = self;
        drop(cast);
        gateway.stop(STOPS_WITHIN).await?;
        drop((centre, setup));
        Ok(())
    }

    /// Stops the centre alone.
    pub async fn stop_centre(&mut self) -> Result<(), Failed> {
        self.centre.stop(STOPS_WITHIN).await.map(drop)
    }
}

/// The name of the smoke alarm whose turn it is.
pub fn smoke_alarm(round: u32) -> String {
    format!("smoke alarm {}", round % SMOKE_ALARMS)
}

/// Everybody who takes part.
pub struct Cast {
    checker: MqttClient,
    reader: MqttClient,
    panel: MqttClient,
    bridge: MqttClient,
    /// The alert feed.
    pub feed: Feed,
    /// A dispatcher's desk.
    pub desk: Desk,
    spoken: PathBuf,
}

/// An act that a stage follows from: when, and what had been heard by then.
pub struct Act {
    /// When.
    pub at: Instant,
    wall_ms: f64,
    panel: usize,
    bridge: usize,
    spoken: usize,
    feed: usize,
}

/// Which outputs are listened to beside the topic.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Outputs {
    /// The lamp and the voice.
    All,
    /// The lamp: the voice is in the middle of the stage before.
    Lamp,
    /// None: the next stage overtakes this one before they are surely set.
    None,
}

/// A player that notes when it was started, and plays nothing.
fn player(dir: &Path) -> anyhow::Result<(PathBuf, PathBuf)> {
    let (player, spoken) = (dir.join("player"), dir.join("spoken"));
    std::fs::write(&spoken, "")?;
    std::fs::write(&player, format!("#!/bin/sh\ndate +%s%N >> {}\nexec cat > /dev/null\n", spoken.display()))?;
    std::fs::set_permissions(&player, std::fs::Permissions::from_mode(0o700))?;
    Ok((player, spoken))
}

async fn sign_in(setup: &Setup, spoken: PathBuf) -> Result<Cast, Failed> {
    let connect = async |name: &str| MqttClient::connect(setup.ports.mqtt, name, Some(setup.sign_in(name)?)).await;
    let mut panel = connect(LAMP).await?;
    panel.subscribe(&[topics::REASSURANCE]).await?;
    let mut bridge = connect(BRIDGE).await?;
    bridge.subscribe(&["zigbee2mqtt/+/set"]).await?;
    Ok(Cast {
        checker: connect(CHECKER).await?,
        reader: connect(READER).await?,
        panel,
        bridge,
        feed: Feed::read(centre::desk(setup, setup.viewer())?, None),
        desk: centre::desk(setup, setup.dispatcher())?,
        spoken,
    })
}

impl Cast {
    fn spoken(&self) -> Vec<f64> {
        let text = std::fs::read_to_string(&self.spoken).unwrap_or_default();
        text.lines().filter_map(|line| line.parse::<f64>().ok()).map(|ns| ns / 1e6).collect()
    }

    /// The moment of an act, once the outputs have done with the one before.
    pub async fn act(&self) -> Act {
        tokio::time::sleep(SETTLED).await;
        Act {
            feed: self.feed.count(),
            panel: self.panel.heard_count(),
            bridge: self.bridge.heard_count(),
            spoken: self.spoken().len(),
            wall_ms: wall_ms() as f64,
            at: now(),
        }
    }

    /// A sensor speaks; gives when it began to and when that was acknowledged.
    pub async fn says(&mut self, message: &Publication) -> Result<(Instant, Instant), Failed> {
        self.checker.publish(&message.topic, &message.payload).await
    }

    /// A sensor speaks, and waits for no answer.
    pub async fn says_into_the_dark(&mut self, message: &Publication) -> Result<(), Failed> {
        let publish = Publish {
            topic: message.topic.clone(),
            payload: message.payload.clone(),
            packet: Some(self.checker.packet()),
            duplicate: false,
            retain: false,
        };
        self.checker.send(&wire::publish(&publish)).await
    }

    /// Waits until the panel shows a stage.
    pub async fn panel_says(&self, act: &Act, stage: Stage) -> Result<Instant, Failed> {
        let what = format!("the panel says {}", stage.word());
        let wanted = |heard: &Heard| heard.field("stage").as_deref() == Some(stage.word());
        let (_, heard) = self.panel.hear(&what, act.panel, PATIENCE, wanted).await?;
        Ok(heard.at)
    }

    /// Waits for the order that an act opens; gives its name and when its item came.
    pub async fn opened(&self, act: &Act) -> Result<(String, Instant), Failed> {
        let opens = |item: &tests::harness::feed::Item| item.event.kind == "workorder.opened";
        let opened = self.feed.wait("the order", act.feed, PATIENCE, opens).await?;
        let order: WorkOrderNotice = opened.order().ok_or("the item is not about a work order")?;
        Ok((order.id.to_string(), opened.at))
    }

    /// Waits until the centre says that an alarm was cancelled; gives when its item came.
    pub async fn cancelled(&self, act: &Act) -> Result<Instant, Failed> {
        let is = |item: &tests::harness::feed::Item| item.event.kind == "prealarm.cancelled";
        Ok(self.feed.wait("the cancel", act.feed, PATIENCE, is).await?.at)
    }

    /// Waits until an order has come that `wanted` is looking for; gives when its item came.
    pub async fn order_is(&self, act: &Act, wanted: impl Fn(&WorkOrderNotice) -> bool) -> Result<Instant, Failed> {
        let is = |item: &tests::harness::feed::Item| item.order().is_some_and(|order| wanted(&order));
        Ok(self.feed.wait("the order's change", act.feed, PATIENCE, is).await?.at)
    }

    /// The desk claims an order and closes it; the elder is told that no call is open. Gives when the desk was answered.
    pub async fn close(&self, order: &str, code: &str) -> Result<Instant, Failed> {
        let act = self.act().await;
        self.desk.order(order, "claim", &json!({})).await?;
        self.desk.order(order, "close", &json!({ "code": code, "outcome": "responder_visited" })).await?;
        let closed = now();
        self.panel_says(&act, Stage::Quiet).await?;
        Ok(closed)
    }

    /// Waits until the outputs have told a stage that was made true at `cause`, and notes how long they took; gives
    /// when the topic told it.
    pub async fn told(
        &self,
        act: &Act,
        cause: Instant,
        stage: Stage,
        outputs: Outputs,
        told: &mut Told,
    ) -> Result<Instant, Failed> {
        let said = self.panel_says(act, stage).await?;
        told.topic.note(ms_between(cause, said));
        if outputs == Outputs::None {
            return Ok(said);
        }
        let topic = format!("zigbee2mqtt/{LAMP_DEVICE}/set");
        let payload = DeviceKind::Lamp.payload(stage);
        let set = |heard: &Heard| {
            heard.topic == topic && serde_json::from_slice::<Value>(&heard.payload).is_ok_and(|set| set == payload)
        };
        let what = format!("the lamp is set for {}", stage.word());
        let (_, heard) = self.bridge.hear(&what, act.bridge, PATIENCE, set).await?;
        told.lamp.note(ms_between(cause, heard.at));
        if outputs == Outputs::All {
            let began = until("the voice begins", PATIENCE, async || {
                self.spoken().get(act.spoken).copied().ok_or_else(|| "it is silent".to_owned())
            });
            let cause_wall_ms = act.wall_ms + ms_between(act.at, cause);
            told.voice.note((began.await? - cause_wall_ms).max(0.0));
        }
        Ok(said)
    }

    /// A caregiver checks in or out at the reader.
    pub async fn visit(&mut self, act: VisitAct) -> Result<(), Failed> {
        let outcome = (act == VisitAct::CheckOut).then(|| "seen, safe".to_owned());
        let visit = payload::visit(&VisitCall {
            act,
            caregiver: "cg-17".to_owned(),
            service: None,
            method: Method::Card,
            code: None,
            fix: Some(fix_at_home()),
            outcome,
        });
        self.reader.publish(&visit.topic, &visit.payload).await.map(drop)
    }
}
