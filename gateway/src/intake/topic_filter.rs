//! MQTT topic filters, for the rights of each client.

/// Whether `topic` falls under `filter` with its `+` and `#`.
pub fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && !filter.starts_with('$') {
        return false;
    }
    let mut topic = topic.split('/');
    for level in filter.split('/') {
        match (level, topic.next()) {
            ("#", _) => return true,
            ("+", Some(_)) => {}
            (level, Some(named)) if level == named => {}
            _ => return false,
        }
    }
    topic.next().is_none()
}

/// Whether everything under `asked` falls under `granted`.
pub fn covers(granted: &str, asked: &str) -> bool {
    let mut asked = asked.split('/');
    for level in granted.split('/') {
        match (level, asked.next()) {
            ("#", _) => return true,
            ("+", Some(level)) if level != "#" => {}
            (level, Some(named)) if level == named => {}
            _ => return false,
        }
    }
    asked.next().is_none()
}

/// Whether something may be published under the text: no wildcard, and not empty.
pub fn is_topic(topic: &str) -> bool {
    !topic.is_empty() && !topic.contains(['#', '+', '\0'])
}

/// Whether the text is a filter at all: `#` last and alone in its level, `+` alone in its level.
pub fn is_valid(filter: &str) -> bool {
    let levels: Vec<_> = filter.split('/').collect();
    let last = levels.len() - 1;
    !filter.is_empty()
        && filter.len() <= 1_024
        && levels.iter().enumerate().all(|(i, level)| match *level {
            "#" => i == last,
            "+" => true,
            level => !level.contains(['#', '+', '\0']),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_falls_under_its_filters() {
        let cases = [
            ("zigbee2mqtt/#", "zigbee2mqtt/sos bedside", true),
            ("zigbee2mqtt/#", "zigbee2mqtt", true),
            ("zigbee2mqtt/+/set", "zigbee2mqtt/siren/set", true),
            ("zigbee2mqtt/+/set", "zigbee2mqtt/hall/siren/set", false),
            ("#", "$SYS/broker", false),
            ("homecare/visit", "homecare/visit/x", false),
            ("a/b", "a", false),
        ];
        for (filter, topic, expected) in cases {
            assert_eq!(matches(filter, topic), expected, "{filter} {topic}");
        }
    }

    #[test]
    fn a_wider_filter_is_not_covered_by_a_narrower_one() {
        let cases = [
            ("zigbee2mqtt/#", "zigbee2mqtt/+/set", true),
            ("zigbee2mqtt/#", "#", false),
            ("zigbee2mqtt/+", "zigbee2mqtt/#", false),
            ("homecare/reassurance", "homecare/+", false),
            ("+/reassurance", "homecare/reassurance", true),
        ];
        for (granted, asked, expected) in cases {
            assert_eq!(covers(granted, asked), expected, "{granted} {asked}");
        }
    }

    #[test]
    fn nothing_is_published_under_a_filter() {
        for bad in ["", "#", "a/+", "a/#", "a+"] {
            assert!(!is_topic(bad), "{bad}");
        }
        assert!(is_topic("zigbee2mqtt/sos bedside"));
    }

    #[test]
    fn filters_with_misplaced_wildcards_are_refused() {
        for bad in ["", "a/#/b", "a#", "a/b+"] {
            assert!(!is_valid(bad), "{bad}");
        }
        for good in ["#", "a/+/c", "a/#", "zigbee2mqtt/hall/motion"] {
            assert!(is_valid(good), "{good}");
        }
    }
}
