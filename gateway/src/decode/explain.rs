//! Why a message means what it means, step by step, for an installer: the same functions that decide, asked one by one.
//!
//! A value is only shown where it was understood: typed codes stand beside what is.

use protocol::observation::{Kind, Observation};

use super::memory::ACTION;
use super::scalar::{Flat, Scalar};
use super::sense::{Sense, sense_by_name};
use super::words::{kind_words, reading_words};
use super::zigbee::Carries;
use super::{Decoded, Decoder, Heard, Membership, Rejection, UnknownDevices};

/// One step of an explanation, Chinese first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
}

fn step(zh: impl Into<String>, en: impl Into<String>) -> Step {
    Step { zh: zh.into(), en: en.into() }
}

impl Decoder {
    /// Says step by step how a message is read, and ends with what [`Decoder::decode`] made of it.
    pub fn explain(&self, heard: &Heard) -> Vec<Step> {
        let mut steps = Vec::new();
        let decoded = self.decode(heard);
        let zigbee =
            heard.topic.strip_prefix(self.config.zigbee2mqtt_base.as_str()).and_then(|rest| rest.strip_prefix('/'));
        match zigbee {
            Some(rest) => self.explain_zigbee(heard, rest, &decoded, &mut steps),
            None => self.explain_elsewhere(heard, &decoded, &mut steps),
        }
        for seen in &decoded.seen {
            let Observation { kind, device, key, value } = &seen.observation;
            let (kind_zh, kind_en) = kind_words(*kind);
            let (value_zh, value_en) = reading_words(value);
            let (news_zh, news_en) = self.why_news(seen.edge, device, key, *kind);
            let reason = seen.reason.map(|reason| format!(" ({reason:?})")).unwrap_or_default();
            steps.push(step(
                format!("`{key}` → {kind_zh}:{value_zh}{reason}。{news_zh}"),
                format!("`{key}` → {kind_en}: {value_en}{reason}. {news_en}"),
            ));
        }
        if !decoded.learned.is_empty() {
            let count = decoded.learned.len();
            steps.push(step(
                format!("网桥列出的 {count} 台设备是新的或有变化,已记下。"),
                format!("{count} device(s) that the bridge lists are new or changed; they are learned."),
            ));
        }
        if let Some(device) = &decoded.cancel {
            steps.push(step(
                format!("`{device}`:老人取消预警。"),
                format!("`{device}`: the elder cancels a pre-alarm."),
            ));
        }
        if decoded.visit.is_some() {
            steps.push(step("护理员签到或签退。", "A caregiver's check-in or check-out."));
        }
        if let Some(rejection) = decoded.rejected {
            steps.push(why_rejected(rejection));
        }
        if decoded == Decoded::default() {
            steps.push(step(
                "消息已读懂,不涉及老人或设备状态。",
                "Understood, and it says nothing about the elder or a device.",
            ));
        }
        steps
    }

    fn explain_zigbee(&self, heard: &Heard, rest: &str, decoded: &Decoded, steps: &mut Vec<Step>) {
        let base = &self.config.zigbee2mqtt_base;
        if let Some(topic) = rest.strip_prefix("bridge/") {
            steps.push(step(
                format!("主题属于 Zigbee2MQTT(`{base}`)网桥自身:`{topic}`。"),
                format!("The topic is the Zigbee2MQTT bridge's own (`{base}`): `{topic}`."),
            ));
            return;
        }
        let (device, zh, en) = match self.carries(rest) {
            Carries::State { device } => (Some(device), "设备状态", "a device's state"),
            Carries::Attribute { device, .. } => (Some(device), "设备的一个属性", "one attribute of a device"),
            Carries::Action { device } => (Some(device), "按键的文本副本", "the text twin of a gesture"),
            Carries::Availability { device } => (Some(device), "设备在线状态", "a device's availability"),
            Carries::Command => (None, "发给设备的命令", "a command to a device"),
        };
        steps.push(step(
            format!("主题属于 Zigbee2MQTT(`{base}`):{zh}。"),
            format!("The topic is Zigbee2MQTT's (`{base}`): {en}."),
        ));
        let Some(device) = device else { return };
        self.explain_device(device, steps);
        if let Ok(flat) = Flat::parse(heard.payload) {
            for (key, value) in &flat.0 {
                let told = decoded.seen.iter().map(|seen| &seen.observation).filter(|told| told.key == *key);
                let told: Vec<Kind> = told.map(|told| told.kind).collect();
                self.explain_key(device, key, value, &told, steps);
            }
        }
    }

