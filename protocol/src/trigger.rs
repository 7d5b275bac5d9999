//! Triggers: what the rules of a home conclude needs a person, each with its reason.

use serde::{Deserialize, Serialize};

/// What a trigger or pre-alarm is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TriggerKind {
    /// A manual emergency press.
    Sos,
    /// A fall.
    Fall,
    /// No sign of life for too long.
    Inactivity,
    /// A timed check-in was missed.
    MissedCheckIn,
    /// Smoke.
    Smoke,
    /// Carbon monoxide.
    Co,
    /// Combustible gas.
    Gas,
    /// Water.
    Water,
    /// Life help asked for with a button of its own.
    Assistance,
    /// A device, the mains or the gateway itself needs a technician.
    Technical,
    /// The home cannot tell how the elder is: somebody is to ask.
    Welfare,
}

impl TriggerKind {
    /// Queue priority: 0 fire and gas, 1 SOS and fall, 2 welfare, 3 technical.
    pub fn priority(self) -> u8 {
        match self {
            Self::Smoke | Self::Co | Self::Gas => 0,
            Self::Sos | Self::Fall => 1,
            Self::Inactivity | Self::MissedCheckIn | Self::Water | Self::Assistance | Self::Welfare => 2,
            Self::Technical => 3,
        }
    }

    /// Queue priority of a trigger of this kind raised for `reason`: some reasons are more urgent than their kind.
    pub fn priority_for(self, reason: Reason) -> u8 {
        if matches!(reason, Reason::NoContact | Reason::BathroomTooLong) {
            self.priority().min(1)
        } else {
            self.priority()
        }
    }

    /// Why a pre-alarm of this kind raises at its end, begun for `reason`: of a quiet home that reason is
    /// what a dispatcher needs, of a fall that nobody cancelled it.
    pub fn reason_at_end(self, reason: Reason) -> Reason {
        if self == Self::Inactivity { reason } else { Reason::PreAlarmNotCancelled }
    }

    /// Whether it joins the home's open emergency order; fire and gas open an order of their own.
    pub fn class(self) -> OrderClass {
        match self {
            Self::Sos | Self::Fall | Self::Inactivity | Self::MissedCheckIn | Self::Welfare => OrderClass::Emergency,
            Self::Smoke | Self::Co | Self::Gas => OrderClass::FireGas,
            Self::Water | Self::Technical => OrderClass::Technical,
            Self::Assistance => OrderClass::Assistance,
        }
    }
}

/// Which orders a trigger may join: one open order a home and class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderClass {
    /// A person may be in danger.
    Emergency,
    /// Fire, gas or carbon monoxide: linked to the emergency order, never merged with it.
    FireGas,
    /// Life help.
    Assistance,
    /// Something needs a technician.
    Technical,
}

/// Why a rule decided as it did; a person can read it in the journal and on the board.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The button's own event message.
    ButtonPressed,
    /// A latching SOS key turned true, or was heard true for the first time.
    SosKeySet,
    /// A latching SOS key was repeated; unclear, so it counts as a press.
    SosKeyRepeated,
    /// A device of the home's own network that is not configured.
    UnregisteredDevice,
    /// The sensor said a person fell.
    SensorSaysFall,
    /// The sensor suspects a fall and nothing has cleared it since.
    FallWarningNotCleared,
    /// A pre-alarm ran to its end without a cancel.
    PreAlarmNotCancelled,
    /// A fall within 30 minutes of a cancelled one.
    SecondFall,
    /// No motion for 15 minutes after a cancelled fall.
    NoMotionAfterFall,
    /// The gateway restarted on a new boot while a pre-alarm ran; how long it was off is unknown.
    PowerLostDuringPreAlarm,
    /// The elder cancelled with a button.
    ElderCancelled,
    /// The sensor said smoke, gas, carbon monoxide or water.
    SensorAlarm,
    /// The elder asked for help with daily life.
    AssistancePressed,
    /// A device was silent for longer than its kind may be.
    DeviceSilent,
    /// A device's battery is low.
    BatteryLow,
    /// A device's case was opened.
    CaseOpened,
    /// No activity before a timed check-in.
    CheckInMissed,
    /// No activity for as long as two timed check-ins lie apart; the time of day is not known.
    CheckInMissedClockUnknown,
    /// A hazard that was raised before is still being said by its sensor.
    HazardContinues,
    /// The radio bridge is away: no button or sensor of its network can be heard.
    RadioBridgeSilent,
    /// Every sensor that could see a person who lives alone is silent.
    OnlySensorsSilent,
    /// A sensor reports in but has seen nothing for days, while others have.
    SensorStuck,
    /// The home has lost its mains supply.
    MainsLost,
    /// The mains supply has been away for hours; the gateway's battery will not last.
    MainsLostLong,
    /// The centre has not heard the gateway.
    GatewaySilent,
    /// A button was not proven by a press within a month.
    ProofOverdue,
    /// A call had no receipt of the centre in time.
    CentreNotReached,
    /// No sign of life for longer than this home may be quiet at this hour.
    NoSignOfLife,
    /// Nothing by the end of the morning's window.
    NothingByMorning,
    /// Presumed out, and not back by when this elder is.
    OutTooLong,
    /// One sensor alone has spoken for too long to be taken for life: it cannot be told how the elder is.
    OneSensorAlone,
    /// In the bathroom for too long.
    BathroomTooLong,
    /// In bed for too long.
    BedTooLong,
    /// A quiet home was raised, and there has been no contact with the elder since.
    NoContact,
    /// The elder moved about, which answers a pre-alarm.
    SignOfLife,
    /// The exit door, the last motion near it, then quiet: presumed out.
    LeftByExitDoor,
    /// Somebody came in by the exit door, or several sensors see life: at home again.
    CameHome,
    /// One sensor spoke in an empty home and the exit door did not: not yet taken for a return.
    LoneSensorInEmptyHome,
    /// The caregiver's planned time is over.
    PlanOver,
    /// Somebody left by the exit door during the visit.
    CaregiverLeft,
    /// A visit lasts longer than the clock of the elder may stand still.
    VisitTooLong,
    /// The wire of a supervised cord is cut or shorted: a pull may not be heard.
    WireCut,
    /// A device's radio link has been weak for an hour: its next press may not get through.
    LinkWeak,
}

