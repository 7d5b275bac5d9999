use expect_test::expect;

use super::*;
use crate::config::SimConfig;
use crate::narrate::clock;

fn life(seed: u64) -> Life {
    let config = SimConfig::default();
    Life::new(Habits::default(), &config.devices(seed), &config.exit_doors(), seed)
}

#[test]
fn a_morning_in_the_demos_home() {
    let mut life = life(1);
    let from = Duration::from_secs(6 * 3600);
    let standing = life.skip_to(from);
    let mut text: String = standing.iter().map(|o| format!("{}: {}\n", o.device, o.what.words())).collect();
    text += "--\n";
    for o in life.take_while(|o| o.at < Duration::from_secs(7 * 3600)) {
        text += &format!("{}  {}: {}\n", clock(o.at), o.device, o.what.words());
    }
    expect![[r#"
        bath radar: still
        bed pad: someone lies down
        bedroom motion: still
        hall motion: still
        --
        06:13:55  bed pad: someone gets up
        06:13:57  bedroom motion: motion
        06:14:00  hall motion: motion
        06:14:02  bath radar: motion
        06:14:57  bedroom motion: still
        06:15:00  hall motion: still
        06:15:02  bath radar: still
        06:16:28  bath radar: motion
        06:17:28  bath radar: still
        06:17:36  bath radar: motion
        06:18:36  bath radar: still
        06:18:46  bath radar: motion
        06:19:32  kitchen smoke: reports in
        06:19:46  bath radar: still
        06:19:49  bath radar: motion
        06:20:49  bath radar: still
        06:20:59  bath radar: motion
        06:21:59  bath radar: still
        06:22:08  bath radar: motion
        06:23:08  bath radar: still
        06:23:47  bath radar: motion
        06:25:02  hall motion: motion
        06:25:11  bedroom motion: motion
        06:25:47  bath radar: still
        06:26:02  hall motion: still
        06:26:11  bedroom motion: still
        06:27:09  bedroom motion: motion
        06:28:58  bedroom motion: still
        06:29:00  bedroom motion: motion
        06:32:45  bedroom motion: still
        06:33:45  bedroom motion: motion
        06:34:09  hall motion: motion
        06:34:20  kitchen motion: motion
        06:34:45  bedroom motion: still
        06:34:51  front door: reports in
        06:35:09  hall motion: still
        06:36:30  kitchen motion: still
        06:37:29  kitchen motion: motion
        06:38:29  kitchen motion: still
        06:39:01  kitchen motion: motion
        06:40:01  kitchen motion: still
        06:41:12  kitchen motion: motion
        06:42:12  kitchen motion: still
        06:43:24  kitchen motion: reports in
        06:43:36  kitchen motion: motion
        06:44:36  kitchen motion: still
        06:45:17  kitchen motion: motion
        06:46:17  kitchen motion: still
        06:47:11  kitchen motion: motion
        06:48:11  kitchen motion: still
        06:49:01  kitchen motion: motion
        06:52:43  kitchen motion: still
    "#]]
    .assert_eq(&text);
}

#[test]
fn a_week_is_in_order_the_same_twice_and_every_device_reports() {
    let week = |seed| life(seed).take_while(|o| o.at < Duration::from_secs(7 * 86_400)).collect::<Vec<_>>();
    let lived = week(3);
    assert_eq!(lived, week(3));
    assert!(lived.is_sorted_by_key(|o| o.at));
    assert!((7 * 150..7 * 800).contains(&lived.len()), "{} reports in a week", lived.len());
    for device in SimConfig::default().home {
        let beats = lived.iter().filter(|o| o.device == device.name && o.what == Happening::Beat).count();
        assert!((30..60).contains(&beats), "{} reports in {beats} times a week", device.name);
    }
}

#[test]
fn an_empty_home_only_reports_in() {
    let mut empty = life(3).without_resident();
    assert!(empty.next_at().is_some());
    assert!(empty.take(200).all(|o| o.what == Happening::Beat));
}