    fn explain_device(&self, device: &str, steps: &mut Vec<Step>) {
        let membership = self.membership(device);
        steps.push(match membership {
            Membership::Configured(role) => {
                let word = role.word();
                step(format!("设备 `{device}` 已配置,用途 `{word}`。"), format!("Device `{device}` is configured, role `{word}`."))
            }
            Membership::Open => step(
                format!("设备 `{device}`:没有住家配置,一律视为已知。"),
                format!("Device `{device}`: no home is configured, so every device counts as known."),
            ),
            Membership::Unregistered => step(
                format!("设备 `{device}` 未配置;若已入网,求助照样上报,标为“未登记”。"),
                format!("Device `{device}` is not configured; if it has joined, its call still raises, marked \"unregistered\"."),
            ),
        });
        let description = self.memory.device(device).and_then(|device| device.description.as_ref());
        steps.push(match description {
            Some(known) if known.described => {
                let keys: Vec<&str> = known.keys().collect();
                let keys = keys.join(", ");
                step(
                    format!("类别来自网桥 exposes,有意义的键:{keys}。"),
                    format!("Its class comes from the bridge's exposes; keys that mean something: {keys}."),
                )
            }
            Some(_) => step(
                "网桥认识它,但没有描述(不支持的型号):键按名称读。",
                "The bridge knows it but does not describe it (an unsupported model): its keys are read by name.",
            ),
            None => step(
                "网桥还没有列出它:键按名称读(--devices 可给出 bridge/devices 消息)。",
                "The bridge has not listed it: its keys are read by name (--devices takes the bridge/devices message).",
            ),
        });
    }

    /// `told`: the kinds that the decoder really made of the key.
    fn explain_key(&self, device: &str, key: &str, value: &Scalar, told: &[Kind], steps: &mut Vec<Step>) {
        let known = self.memory.device(device).and_then(|device| device.description.as_ref());
        let known = known.filter(|known| known.described);
        let listed = known.and_then(|known| known.sense(key));
        let sense = listed.cloned().or_else(|| sense_by_name(key, value));
        if !told.is_empty() {
            let read = sense.as_ref().into_iter().flat_map(|sense| sense.read(value)).flatten();
            let own: Vec<Kind> = read.map(|own| own.kind).collect();
            // Only what came out is a role's doing: a posture radar with the role `fall` still says presence.
            if let (Some(first), Some(role)) = (own.first().copied(), self.membership(device).role())
                && let Some(kind) = role.kind().filter(|kind| told.contains(kind) && !own.contains(kind))
            {
                let own = first;
                let (own, kind) = (kind_words(own), kind_words(kind));
                let word = role.word();
                steps.push(step(
                    format!("`{key}` 自身表示{},用途 `{word}` 改为{}。", own.0, kind.0),
                    format!("`{key}` by itself says {}; the role `{word}` makes it {}.", own.1, kind.1),
                ));
            }
            return;
        }
        steps.push(if key.starts_with("action_") {
            step(format!("`{key}` 只是按键的附属(代码已隐去)。"), format!("`{key}` stands beside a gesture (any code is kept back)."))
        } else if matches!(value, Scalar::Null) {
            step(format!("`{key}` 为 null:没有按键。"), format!("`{key}` is null: no press."))
        } else if sense == Some(Sense::Setting) {
            step(format!("`{key}` 是可设定的参数,不是状态。"), format!("`{key}` is a setting, not a state."))
        } else if key == ACTION {
            step(
                format!("`{key}` 是按键动作,但此设备没有用途,也不是求助词:配置用途 `sos` 后每个动作都算求助。"),
                format!("`{key}` is a gesture of a device without a role and no word for help: with the role `sos` every gesture raises."),
            )
        } else if sense.is_some() && listed.is_none() && known.is_some() {
            step(
                format!("`{key}` 不在网桥 exposes 中,而设备也没有这一类:不读。"),
                format!("`{key}` is not among the exposes, which list nothing of that kind: it is not read."),
            )
        } else if sense.is_some() {
            step(format!("`{key}` 的这个值没有含义。"), format!("This value of `{key}` says nothing."))
        } else {
            step(format!("`{key}` 与老人或设备状态无关。"), format!("`{key}` is about neither the elder nor the device's health."))
        });
    }

