//! What must hold after a cut: the real gateway starts on what the disk kept, every promised press is
//! there exactly once, and a press that is said again makes one.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use gateway::journal::{self, FsStorage};
use protocol::record::{Body, Record};

use super::cut::{self, Cut, Left};
use super::ext4::{self, Mounted};
use super::ground::Ground;
use super::stage::{PATIENCE, press, remove_ballast};
use super::truth::{Recorded, Truth, made};
use super::workload::Workload;
use crate::harness::gateway::StatusPage;
use crate::harness::mqtt::MqttClient;
use crate::harness::program::Program;
use crate::harness::setup::{CHECKER, Ports, Setup, Waits};
use crate::harness::{Failed, ports, wire};

mod centre;

pub use self::centre::CentreSide;

/// Something that must never be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// Neither mount nor e2fsck could make anything of the disk.
    Unmountable(String),
    /// The gateway did not start.
    StartUp(String),
    /// A promised press is neither in the journal nor at the centre.
    Lost(u16),
    /// A press made more than one record.
    Doubled(u16),
    /// A segment left the journal, and nothing in it had arrived at the centre.
    RetiredUndelivered(u64),
    /// A press that was said again was not acknowledged.
    Unanswered(u16, String),
    /// The centre's orders do not hold every press exactly once.
    AtCentre(String),
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unmountable(why) => write!(f, "the disk cannot be mounted, repaired or not: {why}"),
            Self::StartUp(why) => write!(f, "the gateway does not start: {why}"),
            Self::Lost(press) => write!(f, "press {press} was promised and is lost"),
            Self::Doubled(press) => write!(f, "press {press} is there more than once"),
            Self::RetiredUndelivered(segment) => {
                write!(f, "segment {segment} left the journal before anything in it had arrived at the centre")
            }
            Self::Unanswered(press, why) => write!(f, "press {press}, said again, is not acknowledged: {why}"),
            Self::AtCentre(why) => write!(f, "at the centre: {why}"),
        }
    }
}

/// What one cut came to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Everything that must not be.
    pub violations: Vec<Violation>,
    /// ext4 needed e2fsck before it could be mounted.
    pub repaired: bool,
    /// Start-up named damage that may have lost records.
    pub named_damage: bool,
    /// Presses that the centre had taken for a disk that could not, and that were said again.
    pub recounted: usize,
    /// The real centre took part.
    pub with_centre: bool,
}

/// Checks cuts one after another, with ports, mounts and programs of its own.
pub struct Checker {
    dir: PathBuf,
    setup: Setup,
    program: PathBuf,
    status: StatusPage,
    centre: CentreSide,
}

