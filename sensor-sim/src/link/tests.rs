//! Against a real mosquitto, waiting for conditions.

#![expect(clippy::wildcard_enum_match_arm, reason = "a test names what it waits for, not the rest")]

use std::future::Future;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command as Program, Stdio};

use super::*;
use crate::config::{SimConfig, demo_home};
use crate::live::{LiveOptions, live};
use crate::pace::Speed;
use crate::performer::HomePosition;
use crate::play::{PlayError, PlayOptions, play};
use crate::publication::Qos;
use crate::scenario::Scenario;
use crate::wires::BrokerConfig;
use crate::{payload, replay};

/// No condition may take longer; only a failure does.
const PATIENCE: Duration = Duration::from_secs(30);

struct Broker {
    port: u16,
    config: PathBuf,
    child: Option<Child>,
}

impl Broker {
    fn planned(settings: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = std::env::temp_dir().join(format!("sensor-sim-{}-{port}.conf", std::process::id()));
        std::fs::write(&config, format!("listener {port} 127.0.0.1\n{settings}\n")).unwrap();
        Self { port, config, child: None }
    }

    fn started(settings: &str) -> Self {
        let mut broker = Self::planned(settings);
        broker.start();
        broker
    }

    fn start(&mut self) {
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&paths)
            .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/local/sbin")])
            .map(|folder| folder.join("mosquitto"))
            .find(|path| path.is_file())
            .expect("mosquitto is needed for this test: install it");
        let child = Program::new(found).arg("-c").arg(&self.config).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.child = Some(child.unwrap());
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    fn link(&self, client_id: &str, filters: &[&str], away: Away) -> (Link, mpsc::Receiver<LinkNews>) {
        Link::open(LinkConfig {
            client_id: client_id.into(),
            host: "127.0.0.1".into(),
            port: self.port,
            sign_in: Some(("user".into(), "password".into())),
            filters: filters.iter().map(|filter| (*filter).to_owned()).collect(),
            will: None,
            away,
        })
    }

    fn config(&self) -> BrokerConfig {
        BrokerConfig {
            host: "127.0.0.1".into(),
            port: self.port,
            client_id: "sim".into(),
            bridge: None,
            panel: Some(("panel".into(), "p".into())),
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_file(&self.config);
    }
}

async fn until<T>(news: &mut mpsc::Receiver<LinkNews>, mut wanted: impl FnMut(LinkNews) -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = wanted(news.recv().await.expect("the link lives")) {
                return found;
            }
        }
    };
    tokio::time::timeout(PATIENCE, found).await.expect("the condition comes true in time")
}

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it ends in time")
}

fn heard(news: LinkNews) -> Option<(String, Vec<u8>)> {
    match news {
        LinkNews::Heard { topic, payload, .. } => Some((topic, payload)),
        _ => None,
    }
}

async fn listener(broker: &Broker) -> (Link, mpsc::Receiver<LinkNews>) {
    let (link, mut news) = broker.link("listener", &["#"], Away::Keep);
    until(&mut news, |news| (news == LinkNews::Subscribed).then_some(())).await;
    (link, news)
}

#[tokio::test]
async fn a_press_goes_through_a_real_broker_byte_for_byte() {
    let broker = Broker::started("allow_anonymous true");
    let (_listener, mut news) = listener(&broker).await;
    let (link, _news) = broker.link("sim", &[], Away::Keep);
    let press = payload::sos_press("sos bedside");
    in_time(link.publish_confirmed(press.clone())).await.unwrap();
    assert_eq!(until(&mut news, heard).await, (press.topic, press.payload));
    let standing = in_time(link.close()).await;
    assert_eq!((standing.taken, standing.confirmed, standing.dropped), (1, 1, 0));
}

#[tokio::test]
async fn a_press_while_the_broker_is_away_arrives_when_it_is_back() {
    let mut broker = Broker::planned("allow_anonymous true");
    let (link, mut news) = broker.link("sim", &[], Away::DropRoutine);
    let trouble = until(&mut news, |news| match news {
        LinkNews::Away { trouble, .. } => Some(trouble),
        _ => None,
    });
    assert!(matches!(trouble.await, LinkTrouble::NotReached { .. }));
    link.publish(payload::motion("hall", true)).await.unwrap();
    let dropped = until(&mut news, |news| match news {
        LinkNews::Dropped { topic, .. } => Some(topic),
        _ => None,
    });
    assert_eq!(dropped.await, "zigbee2mqtt/hall");
    let confirmed = link.publish_tracked(payload::sos_press("sos")).await.unwrap();
    broker.start();
    in_time(confirmed).await.unwrap();
    assert_eq!(link.standing().confirmed, 1);
}