impl Reason {
    /// What a person reads, in Chinese and English.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::ButtonPressed => ("按下求助键", "a button was pressed"),
            Self::SosKeySet => ("求助键接通", "an SOS key turned on"),
            Self::SosKeyRepeated => ("求助键再次接通,按求助处理", "an SOS key said it again, which counts as a press"),
            Self::UnregisteredDevice => ("未登记的设备", "a device that is not registered"),
            Self::SensorSaysFall => ("传感器报告跌倒", "the sensor says a fall"),
            Self::FallWarningNotCleared => ("疑似跌倒未解除", "a suspected fall that nothing cleared"),
            Self::PreAlarmNotCancelled => ("预警未取消", "a pre-alarm that nobody cancelled"),
            Self::SecondFall => ("取消后再次跌倒", "a second fall after a cancelled one"),
            Self::NoMotionAfterFall => ("取消跌倒后没有活动", "no motion after a cancelled fall"),
            Self::PowerLostDuringPreAlarm => ("预警期间断电", "power lost during a pre-alarm"),
            Self::ElderCancelled => ("老人取消", "the elder cancelled"),
            Self::SensorAlarm => ("传感器报警", "the sensor raised an alarm"),
            Self::AssistancePressed => ("请求生活帮助", "help with daily life was asked for"),
            Self::DeviceSilent => ("设备失联", "a device has fallen silent"),
            Self::BatteryLow => ("电池电量低", "a battery is low"),
            Self::CaseOpened => ("设备外壳被打开", "a case was opened"),
            Self::CheckInMissed => ("未按时报到", "a timed check-in was missed"),
            Self::CheckInMissedClockUnknown => {
                ("未报到(时钟未确认)", "a check-in was missed; the time of day is not known")
            }
            Self::HazardContinues => ("险情仍在继续", "the hazard goes on"),
            Self::RadioBridgeSilent => ("无线网桥失联", "the radio bridge is away"),
            Self::OnlySensorsSilent => {
                ("独居老人的传感器全部失联", "every sensor of a person who lives alone is silent")
            }
            Self::SensorStuck => ("传感器疑似失灵", "a sensor seems stuck"),
            Self::MainsLost => ("市电中断", "the mains supply is lost"),
            Self::MainsLostLong => ("市电长时间中断", "the mains supply has been lost for hours"),
            Self::GatewaySilent => ("网关失联", "the gateway has fallen silent"),
            Self::ProofOverdue => ("按钮逾期未测试", "a button is overdue for its test"),
            Self::CentreNotReached => ("联系不上中心", "the centre is not reached"),
            Self::NoSignOfLife => ("长时间没有活动", "no sign of life for too long"),
            Self::NothingByMorning => ("早上没有活动", "nothing seen by morning"),
            Self::OutTooLong => ("外出过久", "out for too long"),
            Self::OneSensorAlone => ("只有一个传感器有动静", "one sensor alone speaks"),
            Self::BathroomTooLong => ("在卫生间过久", "in the bathroom for too long"),
            Self::BedTooLong => ("在床上过久", "in bed for too long"),
            Self::NoContact => ("报警后仍未联系上", "no contact since the alarm"),
            Self::SignOfLife => ("有活动", "a sign of life"),
            Self::LeftByExitDoor => ("已出门", "left by the exit door"),
            Self::CameHome => ("已回家", "came home"),
            Self::LoneSensorInEmptyHome => ("无人在家时单个传感器有动静", "one sensor in an empty home"),
            Self::PlanOver => ("计划时间已过", "the planned time is over"),
            Self::CaregiverLeft => ("护理员已离开", "the caregiver left"),
            Self::VisitTooLong => ("上门时间过长", "the visit lasts too long"),
            Self::WireCut => ("求助拉绳断线,拉绳可能无效", "the cord's wire is cut: a pull may not be heard"),
            Self::LinkWeak => ("设备信号弱", "a device's radio link is weak"),
        }
    }

    /// Whether a trigger of this kind, following a pre-alarm, is that pre-alarm's own end and no new need.
    pub fn ends_a_pre_alarm(self, kind: TriggerKind) -> bool {
        let quiet = kind == TriggerKind::Inactivity && self != Self::NoContact;
        quiet || matches!(self, Self::PreAlarmNotCancelled | Self::PowerLostDuringPreAlarm)
    }
}
