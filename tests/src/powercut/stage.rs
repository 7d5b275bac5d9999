//! One home on a recorded disk, with a real centre behind a recorder: what a workload plays on.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use protocol::topics::REASSURANCE;
use sensor_sim::payload;
use tokio::task::JoinHandle;

use super::block_log::{BlockLog, Note};
use super::ground::Ground;
use super::recorder::Recorder;
use crate::harness::gateway::{StatusPage, start_at};
use crate::harness::mqtt::{Heard, MqttClient};
use crate::harness::program::{Program, or_log};
use crate::harness::setup::{BRIDGE, CHECKER, LAMP, Setup};
use crate::harness::wire::{self, Packet, Publish};
use crate::harness::{Failed, centre};

/// Longest wait for one condition.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The SOS button.
pub const BUTTON: &str = "sos bedside";

/// Devices whose states change all the time: so many that none comes to the end of what one device may make.
const MOTION_SENSORS: usize = 55;

/// The file that fills the disk.
const BALLAST: &str = "ballast";

/// A running home whose disk, button and centre are all recorded in one log.
pub struct Stage {
    /// Where everything is noted.
    pub log: BlockLog,
    /// Between gateway and centre.
    pub recorder: Recorder,
    /// The gateway's status page.
    pub status: StatusPage,
    /// The gateway.
    pub gateway: Program,
    centre: Program,
    setup: Setup,
    program: PathBuf,
    ground: Option<Ground>,
    buttons: MqttClient,
    lamp: MqttClient,
    /// The press that is under way alone, so that "recorded" can mean no other.
    alone: Arc<Mutex<Option<u16>>>,
}

impl Stage {
    /// Starts the gateway at `program` on `ground`, which stands at its data directory.
    ///
    /// # Errors
    /// When anything does not start.
    pub async fn open(
        setup: Setup,
        recorder: Recorder,
        centre: Program,
        program: &Path,
        ground: Ground,
        log: BlockLog,
    ) -> anyhow::Result<Self> {
        let gateway = start_at(program, &setup, None).await?;
        let status = StatusPage::of(&setup).map_err(anyhow::Error::msg)?;
        let alone = Arc::new(Mutex::new(None));
        let buttons = buttons(&setup, log.clone()).await.map_err(anyhow::Error::msg)?;
        let lamp = lamp(&setup, log.clone(), Arc::clone(&alone)).await.map_err(anyhow::Error::msg)?;
        Ok(Self {
            log,
            recorder,
            status,
            gateway,
            centre,
            setup,
            program: program.to_owned(),
            ground: Some(ground),
            buttons,
            lamp,
            alone,
        })
    }

    /// Presses once, alone, and waits until button and lamp both say that it is recorded.
    ///
    /// # Errors
    /// When one of them does not.
    pub async fn press_and_watch(&mut self) -> anyhow::Result<()> {
        let packet = self.buttons.packet();
        let heard = self.lamp.heard_count();
        *self.alone.lock().unwrap_or_else(PoisonError::into_inner) = Some(packet);
        self.send(&[packet]).await?;
        self.acknowledged(&[packet]).await?;
        let shown = self.lamp.hear("the lamp says recorded", heard, PATIENCE, says_recorded).await;
        *self.alone.lock().unwrap_or_else(PoisonError::into_inner) = None;
        or_log(&self.gateway, shown)?;
        Ok(())
    }

    /// Presses so many times without waiting in between, then waits for every PUBACK.
    ///
    /// # Errors
    /// When one does not come.
    pub async fn press_many(&mut self, count: usize) -> anyhow::Result<()> {
        let packets: Vec<_> = (0..count).map(|_| self.buttons.packet()).collect();
        self.send(&packets).await?;
        self.acknowledged(&packets).await
    }

    async fn send(&mut self, packets: &[u16]) -> anyhow::Result<()> {
        let mut bytes = Vec::new();
        for packet in packets {
            self.log.note(Note::Pressed(*packet));
            bytes.extend(wire::publish(&press(*packet, false)));
        }
        self.buttons.send(&bytes).await.map_err(anyhow::Error::msg)
    }

    async fn acknowledged(&self, packets: &[u16]) -> anyhow::Result<()> {
        for packet in packets {
            or_log(&self.gateway, self.buttons.acknowledged(*packet, 0).await)?;
        }
        Ok(())
    }

    /// As [`telemetry`], in this home.
    pub fn telemetry(&self, changes: usize) -> JoinHandle<Result<(), Failed>> {
        telemetry(&self.setup, changes)
    }