    fn explain_elsewhere(&self, heard: &Heard, decoded: &Decoded, steps: &mut Vec<Step>) {
        let rules = self.config.rules.iter().enumerate().filter(|(_, rule)| rule.topic.matches(heard.topic));
        let mut matched = 0;
        for (index, rule) in rules {
            matched += 1;
            let number = index + 1;
            let (device, topic) = (&rule.device, &rule.topic);
            let spoke = decoded.seen.iter().any(|seen| seen.observation.device == *device);
            let (zh, en) = if spoke {
                ("它有话说", "it speaks")
            } else {
                ("它的条件或取值不符", "its condition or value does not fit")
            };
            steps.push(step(
                format!("第 {number} 条 [[rule]](`{topic}`,设备 `{device}`)匹配主题:{zh}。"),
                format!("[[rule]] number {number} (`{topic}`, device `{device}`) matches the topic: {en}."),
            ));
        }
        if matched == 0 {
            let ecosystem = match heard.topic.split('/').next() {
                Some("rtl_433") => "rtl_433",
                Some("home") => "OpenMQTTGateway / Theengs",
                Some("tele" | "stat") => "Tasmota",
                Some("shellies") => "Shelly",
                Some("homeassistant") => "Home Assistant discovery",
                Some("homecare") => "this product",
                Some(_) | None => "",
            };
            steps.push(if ecosystem.is_empty() {
                step("没有 [[rule]] 匹配这个主题。", "No [[rule]] matches this topic.")
            } else {
                step(
                    format!("主题属于 {ecosystem};没有 [[rule]] 匹配它。"),
                    format!("The topic is of {ecosystem}; no [[rule]] matches it."),
                )
            });
        }
        if self.config.unknown_devices == UnknownDevices::JoinedOnly {
            steps.push(step(
                "不在住家 Zigbee 网内的设备必须先配置;邻居的代码永不上报。",
                "A device outside the home's Zigbee network must be configured; a neighbour's code never raises.",
            ));
        }
    }

    fn why_news(&self, edge: bool, device: &str, key: &str, kind: Kind) -> (String, String) {
        let (plain, _) = key.split_once('@').unwrap_or((key, ""));
        let known = self.memory.device(device).and_then(|device| device.value(plain, kind));
        match (edge, known) {
            (true, None) => ("首次听到:算新情况。".into(), "Heard for the first time: news.".into()),
            (true, Some(known)) => {
                let (zh, en) = reading_words(known);
                (format!("之前为“{zh}”:算新情况。"), format!("It was \"{en}\" before: news."))
            }
            (false, _) => (
                "与已知相同,或是同一事件的重复:不算新情况。".into(),
                "What is known already, or the same event repeated: no news.".into(),
            ),
        }
    }
}

fn why_rejected(rejection: Rejection) -> Step {
    let name = rejection.name();
    let (zh, en) = match rejection {
        Rejection::TooLarge => ("负载太长", "the payload is too long"),
        Rejection::Empty => {
            ("负载为空(有人清除了保留消息)", "the payload is empty, as when a retained message is cleared")
        }
        Rejection::NotUtf8 => ("负载不是 UTF-8 文本", "the payload is not UTF-8"),
        Rejection::NotJson => ("负载不是 JSON", "the payload is not JSON"),
        Rejection::UnexpectedShape => ("JSON 的形状与主题不符", "the JSON has another shape than this topic carries"),
        Rejection::UnknownTopic => {
            ("没有规则读这个主题:加一条 [[rule]]", "nothing of this home speaks on this topic: add a [[rule]]")
        }
        Rejection::UnknownDevice => (
            "设备既未配置也未入网:加 [[device]],433 MHz 代码用 `gateway learn`",
            "the device is neither configured nor joined: add a [[device]], or `gateway learn` for a 433 MHz code",
        ),
        Rejection::RetainedPress => (
            "这是服务器重放的旧按键,现在没人按:把 retain 设为 false",
            "a broker replayed an old press, nobody pressed now: set retain to false",
        ),
        Rejection::RetainedVisit => ("这是服务器重放的旧签到", "a broker replayed an old check-in"),
        Rejection::VisitVersion => ("签到版本不认识", "a visit of an unknown version"),
        Rejection::VisitAct => ("既不是签到也不是签退", "neither check-in nor check-out"),
        Rejection::VisitCaregiver => ("没有可用的护理员编号", "no usable caregiver id"),
        Rejection::VisitService => ("服务名不可用", "the service is not usable"),
        Rejection::VisitMethod => ("签到方式不认识", "no known method"),
        Rejection::VisitCode => ("签到码不可用", "the code is not usable"),
        Rejection::VisitFix => ("定位不可用;签到照收", "the fix is malformed; the visit is taken without it"),
        Rejection::VisitOutcome => ("结果不可用", "the outcome is not usable"),
    };
    step(format!("未采纳({name}):{zh}。"), format!("Not taken ({name}): {en}."))
}
