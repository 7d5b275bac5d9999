//! How a wired lamp or siren shows a stage: off, steady, slow or fast.

use std::time::Duration;

use protocol::stage::Stage;

/// What an output does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern {
    /// Off.
    Off,
    /// On.
    Steady,
    /// Half a second on, half a second off.
    Slow,
    /// An eighth of a second on, an eighth off.
    Fast,
}

impl Pattern {
    /// Each pattern's word in a configuration.
    pub const WORDS: &[(&str, Self)] =
        &[("off", Self::Off), ("steady", Self::Steady), ("slow", Self::Slow), ("fast", Self::Fast)];

    /// How long each half of a blink lasts; none where nothing moves.
    pub fn half(self) -> Option<Duration> {
        match self {
            Self::Off | Self::Steady => None,
            Self::Slow => Some(Duration::from_millis(500)),
            Self::Fast => Some(Duration::from_millis(125)),
        }
    }
}

/// What hangs on a pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wired {
    /// A lamp: slow while the elder waits, steady when somebody has the call, fast where the elder must act.
    Lamp,
    /// A siren or bell, for fire and where nobody is reached.
    Siren,
}

impl Wired {
    /// Each kind's word in a configuration.
    pub const WORDS: &[(&str, Self)] = &[("lamp", Self::Lamp), ("siren", Self::Siren)];

    /// What it does at a stage, unless configured otherwise.
    pub fn pattern(self, stage: Stage) -> Pattern {
        match (self, stage) {
            (_, Stage::Quiet) => Pattern::Off,
            (Self::Siren, Stage::LeaveNow) => Pattern::Steady,
            (Self::Siren, Stage::StillNotConnected | Stage::ContactsCalled) => Pattern::Slow,
            (Self::Siren, _) => Pattern::Off,
            (
                Self::Lamp,
                Stage::LeaveNow
                | Stage::PreAlarm
                | Stage::NotConnected
                | Stage::StillNotConnected
                | Stage::ContactsCalled,
            ) => Pattern::Fast,
            (Self::Lamp, Stage::Taken | Stage::Coming | Stage::Here) => Pattern::Steady,
            (
                Self::Lamp,
                Stage::Recorded
                | Stage::NotRecorded
                | Stage::Received
                | Stage::Retracted
                | Stage::LinkDown
                | Stage::Cancelling
                | Stage::RadioLost,
            ) => Pattern::Slow,
        }
    }
}
