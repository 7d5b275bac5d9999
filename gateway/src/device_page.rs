//! `gateway devices` and `gateway test-press`: asks the running gateway's status page and prints.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use crate::decode::ListedDevice;
use crate::engine::registry::{DeviceLine, Suspicion};
use crate::home::proof::TestState;

/// The word for a device that speaks only when it is used; see `home::supervision::silence::Power`.
const ONE_WAY: &str = "one_way";

/// Longest wait for the status page.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Why the running gateway could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// No client.
    #[error("the HTTP client could not be made")]
    Client(#[source] reqwest::Error),
    /// Nobody answers there.
    #[error("no gateway answers on {address}; is it running, and is `status.listen` the one it was started with?")]
    Unreachable {
        /// The status page's address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// It refused.
    #[error("the gateway answered {status}: {problem}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What it said.
        problem: String,
    },
    /// The name cannot stand in an address.
    #[error("that cannot be a device's name")]
    NoName,
    /// A test needs the token.
    #[error("a test press needs `status.token` in the configuration: without it nobody may take a press for a test")]
    NoToken,
}

/// The status page of a running gateway.
#[derive(Debug)]
pub struct DevicePage {
    client: reqwest::Client,
    address: SocketAddr,
    token: Option<String>,
}

impl DevicePage {
    /// The page at `address`.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(address: SocketAddr, token: Option<String>) -> Result<Self, PageError> {
        // It is on this machine: a proxy of the environment has nothing to do with it.
        let client = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build().map_err(PageError::Client)?;
        Ok(Self { client, address, token })
    }

    /// Every device heard or configured.
    ///
    /// # Errors
    /// When nobody answers, or the page refuses.
    pub async fn devices(&self) -> Result<Vec<DeviceLine>, PageError> {
        let url = format!("http://{}/v1/devices", self.address);
        let answer = self.send(self.client.get(url)).await?;
        answer.json().await.map_err(|source| PageError::Unreachable { address: self.address, source })
    }

    /// Begins a test of one device.
    ///
    /// # Errors
    /// When there is no token, nobody answers, or the page refuses.
    pub async fn test(&self, device: &str) -> Result<(), PageError> {
        if self.token.is_none() {
            return Err(PageError::NoToken);
        }
        let base = format!("http://{}/v1/test-press", self.address);
        let url = reqwest::Url::parse_with_params(&base, [("device", device)]).map_err(|_| PageError::NoName)?;
        self.send(self.client.post(url)).await.map(drop)
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<reqwest::Response, PageError> {
        let request = match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let answer = request.send().await.map_err(|source| PageError::Unreachable { address: self.address, source })?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let body: serde_json::Value = answer.json().await.unwrap_or_default();
        let problem = body["problem"].as_str().unwrap_or("no reason given").to_owned();
        Err(PageError::Refused { status: status.as_u16(), problem })
    }
}

/// Adds to the page's lines what the radio bridge lists: devices that have joined and were never heard, and for any
/// line without a word of its own the class that its exposes imply.
pub fn with_listed(mut lines: Vec<DeviceLine>, listed: &[ListedDevice]) -> Vec<DeviceLine> {
    for device in listed {
        match lines.iter_mut().find(|line| line.device == device.name) {
            Some(line) if line.class.is_empty() => line.class = device.kinds(),
            Some(_) => {}
            None => lines.push(DeviceLine {
                device: device.name.clone(),
                class: device.kinds(),
                unassigned: true,
                ..DeviceLine::default()
            }),
        }
    }
    lines.sort_by(|a, b| a.device.cmp(&b.device));
    lines
}

const HEADINGS: [(&str, &str); 9] = [
    ("设备", "device"),
    ("角色", "role"),
    ("房间", "room"),
    ("类别", "class"),
    ("最后听到", "heard"),
    ("信号", "link"),
    ("电量", "battery"),
    ("验证", "proof"),
    ("注意", "look at"),
];

