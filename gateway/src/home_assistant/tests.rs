use super::*;

fn gauges() -> Gauges {
    Gauges {
        backlog: 0,
        urgent_backlog: 0,
        backlog_age_ms: 0,
        pending: 0,
        last_seq: 0,
        disk_ok: true,
        centre_up: true,
        wall_trusted: true,
    }
}

#[test]
fn every_entity_names_a_key_of_the_state_and_none_takes_a_command() {
    let state =
        Shown::default().changed(Stage::Taken, true, &[(OrderClass::Emergency, Stage::Taken)], &gauges()).unwrap();
    let state: Value = serde_json::from_str(&state.payload).unwrap();
    let introduction = introduction("homeassistant", "home-1");
    let (configs, status) = introduction.split_at(introduction.len() - 1);
    assert_eq!(configs.len(), entities().len());
    for config in configs {
        assert!(config.retain && config.topic.starts_with("homeassistant/"), "{config:?}");
        let levels: Vec<&str> = config.topic.split('/').collect();
        assert!(levels[2..4].iter().all(|id| id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')), "{levels:?}");
        let body: Value = serde_json::from_str(&config.payload).unwrap();
        let template = body["value_template"].as_str().unwrap();
        let key = template.split("value_json.").nth(1).unwrap().split(|c: char| !c.is_alphanumeric()).next().unwrap();
        assert!(!state[key].is_null(), "{template} reads no key of {state}");
        assert_eq!(
            (body["state_topic"].as_str(), body["availability_topic"].as_str()),
            (Some("homecare/state"), Some("homecare/status"))
        );
        assert!(body.get("command_topic").is_none());
    }
    assert_eq!(
        (status[0].topic.as_str(), status[0].payload.as_str(), status[0].retain),
        ("homecare/status", "online", true)
    );
}

#[test]
fn only_news_is_told() {
    let mut shown = Shown::default();
    assert!(shown.changed(Stage::Quiet, false, &[], &gauges()).is_some());
    assert!(shown.changed(Stage::Quiet, false, &[], &Gauges { backlog: 3, ..gauges() }).is_none());
    assert!(shown.changed(Stage::Recorded, true, &[], &gauges()).is_some());
    assert!(shown.changed(Stage::Recorded, true, &[], &Gauges { centre_up: false, ..gauges() }).is_some());
}
