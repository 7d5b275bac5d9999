//! Closing a work order: the codes that say what was verified, the outcomes, and which may be used when.

use protocol::trigger::OrderClass;

use super::effect::Refused;
use super::work_order::WorkOrder;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// Every one of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word on the wire.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }

            /// Reads the word on the wire.
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == word)
            }
        }
    };
}

words! {
    /// What was verified before an order was closed.
    CloseCode {
        /// A medical emergency.
        RealMedical = "real.medical",
        /// A fall.
        RealFall = "real.fall",
        /// Fire or gas.
        RealFireGas = "real.fire_gas",
        /// A social need.
        RealSocial = "real.social",
        /// 误按·已通话确认平安: unintended, spoken to.
        FalseAccidentalPress = "false.accidental_press",
        /// 设备误报·已确认平安: a device's mistake, person confirmed.
        FalseSensor = "false.sensor",
        /// A pet or a visitor set it off.
        FalsePetOrVisitor = "false.pet_or_visitor",
        /// Nobody was at home and the home did not know.
        FalseAwayNotSet = "false.away_not_set",
        /// A test.
        Test = "test",
        /// The same need is handled in another order.
        Duplicate = "duplicate",
        /// The elder cancelled; automatic alarms only.
        CancelledByElder = "cancelled_by_elder",
        /// 未接通·上门见到平安: no answer, seen safe.
        NoAnswerWelfareOk = "no_answer_welfare_ok",
        /// Mains or battery supply.
        TechnicalPower = "technical.power",
        /// Network.
        TechnicalNetwork = "technical.network",
        /// A device's battery.
        TechnicalBattery = "technical.battery",
        /// The address was not reached; never closes an order where somebody may be in danger.
        UnreachableAddress = "unreachable_address",
        /// 拒绝帮助·已告知风险: refused, risk explained.
        RefusedHelp = "refused_help",
    }
}

words! {
    /// What was done.
    Outcome {
        /// Advice by voice.
        Advice = "advice",
        /// A contact went.
        ContactVisited = "contact_visited",
        /// A responder went.
        ResponderVisited = "responder_visited",
        /// 120 was sent.
        AmbulanceSent = "ambulance_sent",
        /// The police went.
        Police = "police",
        /// The elder has died.
        Deceased = "deceased",
    }
}

/// How an order was closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// The code.
    pub code: CloseCode,
    /// The outcome.
    pub outcome: Option<Outcome>,
    /// Who closed it.
    pub by: String,
    /// Unix milliseconds.
    pub at_ms: i64,
}

/// Highest priority number that must be closed with an outcome.
const OUTCOME_PRIORITY_MAX: u8 = 1;

/// Checks code and outcome against the order.
pub(super) fn check(
    order: &WorkOrder,
    code: Option<&str>,
    outcome: Option<&str>,
) -> Result<(CloseCode, Option<Outcome>), Refused> {
    let given = code.filter(|code| !code.is_empty()).ok_or(Refused::CodeMissing)?;
    let code = CloseCode::parse(given).ok_or_else(|| Refused::CodeUnknown { given: shorten(given) })?;
    let outcome = match outcome.filter(|outcome| !outcome.is_empty()) {
        Some(given) => Some(Outcome::parse(given).ok_or_else(|| Refused::OutcomeUnknown { given: shorten(given) })?),
        None if order.priority <= OUTCOME_PRIORITY_MAX => return Err(Refused::OutcomeMissing),
        None => None,
    };
    match code {
        CloseCode::CancelledByElder if order.manual => Err(Refused::PressNotCancellable),
        CloseCode::UnreachableAddress if matches!(order.class, OrderClass::Emergency | OrderClass::FireGas) => {
            Err(Refused::UnreachableStaysOpen)
        }
        CloseCode::RealMedical
        | CloseCode::RealFall
        | CloseCode::RealFireGas
        | CloseCode::RealSocial
        | CloseCode::FalseAccidentalPress
        | CloseCode::FalseSensor
        | CloseCode::FalsePetOrVisitor
        | CloseCode::FalseAwayNotSet
        | CloseCode::Test
        | CloseCode::Duplicate
        | CloseCode::CancelledByElder
        | CloseCode::NoAnswerWelfareOk
        | CloseCode::TechnicalPower
        | CloseCode::TechnicalNetwork
        | CloseCode::TechnicalBattery
        | CloseCode::UnreachableAddress
        | CloseCode::RefusedHelp => Ok((code, outcome)),
    }
}

fn shorten(given: &str) -> String {
    given.chars().take(80).collect()
}
