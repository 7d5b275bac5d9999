//! Why a message, or a part of it, was not taken. Each name is a stable label that is counted.

use std::fmt;

/// Why a message, or a part of it, was not taken; it never carries a word of the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rejection {
    /// The payload is longer than its topic may carry.
    TooLarge,
    /// The payload is empty, as when somebody clears a retained message.
    Empty,
    /// The payload is not UTF-8.
    NotUtf8,
    /// The payload is not JSON.
    NotJson,
    /// The payload is JSON of another shape than its topic carries.
    UnexpectedShape,
    /// No ecosystem or rule of this home speaks on this topic.
    UnknownTopic,
    /// The device is neither configured nor of the home's own network.
    UnknownDevice,
    /// A broker replayed a stored press; nobody pressed now.
    RetainedPress,
    /// A broker replayed a stored check-in or check-out.
    RetainedVisit,
    /// A visit of an unknown version.
    VisitVersion,
    /// A visit that is neither check-in nor check-out.
    VisitAct,
    /// A visit without a usable caregiver id.
    VisitCaregiver,
    /// A visit whose service is not a text or is too long.
    VisitService,
    /// A visit without a known method.
    VisitMethod,
    /// A visit whose code is not a text or is too long.
    VisitCode,
    /// A visit whose fix is malformed; the visit is taken without it.
    VisitFix,
    /// A visit whose outcome is not a text or is too long.
    VisitOutcome,
}

impl Rejection {
    /// Every rejection, for counters that start at zero.
    pub const ALL: [Self; 17] = [
        Self::TooLarge,
        Self::Empty,
        Self::NotUtf8,
        Self::NotJson,
        Self::UnexpectedShape,
        Self::UnknownTopic,
        Self::UnknownDevice,
        Self::RetainedPress,
        Self::RetainedVisit,
        Self::VisitVersion,
        Self::VisitAct,
        Self::VisitCaregiver,
        Self::VisitService,
        Self::VisitMethod,
        Self::VisitCode,
        Self::VisitFix,
        Self::VisitOutcome,
    ];

    /// A stable label in snake case.
    pub fn name(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::Empty => "empty",
            Self::NotUtf8 => "not_utf8",
            Self::NotJson => "not_json",
            Self::UnexpectedShape => "unexpected_shape",
            Self::UnknownTopic => "unknown_topic",
            Self::UnknownDevice => "unknown_device",
            Self::RetainedPress => "retained_press",
            Self::RetainedVisit => "retained_visit",
            Self::VisitVersion => "visit_version",
            Self::VisitAct => "visit_act",
            Self::VisitCaregiver => "visit_caregiver",
            Self::VisitService => "visit_service",
            Self::VisitMethod => "visit_method",
            Self::VisitCode => "visit_code",
            Self::VisitFix => "visit_fix",
            Self::VisitOutcome => "visit_outcome",
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