    /// Numbers of the journal's segments, rising.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn segments(&self) -> anyhow::Result<BTreeSet<u64>> {
        let dir = self.setup.gateway_data().join("journal");
        let mut numbers = BTreeSet::new();
        for entry in std::fs::read_dir(&dir).with_context(|| format!("cannot list {}", dir.display()))? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix("segment-")?.strip_suffix(".journal"));
            numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
        }
        Ok(numbers)
    }

    /// Fills the disk to the last block.
    ///
    /// # Errors
    /// When it cannot be filled.
    pub fn fill_disk(&self) -> anyhow::Result<()> {
        let path = self.setup.gateway_data().join(BALLAST);
        let mut file = std::fs::File::create(path).context("no ballast")?;
        for piece in [256 * 1024, super::block_log::BLOCK] {
            while std::io::Write::write_all(&mut file, &vec![1; piece]).is_ok() {}
        }
        // With delayed allocation a block is only had once it is written.
        let _ = file.sync_all();
        Ok(())
    }

    /// Gives the space back.
    ///
    /// # Errors
    /// When the ballast cannot be removed.
    pub fn empty_disk(&self) -> anyhow::Result<()> {
        remove_ballast(&self.setup.gateway_data()).context("no ballast to remove")
    }

    /// Waits until the journal takes records, or does not.
    ///
    /// # Errors
    /// When it does not become so.
    pub async fn until_journal_ok(&self, ok: bool) -> anyhow::Result<()> {
        let metric = self.status.until_metric("gateway_journal_ok", PATIENCE, |value| (value == 1) == ok).await;
        or_log(&self.gateway, metric).map(drop)
    }

    /// Waits until the centre has everything that is urgent.
    ///
    /// # Errors
    /// When it does not get it.
    pub async fn until_delivered(&self) -> anyhow::Result<()> {
        let metric = self.status.until_metric("gateway_backlog_emergency_records", PATIENCE, |value| value == 0).await;
        or_log(&self.gateway, metric).map(drop)
    }

    /// Kills the gateway where it stands and starts it again on the same disk.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn restart_gateway(&mut self) -> anyhow::Result<()> {
        self.gateway.kill();
        self.gateway = start_at(&self.program, &self.setup, None).await?;
        let next = self.buttons.packet();
        self.buttons = buttons(&self.setup, self.log.clone()).await.map_err(anyhow::Error::msg)?;
        while self.buttons.packet() < next {}
        self.lamp = lamp(&self.setup, self.log.clone(), Arc::clone(&self.alone)).await.map_err(anyhow::Error::msg)?;
        Ok(())
    }

    /// Stops the gateway in order and takes the disk away from it.
    ///
    /// # Errors
    /// When it does not end in order.
    pub async fn shut_down(&mut self) -> anyhow::Result<()> {
        self.log.note(Note::Stopping);
        let ended = self.gateway.stop(PATIENCE).await;
        let ended = or_log(&self.gateway, ended)?;
        ensure!(ended.success(), "the gateway ended with {ended}");
        self.ground.take().map_or(Ok(()), Ground::unmount)
    }

    /// Ends everything that still runs and gives back what the home was made of.
    ///
    /// # Errors
    /// When the disk is still in use.
    pub fn close(mut self) -> anyhow::Result<Setup> {
        self.gateway.kill();
        self.centre.kill();
        self.ground.take().map_or(Ok(()), Ground::unmount)?;
        Ok(self.setup)
    }
}

/// A bridge that publishes so many changes of motion sensors, as fast as the gateway takes them.
pub fn telemetry(setup: &Setup, changes: usize) -> JoinHandle<Result<(), Failed>> {
    let port = setup.ports.mqtt;
    let sign_in = setup.sign_in(BRIDGE).cloned();
    tokio::spawn(async move {
        let mut bridge = MqttClient::connect(port, BRIDGE, Some(&sign_in?)).await?;
        for index in 0..changes {
            let device = format!("motion {}", index % MOTION_SENSORS);
            let motion = payload::motion(&device, (index / MOTION_SENSORS).is_multiple_of(2));
            bridge.publish(&motion.topic, &motion.payload).await?;
        }
        Ok(())
    })
}

/// A press as the button says it under this packet id, for the first time or again.
pub fn press(packet: u16, again: bool) -> Publish {
    let press = payload::sos_press(BUTTON);
    Publish { topic: press.topic, payload: press.payload, packet: Some(packet), duplicate: again, retain: false }
}

/// Removes the file that fills the disk.
///
/// # Errors
/// When there is none.
pub fn remove_ballast(data_dir: &Path) -> std::io::Result<()> {
    std::fs::remove_file(data_dir.join(BALLAST))
}

/// Starts the centre of a setup; the recorder stands on the port that the gateway is told.
///
/// # Errors
/// When one of them does not start.
pub async fn start_centre(setup: &mut Setup, port: u16, log: BlockLog) -> anyhow::Result<(Program, Recorder)> {
    let program = centre::start(setup, None).await?;
    let recorder = Recorder::start(port, centre::url(setup), log).await?;
    setup.centre_urls = vec![format!("http://127.0.0.1:{port}")];
    Ok((program, recorder))
}

async fn buttons(setup: &Setup, log: BlockLog) -> Result<MqttClient, Failed> {
    let tell = move |packet: &Packet| {
        if let Packet::PubAck(packet) = packet {
            log.note(Note::Acknowledged(*packet));
        }
    };
    MqttClient::connect_telling(setup.ports.mqtt, CHECKER, Some(setup.sign_in(CHECKER)?), Some(Box::new(tell))).await
}

async fn lamp(setup: &Setup, log: BlockLog, alone: Arc<Mutex<Option<u16>>>) -> Result<MqttClient, Failed> {
    let tell = move |packet: &Packet| {
        if let Packet::Publish(publish) = packet
            && !publish.retain
            && is_recorded(&publish.payload)
            && let Some(press) = *alone.lock().unwrap_or_else(PoisonError::into_inner)
        {
            log.note(Note::ShownRecorded(press));
        }
    };
    let mut lamp =
        MqttClient::connect_telling(setup.ports.mqtt, LAMP, Some(setup.sign_in(LAMP)?), Some(Box::new(tell))).await?;
    lamp.subscribe(&[REASSURANCE]).await?;
    Ok(lamp)
}

fn says_recorded(heard: &Heard) -> bool {
    !heard.retained && is_recorded(&heard.payload)
}

fn is_recorded(payload: &[u8]) -> bool {
    let body: Option<serde_json::Value> = serde_json::from_slice(payload).ok();
    body.is_some_and(|body| body["stage"] == "recorded")
}