impl Checker {
    /// A checker that works below `dir` with the gateway at `program`; its centre serves `cuts` cuts.
    ///
    /// # Errors
    /// When the centre does not start.
    pub async fn start(dir: PathBuf, program: &Path, cuts: usize) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&dir)?;
        let [mqtt, centre, status] = ports::free()?;
        let mut setup = Setup::new(Ports { mqtt, centre, status }, Waits::SHORT)?;
        let centre = CentreSide::start(&mut setup, cuts).await?;
        let status = StatusPage::of(&setup).map_err(anyhow::Error::msg)?;
        Ok(Self { dir, setup, program: program.to_owned(), status, centre })
    }

    /// Makes the cut and says what became of it; with `with_centre` its presses are followed to the real centre.
    ///
    /// # Errors
    /// Only for what is not the product's doing, such as a full machine.
    pub async fn check(
        &mut self,
        workload: Workload,
        recorded: &Recorded,
        cut: Cut,
        with_centre: bool,
    ) -> anyhow::Result<Outcome> {
        let mut outcome = Outcome { with_centre, ..Outcome::default() };
        let ground = match cut::left(&recorded.recording, cut) {
            Left::Disk(image) => match self.mount(&image, &mut outcome)? {
                Some(mounted) => Ground::Ext4(mounted),
                None => return Ok(outcome),
            },
            Left::Tree(tree) => {
                let dir = self.setup.gateway_data();
                tree.write_to(&dir)?;
                Ground::Plain(dir)
            }
        };
        let truth = recorded.truth(cut.at);
        self.setup.extra_toml.clone_from(&recorded.recording.extra_toml);
        self.centre.turn_to_next(&mut self.setup, with_centre);
        if with_centre {
            self.centre.hand_over(&truth.arrived).await.map_err(anyhow::Error::msg)?;
        }
        match self.start_gateway(ground.dir()).await {
            Ok(mut gateway) => {
                self.say_again(&truth, &mut outcome).await;
                let sent = if with_centre { self.centre.has_all(truth.pressed.len()).await } else { Ok(()) };
                gateway.kill();
                let records = read(ground.dir(), &mut outcome)?;
                judge(workload, &truth, &records, &mut outcome);
                if with_centre && let Err(why) = and_held(sent, self.centre.holds(truth.pressed.len())).await {
                    outcome.violations.push(Violation::AtCentre(why));
                }
            }
            Err(why) => outcome.violations.push(Violation::StartUp(why)),
        }
        ground.unmount().context("the cut's disk is still in use")?;
        Ok(outcome)
    }

    /// Mounts what the cut left of the disk, repaired if it must be; none where nothing can be made of it.
    fn mount(&self, image: &[u8], outcome: &mut Outcome) -> anyhow::Result<Option<Mounted>> {
        let file = self.dir.join("cut.ext4");
        ext4::write_image(&file, image)?;
        let mount = |file: &Path| Mounted::mount(file, &self.setup.gateway_data());
        if let Ok(mounted) = mount(&file) {
            return Ok(Some(mounted));
        }
        outcome.repaired = true;
        match ext4::repair(&file).and_then(|()| mount(&file)) {
            Ok(mounted) => Ok(Some(mounted)),
            Err(error) => {
                outcome.violations.push(Violation::Unmountable(format!("{error:#}")));
                Ok(None)
            }
        }
    }

    /// Starts the gateway as after a power cut; a disk that was full gets its space back.
    async fn start_gateway(&self, data_dir: &Path) -> Result<Program, Failed> {
        let config = self.setup.write_gateway().map_err(|error| error.to_string())?;
        let arguments = ["run", "--config", &config.to_string_lossy()];
        let started = Program::start("gateway", &self.program, &arguments, None);
        let mut gateway = started.map_err(|error| format!("{error:#}"))?;
        let runs = |line: &str| line.contains("ready gateway") || line.contains("could not be written");
        let said = gateway.wait_line("it says that it runs", PATIENCE, runs).await;
        let full = remove_ballast(data_dir).is_ok();
        let ready = match said {
            Ok(line) if line.contains("ready gateway") || full => {
                self.status.until_metric("gateway_journal_ok", PATIENCE, |ok| ok == 1).await.map(drop)
            }
            Ok(line) => Err(line),
            Err(why) => Err(why),
        };
        ready.map_err(|why| format!("{why}\n    {}", gateway.last_lines(6).join("\n    ")))?;
        Ok(gateway)
    }

    /// The button says again what nobody acknowledged.
    async fn say_again(&self, truth: &Truth, outcome: &mut Outcome) {
        let presses: Vec<_> = truth.unanswered().collect();
        let Some(first) = presses.first() else { return };
        let said = async {
            let sign_in = self.setup.sign_in(CHECKER)?;
            let mut button = MqttClient::connect(self.setup.ports.mqtt, CHECKER, Some(sign_in)).await?;
            let bytes: Vec<_> = presses.iter().flat_map(|packet| wire::publish(&press(*packet, true))).collect();
            button.send(&bytes).await?;
            for packet in &presses {
                button.acknowledged(*packet, 0).await?;
            }
            Ok::<_, Failed>(())
        };
        if let Err(why) = said.await {
            outcome.violations.push(Violation::Unanswered(*first, why));
        }
    }

    /// Ends the centre.
    pub fn end(mut self) {
        self.centre.end();
    }
}

/// The journal as it is after start-up and redelivery.
fn read(data_dir: &Path, outcome: &mut Outcome) -> anyhow::Result<Vec<Record>> {
    let storage = FsStorage::read_only(data_dir.join("journal"))?;
    outcome.named_damage = !journal::verify(&storage)?.is_whole();
    let records: Result<Vec<_>, _> = journal::dump(&storage)?.map(|entry| entry.map(|(_, record)| record)).collect();
    Ok(records?)
}

async fn and_held(sent: Result<(), Failed>, held: impl Future<Output = Result<(), Failed>>) -> Result<(), Failed> {
    sent?;
    held.await
}

fn judge(workload: Workload, truth: &Truth, records: &[Record], outcome: &mut Outcome) {
    let (on_disk, at_centre) = (made(records), made(truth.arrived.iter().map(|record| &**record)));
    let none = BTreeSet::new();
    if !outcome.with_centre {
        outcome.violations.extend(retired_undelivered(truth, records));
    }
    for press in &truth.pressed {
        let on_disk = on_disk.get(press).unwrap_or(&none);
        let at_centre = at_centre.get(press).unwrap_or(&none);
        // What the centre has excuses only a journal that could not take it, or has retired it.
        let may_be_elsewhere = matches!(workload, Workload::RollAndRetire | Workload::DiskFull);
        if on_disk.is_empty() && !at_centre.is_empty() && !may_be_elsewhere {
            outcome.violations.push(Violation::Lost(*press));
        }
        match on_disk.union(at_centre).count() {
            // Sent to the centre since the cut, it may be retired already: the centre's orders tell.
            0 if outcome.with_centre => {}
            0 => outcome.violations.push(Violation::Lost(*press)),
            1 => {}
            // The disk could not take it, the centre did, and the power went before the button was told.
            _ if workload == Workload::DiskFull
                && !truth.promised.contains(press)
                && on_disk.len() == 1
                && at_centre.len() == 1 =>
            {
                outcome.recounted += 1;
            }
            _ => outcome.violations.push(Violation::Doubled(*press)),
        }
    }
}

/// Segments whose retirement the journal attests although the centre never had a record as late as their first.
fn retired_undelivered(truth: &Truth, records: &[Record]) -> impl Iterator<Item = Violation> {
    records.iter().filter_map(|record| {
        let Body::SegmentRetired(retired) = &record.body else { return None };
        (retired.first_seq? > truth.arrived_through).then_some(Violation::RetiredUndelivered(retired.segment))
    })
}

#[cfg(test)]
mod tests;