#[tokio::test]
async fn a_killed_broker_is_found_again_and_nothing_confirmed_is_missing() {
    let mut broker = Broker::started("allow_anonymous true");
    let (link, mut news) = broker.link("sim", &["told"], Away::Keep);
    in_time(link.publish_confirmed(payload::sos_press("a"))).await.unwrap();
    broker.kill();
    until(&mut news, |news| matches!(news, LinkNews::Away { .. }).then_some(())).await;
    let confirmed = link.publish_tracked(payload::sos_press("b")).await.unwrap();
    broker.start();
    until(&mut news, |news| (news == LinkNews::Connected { first: false }).then_some(())).await;
    in_time(confirmed).await.unwrap();
    // The session died with the broker: only a fresh subscription hears this.
    until(&mut news, |news| (news == LinkNews::Subscribed).then_some(())).await;
    in_time(link.publish_confirmed(Publication::bytes("told", "x"))).await.unwrap();
    assert_eq!(until(&mut news, heard).await.0, "told");
}

#[tokio::test]
async fn a_bad_sign_in_is_told_as_such() {
    let broker = Broker::started("allow_anonymous false");
    let (_link, mut news) = broker.link("sim", &[], Away::Keep);
    let trouble = until(&mut news, |news| match news {
        LinkNews::Away { trouble: trouble @ LinkTrouble::SignInRefused { .. }, .. } => Some(trouble),
        _ => None,
    });
    let address = format!("127.0.0.1:{}", broker.port);
    assert_eq!(trouble.await, LinkTrouble::SignInRefused { address, user: "user".into() });
}

#[tokio::test]
async fn a_message_over_the_brokers_limit_does_not_stop_the_press_behind_it() {
    let broker = Broker::started("allow_anonymous true\nmessage_size_limit 1048576\nmax_packet_size 1048576");
    let (_listener, mut news) = listener(&broker).await;
    let (link, _news) = broker.link("sim", &[], Away::Keep);
    let mut oversize = Publication::bytes("zigbee2mqtt/x", vec![b'x'; 2 << 20]);
    oversize.qos = Qos::AtMostOnce;
    link.publish(oversize).await.unwrap();
    in_time(link.publish_confirmed(payload::sos_press("sos"))).await.unwrap();
    assert_eq!(until(&mut news, heard).await.0, "zigbee2mqtt/sos");
}