/// The list as a table for a terminal, Chinese headings first.
pub fn table(devices: &[DeviceLine]) -> String {
    let mut rows: Vec<Vec<String>> = vec![HEADINGS.iter().map(|(zh, en)| format!("{zh} {en}")).collect()];
    rows.extend(devices.iter().map(row));
    let widths: Vec<usize> =
        (0..HEADINGS.len()).map(|column| rows.iter().map(|row| width(&row[column])).max().unwrap_or(0)).collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, wide) in row.iter().zip(&widths) {
            let gap = wide - width(cell) + 2;
            let _ = write!(line, "{cell}{:gap$}", "");
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

fn row(line: &DeviceLine) -> Vec<String> {
    let dash = || "-".to_owned();
    let class: Vec<_> = line.class.iter().map(|kind| format!("{kind:?}").to_lowercase()).collect();
    let link = match (line.link, line.link_worst) {
        (Some(last), Some(worst)) => format!("{last} (最低 {worst})"),
        _ => dash(),
    };
    let battery = match (line.battery_percent, line.battery_low) {
        (Some(percent), true) => format!("{percent} % 低 low"),
        (Some(percent), false) => format!("{percent} %"),
        (None, true) => "低 low".to_owned(),
        (None, false) => line.power.clone().filter(|power| power == "mains").unwrap_or_else(dash),
    };
    let proof = match &line.proof {
        None => dash(),
        Some(proof) => {
            let when = proof.days.map_or_else(|| "从未 never".to_owned(), |days| format!("{days} d"));
            match (proof.overdue, proof.due) {
                (true, _) => format!("{when} 逾期 overdue"),
                (false, true) => format!("{when} 到期 due"),
                (false, false) => when,
            }
        }
    };
    vec![
        line.device.clone(),
        line.role.clone().unwrap_or_else(dash),
        line.room.clone().unwrap_or_else(dash),
        if class.is_empty() { dash() } else { class.join(",") },
        line.heard_secs_ago.map_or_else(|| "未听到 never".to_owned(), ago),
        link,
        battery,
        proof,
        remarks(line),
    ]
}

fn remarks(line: &DeviceLine) -> String {
    let mut remarks = Vec::new();
    if line.unassigned {
        remarks.push("未配置 unassigned");
    }
    // Only the bridge's list gives a class to a device without a message.
    if line.messages == 0 && line.heard_secs_ago.is_none() && !line.class.is_empty() {
        remarks.push("已入网,从未听到 joined, never heard");
    }
    if line.power.as_deref() == Some(ONE_WAY) {
        remarks.push("无心跳,每月手动测试 no heartbeat: test by hand monthly");
    }
    if line.lost {
        remarks.push("失联 silent");
    }
    for suspicion in &line.suspicions {
        remarks.push(match suspicion {
            Suspicion::Latching => "锁存键 latching",
            Suspicion::GhostPresses => "自行触发? ghost presses?",
            Suspicion::QosZero => "QoS 0",
            Suspicion::WeakLink => "信号弱 weak link",
            Suspicion::Retained => "保留消息 retained",
        });
    }
    match line.test {
        Some(TestState::Waiting) => remarks.push("测试中 test waits"),
        Some(TestState::Passed) => remarks.push("测试通过 test passed"),
        Some(TestState::Failed) => remarks.push("测试未按 test failed"),
        None => {}
    }
    remarks.join(" · ")
}

fn ago(secs: u64) -> String {
    match secs {
        0..=119 => format!("{secs} s"),
        120..=7_199 => format!("{} min", secs / 60),
        7_200..=172_799 => format!("{} h", secs / 3_600),
        _ => format!("{} d", secs / 86_400),
    }
}

/// Columns of a terminal: an ideograph takes two.
fn width(text: &str) -> usize {
    text.chars().map(|letter| if letter >= '\u{1100}' { 2 } else { 1 }).sum()
}

#[cfg(test)]
mod tests {
    mod suspicions;

    use expect_test::expect;
    use protocol::observation::Kind;

    use super::*;
    use crate::home::proof::Proof;

    fn line(device: &str) -> DeviceLine {
        DeviceLine { device: device.to_owned(), ..DeviceLine::default() }
    }

    #[test]
    fn a_device_that_joined_and_was_never_heard_is_listed_with_what_its_exposes_imply() {
        let listed = |name: &str, exposes: serde_json::Value| {
            let entry = serde_json::json!({"type": "EndDevice", "friendly_name": name, "ieee_address": "0x01",
                "definition": {"model": "M", "vendor": "V", "description": "Device", "exposes": exposes}});
            ListedDevice::listed(&entry).unwrap()
        };
        let action = serde_json::json!([{"name": "action", "property": "action", "type": "enum", "access": 1,
            "values": ["emergency"]}]);
        let occupancy = serde_json::json!([{"name": "occupancy", "property": "occupancy", "type": "binary", "access": 1,
            "value_on": true, "value_off": false}]);
        let heard = DeviceLine { class: vec![Kind::Link], messages: 4, heard_secs_ago: Some(3), ..line("hall") };
        let fob = DeviceLine { role: Some("sos".into()), power: Some("one_way".into()), ..line("fob") };
        let waiting = DeviceLine { role: Some("motion".into()), ..line("kitchen") };
        let list = [listed("new button", action), listed("hall", occupancy.clone()), listed("kitchen", occupancy)];
        let lines = with_listed(vec![heard, waiting, fob], &list);
        let told: Vec<String> =
            lines.iter().map(|line| format!("{} {:?}: {}", line.device, line.class, remarks(line))).collect();
        assert_eq!(
            told,
            [
                "fob []: 无心跳,每月手动测试 no heartbeat: test by hand monthly",
                "hall [Link]: ",
                "kitchen [Motion]: 已入网,从未听到 joined, never heard",
                "new button [Sos]: 未配置 unassigned · 已入网,从未听到 joined, never heard",
            ]
        );
    }

    #[test]
    fn the_table_lines_up_and_says_what_to_look_at() {
        let devices = [
            DeviceLine {
                class: vec![Kind::Sos, Kind::Battery, Kind::Link],
                role: Some("sos".to_owned()),
                room: Some("卧室".to_owned()),
                heard_secs_ago: Some(5_000),
                link: Some(120),
                link_worst: Some(12),
                battery_percent: Some(9),
                battery_low: true,
                proof: Some(Proof { days: Some(34), due: true, overdue: true }),
                suspicions: vec![Suspicion::QosZero, Suspicion::WeakLink],
                ..line("sos bedside")
            },
            DeviceLine { unassigned: true, heard_secs_ago: Some(3), ..line("0x00124b0022") },
            DeviceLine { lost: true, role: Some("motion".to_owned()), ..line("hall") },
        ];
        expect![[r#"
            设备 device   角色 role  房间 room  类别 class        最后听到 heard  信号 link      电量 battery  验证 proof         注意 look at
            sos bedside   sos        卧室       sos,battery,link  83 min          120 (最低 12)  9 % 低 low    34 d 逾期 overdue  QoS 0 · 信号弱 weak link
            0x00124b0022  -          -          -                 3 s             -              -             -                  未配置 unassigned
            hall          motion     -          -                 未听到 never    -              -             -                  失联 silent
        "#]].assert_eq(&table(&devices));
    }
}
