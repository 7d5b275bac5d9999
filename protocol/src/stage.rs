//! How far help has come, as the elder is told it: never more than is true.

use serde::{Deserialize, Serialize};

/// A stage of reassurance, in rising order of help.
///
/// Wording: the second table of the alarm rules; stages can go back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// No call is open.
    Quiet,
    /// A call is open and the centre cannot be reached.
    NotConnected,
    /// The call is on the gateway's disk.
    Recorded,
    /// The centre has stored the call; nobody has taken it.
    Received,
    /// A dispatcher has taken the call.
    Taken,
    /// A responder has accepted and is on the way.
    Coming,
    /// A proven check-in, or the dispatcher's word, says help is in the home.
    Here,
    /// Help stepped back (a claim went stale, a responder withdrew); the call stays open.
    Retracted,
    /// Fire or gas: leave the home.
    LeaveNow,
    /// An automatic alarm is about to be raised; the elder may cancel it.
    PreAlarm,
    /// A press was heard but this gateway cannot write to its disk; it is sent all the same.
    NotRecorded,
    /// The radio bridge is away: a press would not be heard.
    RadioLost,
    /// A call has been open for long without reaching the centre; nobody else can be told.
    StillNotConnected,
    /// The same, and the home's contacts are being told.
    ContactsCalled,
    /// No call is open, and the centre has not been heard of for minutes.
    LinkDown,
    /// An automatic alarm was cancelled, and the centre has not heard of that: it may still call or send somebody.
    Cancelling,
}

impl Stage {
    /// Every stage, as it is configured and as its prompts are named.
    pub const WORDS: &[(&str, Self)] = &[
        ("quiet", Self::Quiet),
        ("link_down", Self::LinkDown),
        ("radio_lost", Self::RadioLost),
        ("pre_alarm", Self::PreAlarm),
        ("cancelling", Self::Cancelling),
        ("recorded", Self::Recorded),
        ("not_recorded", Self::NotRecorded),
        ("received", Self::Received),
        ("taken", Self::Taken),
        ("coming", Self::Coming),
        ("here", Self::Here),
        ("retracted", Self::Retracted),
        ("leave_now", Self::LeaveNow),
        ("not_connected", Self::NotConnected),
        ("still_not_connected", Self::StillNotConnected),
        ("contacts_called", Self::ContactsCalled),
    ];

    /// Its word in settings, file names and JSON.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, stage)| *stage == self).map_or("", |(word, _)| *word)
    }

    /// Whether it is told in passing: nobody waits for help.
    pub fn is_routine(self) -> bool {
        matches!(self, Self::Quiet | Self::LinkDown | Self::Cancelling)
    }
}

impl Stage {
    /// The words in Chinese, spoken and shown first.
    pub fn zh(self) -> &'static str {
        match self {
            Self::Quiet => "当前没有求助",
            Self::NotConnected => "系统不通,请打120",
            Self::Recorded => "正在联系中心",
            Self::Received => "中心已收到,等人接手",
            Self::Taken => "值班员正在处理",
            Self::Coming => "有人正在赶来",
            Self::Here => "帮助的人到了",
            Self::Retracted => "正在换人,求助仍有效",
            Self::LeaveNow => "请马上离开",
            Self::PreAlarm => "您还好吗?没事请按取消",
            Self::NotRecorded => "正在联系中心,本机未能保存",
            Self::RadioLost => "按钮暂时不通,有事请打电话",
            Self::StillNotConnected => "系统一直不通,请打120,大声呼救",
            Self::ContactsCalled => "系统不通,正在通知您的联系人,请打120",
            Self::LinkDown => "与中心的连接断了",
            Self::Cancelling => "已取消,正在告知中心",
        }
    }

    /// The words in English.
    pub fn en(self) -> &'static str {
        match self {
            Self::Quiet => "No call is open",
            Self::NotConnected => "Not connected: call 120",
            Self::Recorded => "Contacting the centre",
            Self::Received => "Arrived, no person yet",
            Self::Taken => "A person is handling it",
            Self::Coming => "Someone is on the way",
            Self::Here => "The helper has arrived",
            Self::Retracted => "Changing person, your call stays open",
            Self::LeaveNow => "Leave now",
            Self::PreAlarm => "Are you all right? Press cancel if so",
            Self::NotRecorded => "Contacting the centre; not saved on this device",
            Self::RadioLost => "Buttons not working: use the telephone",
            Self::StillNotConnected => "Still not connected: call 120 and shout for help",
            Self::ContactsCalled => "Not connected: your contacts are being told, call 120",
            Self::LinkDown => "No connection to the centre",
            Self::Cancelling => "Cancelled, telling the centre",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stage_has_the_word_that_its_json_has() {
        for (word, stage) in Stage::WORDS {
            assert_eq!(serde_json::to_value(stage).unwrap(), *word);
            assert_eq!(stage.word(), *word);
        }
        let last = Stage::Cancelling as usize;
        assert_eq!(Stage::WORDS.len(), last + 1, "a stage is missing from the list");
    }
}
