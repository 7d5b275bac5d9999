//! What goes wrong next, drawn from a seed.

use std::fmt;

use sensor_sim::dice::Dice;

use super::line::Mode;

/// Which of the two lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The first path.
    First,
    /// The second path.
    Second,
    /// Both at once.
    Both,
}

impl Which {
    /// The lines meant, by their places.
    pub fn places(self) -> &'static [usize] {
        match self {
            Self::First => &[0],
            Self::Second => &[1],
            Self::Both => &[0, 1],
        }
    }
}

/// One thing that goes wrong for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A line misbehaves.
    Line(Which, Mode),
    /// A cable is pulled out.
    Unplugged(Which),
    /// The gateway is killed and started again.
    GatewayKilled,
    /// The centre is killed and started again after the hold.
    CentreKilled,
}

/// Draws faults so that each kind comes before any comes twice as often as another.
pub struct Faults {
    dice: Dice,
    bag: Vec<u64>,
}

impl Faults {
    /// The faults of a seed.
    pub fn new(seed: u64) -> Self {
        Self { dice: Dice::named(seed, "faults"), bag: Vec::new() }
    }

    /// The next one, how long it holds and how long nothing follows it, milliseconds.
    pub fn draw(&mut self) -> (Fault, u64, u64) {
        if self.bag.is_empty() {
            self.bag = (0..FAULTS_IN_BAG).collect();
        }
        let place = self.dice.between(0, self.bag.len() as u64 - 1);
        let kind = self.bag.swap_remove(usize::try_from(place).unwrap_or(0));
        let dice = &mut self.dice;
        let which = match dice.between(0, 3) {
            0 | 1 => Which::First,
            2 => Which::Second,
            _ => Which::Both,
        };
        let fault = match kind {
            0 => Fault::Line(which, Mode::Delay(dice.between(5, 300))),
            1 | 2 => Fault::Line(which, Mode::Stall),
            3 | 4 => Fault::Line(which, Mode::Cut(usize::try_from(dice.between(1, 1_500)).unwrap_or(1))),
            5 => Fault::Line(which, Mode::HalfClose),
            6 => Fault::Unplugged(which),
            7 | 8 => Fault::GatewayKilled,
            _ => Fault::CentreKilled,
        };
        (fault, dice.between(100, 1_500), dice.between(0, 400))
    }
}

/// How many faults are drawn before the bag is filled again.
const FAULTS_IN_BAG: u64 = 11;

impl Fault {
    /// Its name, whatever line it is on.
    pub fn name(self) -> &'static str {
        match self {
            Self::Line(_, Mode::Delay(_)) => "line delays",
            Self::Line(_, Mode::Stall) => "line is a black hole",
            Self::Line(_, Mode::Cut(_)) => "line cut inside a frame",
            Self::Line(_, Mode::HalfClose) => "answers half-closed",
            Self::Line(_, Mode::Open) => "line open",
            Self::Unplugged(_) => "cable out",
            Self::GatewayKilled => "gateway killed (SIGKILL)",
            Self::CentreKilled => "centre killed (SIGKILL)",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
