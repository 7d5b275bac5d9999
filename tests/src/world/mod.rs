//! The seeded world: homes, their radio and disks, the lines, the centre and the people, in virtual time.
//!
//! It runs the shipping loops (`Engine`, `Journal`, `Centre`) from one seed and watches that nothing
//! is lost, nothing is doubled and the elder is told no more than is true. No IO, no clock, no tokio.

use std::sync::Arc;

use sensor_sim::dice::Dice;

pub mod agenda;
mod centre;
pub mod faults;
mod home;
mod idle;
mod misfortune;
mod network;
mod people;
mod run;
pub mod script;
mod town;
pub mod transcript;
pub mod watch;
mod wires;

use self::agenda::Agenda;
use self::centre::CentreSite;
use self::faults::{Faults, Trouble};
use self::home::Home;
use self::network::Mail;
use self::people::DeskTask;
use self::transcript::{Detail, Transcript};
use self::watch::{Violation, Watch};

pub use self::town::Town;

/// Unix milliseconds at virtual time 0: a Sunday's midnight, UTC.
pub const EPOCH_MS: i64 = 1_795_305_600_000;

/// One hour, milliseconds.
pub const HOUR_MS: u64 = 3_600_000;

/// One day, milliseconds.
pub const DAY_MS: u64 = 24 * HOUR_MS;

/// After the last fault: how long until every call must have reached the centre, milliseconds.
pub const DELIVERY_WITHIN_MS: u64 = 15 * 60_000;

/// After the last fault: how long until every call must be closed and every lamp quiet, milliseconds.
pub const QUIET_WITHIN_MS: u64 = 4 * HOUR_MS;

/// A home in which nobody moves any more calls by its rules: an order opened this shortly before the end has so long
/// to be closed too, milliseconds.
const LATE_ORDER_MS: u64 = HOUR_MS;

/// But after so many looks everything must be at rest whatever was opened between.
const LATE_LOOKS_MAX: u32 = 4;

/// How long what a desk did may take to the home, over lines that carry and while its alarm is open, milliseconds.
pub const NEWS_WITHIN_MS: u64 = 25_000;

/// What one world is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorldConfig {
    /// Everything that is left to chance.
    pub seed: u64,
    /// Homes.
    pub homes: usize,
    /// Days lived before the faults stop.
    pub days: u64,
    /// How much goes wrong.
    pub faults: Faults,
    /// What is written down.
    pub detail: Detail,
}

/// What a world that held came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Homes × days.
    pub home_days: u64,
    /// Records that the gateways sealed.
    pub records: u64,
    /// Steps of the gateways' loops.
    pub steps: u64,
    /// Bytes that the gateways' flash was told to write, in whole pages.
    pub worn: u64,
    /// Presses by elders.
    pub presses: u64,
    /// Work orders opened.
    pub orders: u64,
    /// Gateways killed or cut off.
    pub gateway_crashes: u64,
    /// Gateways asked to stop that did.
    pub stops: u64,
    /// Centre crashes.
    pub centre_crashes: u64,
    /// Other faults.
    pub troubles: u64,
    /// Presses that counted once more when they were said again after their call was closed.
    pub recounted: u64,
}

impl Tally {
    /// Adds another world's.
    pub fn add(&mut self, other: &Self) {
        self.home_days += other.home_days;
        self.records += other.records;
        self.steps += other.steps;
        self.worn += other.worn;
        self.presses += other.presses;
        self.orders += other.orders;
        self.gateway_crashes += other.gateway_crashes;
        self.stops += other.stops;
        self.centre_crashes += other.centre_crashes;
        self.troubles += other.troubles;
        self.recounted += other.recounted;
    }
}

/// Everything that can be due. A `run` tells which run of a gateway it was meant for.
#[derive(Debug)]
enum Due {
    /// The next thing that happens in a home's ordinary day.
    Sign { home: usize },
    /// The home's broker hears the next message of its client.
    Deliver { home: usize, connection: u32 },
    /// The radio bridge connects to the broker again.
    Reconnect { home: usize },
    /// The gateway's loop wants to be woken.
    Wake { home: usize, run: u32 },
    /// The disk does what the journal's thread asked.
    Disk { home: usize, run: u32 },
    /// A lamp takes a stage.
    Told { home: usize, run: u32, stage: protocol::stage::Stage },
    /// A request reaches the centre.
    Arrive(Box<Mail>),
    /// What became of a request reaches the gateway.
    Return { home: usize, run: u32, completion: Box<gateway::engine::Completion> },
    /// A long poll ends without news.
    PollEnds { ticket: u64 },
    /// The centre's own deadline.
    CentreDeadline,
    /// The centre looks who has fallen silent.
    Beats,
    /// A gateway that was asked to stop is waited for no longer.
    StopEnds { home: usize, run: u32 },
    /// A gateway starts.
    GatewayStart { home: usize },
    /// The centre starts.
    CentreStart,
    /// Something goes wrong.
    Trouble,
    /// Something is mended.
    Mend { home: usize, trouble: Trouble },
    /// Everything is mended, for good.
    Heal,
    /// An elder needs help.
    Need { home: usize },
    /// An elder looks whether the lamp has answered a press.
    Look { home: usize, pressed_ms: u64, left: u32 },
    /// A latching button is released.
    Release { home: usize },
    /// An elder says that a fall was none, by button or page.
    Cancel { home: usize },
    /// A radar sees its elder up again.
    StandUp { home: usize },
    /// Somebody at a desk acts.
    Desk(Box<DeskTask>),
    /// A caregiver checks in, or out.
    Visit { home: usize, arrives: bool },
    /// A flapping path turns.
    Flap { home: usize, path: usize },
    /// What a desk did must be known in the home by now.
    NewsCheck { home: usize, ver: u64, since_ms: u64 },
    /// A step of a scenario.
    Script { step: usize },
    /// Every call must have reached the centre by now.
    DeliveryCheck,
    /// Everything must be quiet by now; the end.
    End,
}

/// The world.
#[derive(Debug)]
pub struct World {
    config: WorldConfig,
    town: Arc<Town>,
    now_ms: u64,
    agenda: Agenda<Due>,
    homes: Vec<Home>,
    centre: CentreSite,
    watch: Watch,
    transcript: Transcript,
    dice: Dice,
    tally: Tally,
    script: Option<script::Running>,
    /// The loops' commands, kept for its room.
    commands: Vec<gateway::engine::Command>,
    /// Whether requests cross as JSON bodies.
    json: bool,
    healed: bool,
    /// How often the end was put off for an order opened late.
    late_looks: u32,
}

/// Lives one world to its end.
///
/// # Errors
/// The first invariant that did not hold.
pub fn live(config: WorldConfig, town: &Arc<Town>) -> (Result<Tally, Violation>, Transcript) {
    let mut world = World::new(config, Arc::clone(town));
    world.begin();
    let outcome = world.run();
    (outcome, world.transcript)
}