#[tokio::test]
async fn a_scenario_is_played_and_the_presence_code_on_the_display_is_used() {
    let broker = Broker::started("allow_anonymous true");
    let (listener, mut news) = listener(&broker).await;
    let code = Publication::bytes(protocol::topics::PRESENCE_CODE, r#"{"code":"424242"}"#).retained();
    in_time(listener.publish_confirmed(code)).await.unwrap();
    let text = "home\n  sos s\nsteps\n  08:00 press s\n  +500ms check in cg-17\n  +0 cancel\n";
    let scenario = Scenario::parse(text).unwrap();
    let options =
        PlayOptions { speed: Speed::Times(1.0), seed: 1, skip_world_steps: false, position: HomePosition::default() };
    let config = broker.config();
    let played = play(&scenario, &config, options, std::future::pending());
    let standing = in_time(played).await.unwrap();
    assert_eq!((standing.confirmed, standing.dropped), (standing.taken, 0));
    let mut told = Vec::new();
    until(&mut news, |news| {
        told.extend(heard(news).filter(|(topic, _)| !topic.contains("bridge/")));
        told.last().filter(|(topic, _)| topic == protocol::topics::CANCEL).map(|_| ())
    })
    .await;
    let text = |(topic, payload): &(String, Vec<u8>)| format!("{topic} {}\n", String::from_utf8_lossy(payload));
    expect_test::expect![[r#"
        homecare/presence-code {"code":"424242"}
        zigbee2mqtt/s/availability {"state":"online"}
        zigbee2mqtt/s {"battery":76,"linkquality":157,"voltage":2760}
        zigbee2mqtt/s {"action":"emergency","battery":76,"linkquality":116,"voltage":2760}
        homecare/visit {"act":"check_in","caregiver":"cg-17","code":"424242","method":"code","v":1}
        homecare/cancel {"v":1}
    "#]]
    .assert_eq(&told.iter().map(text).collect::<String>());
}

#[tokio::test]
async fn a_scenario_with_a_step_of_the_world_is_refused_before_any_connection() {
    let scenario = Scenario::parse("home\nsteps\n  08:00 wait\n  +1s kill gateway\n").unwrap();
    let options =
        PlayOptions { speed: Speed::Max, seed: 1, skip_world_steps: false, position: HomePosition::default() };
    let broker = Broker::planned("");
    let error = play(&scenario, &broker.config(), options, std::future::pending()).await.unwrap_err();
    assert!(matches!(error, PlayError::WorldStep { line: 4, .. }), "{error}");
    assert!(error.to_string().starts_with("line 4: `kill gateway` is done to"), "{error}");
}

#[tokio::test]
async fn a_recording_is_sent_in_order_and_confirmed() {
    let broker = Broker::started("allow_anonymous true");
    let (_listener, mut news) = listener(&broker).await;
    let lines: String = (0..300).map(|n| format!("{{\"t_ms\":{n},\"topic\":\"day\",\"payload\":{n}}}\n")).collect();
    let recording = replay::Recording::read(lines.as_bytes(), None, 1).unwrap();
    let config = broker.config();
    let sent = replay::run::run(recording, &config, Speed::Max, std::future::pending());
    assert_eq!(in_time(sent).await.unwrap().confirmed, 300);
    for n in 0..300 {
        let (_, payload) = until(&mut news, |news| heard(news).filter(|(topic, _)| topic == "day")).await;
        assert_eq!(payload, n.to_string().into_bytes());
    }
}

#[tokio::test]
async fn a_burst_of_presses_is_confirmed_press_by_press() {
    let broker = Broker::started("allow_anonymous true");
    let options = crate::load::LoadOptions { presses: 60, motions_per_press: 2, rate: 10_000.0 };
    let report = in_time(crate::load::load(&demo_home(), &broker.config(), options, std::future::pending())).await;
    let report = report.unwrap();
    assert_eq!((report.confirmed, report.lost, report.latencies.len()), (60, 0, 60));
    assert!(report.percentile(50) <= report.percentile(99));
}

#[tokio::test]
async fn a_live_home_says_its_devices_and_obeys_what_is_typed() {
    let broker = Broker::started("allow_anonymous true");
    let (listener, mut news) = listener(&broker).await;
    let config = SimConfig { broker: broker.config(), ..SimConfig::default() };
    let options = LiveOptions {
        speed: Speed::Times(1.0),
        from: Duration::from_secs(8 * 3600),
        seed: 1,
        resident: false,
        narrated: false,
        away: Away::DropRoutine,
    };
    let (typed, lines) = mpsc::channel(4);
    let live = tokio::spawn(async move { live(&config, options, lines, std::future::pending()).await });
    let of = |wanted: &'static str| move |news| heard(news).filter(|(topic, _)| topic == wanted);
    until(&mut news, of("zigbee2mqtt/bridge/devices")).await;
    until(&mut news, of("zigbee2mqtt/sos bedside")).await;
    for line in ["nonsense", "press", "cancel"] {
        typed.send(line.to_owned()).await.unwrap();
    }
    let (_, press) = until(&mut news, of("zigbee2mqtt/sos bedside")).await;
    assert!(String::from_utf8(press).unwrap().contains(r#""action":"emergency""#));
    until(&mut news, of(protocol::topics::CANCEL)).await;
    let join = Publication::bytes("zigbee2mqtt/bridge/request/permit_join", r#"{"time":60}"#);
    in_time(listener.publish_confirmed(join)).await.unwrap();
    until(&mut news, of("zigbee2mqtt/bridge/response/permit_join")).await;
    typed.send("quit".into()).await.unwrap();
    let (_, state) = until(&mut news, of("zigbee2mqtt/bridge/state")).await;
    assert_eq!(state, br#"{"state":"offline"}"#);
    in_time(live).await.unwrap().unwrap();
}
