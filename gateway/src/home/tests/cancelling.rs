//! A cancel is told as done once the centre has heard of it, and not before.

use super::*;

impl Bench {
    /// A fall is asked about and cancelled; the cancel is record 2.
    fn cancelled_fall() -> Self {
        let mut bench = Self::new();
        bench.fall();
        bench.centre(1, None);
        bench.input(&Input::Received { seqs: &[1], ver: 1 });
        bench.input(&Input::Cancel("fine"));
        bench
    }
}

#[test]
fn a_cancel_is_told_once_it_is_on_disk_and_over_once_the_centre_has_it() {
    let mut bench = Bench::cancelled_fall();
    let _ = writeln!(bench.transcript, "synced");
    bench.input(&Input::Synced(2));
    bench.input(&Input::Received { seqs: &[2], ver: 1 });
    bench.check(expect![[r#"
        0s record pre-alarm Fall by radar, 30 s
        0s told Are you all right? Press cancel if so
        0s record cancelled by fine
        synced
        0s told Cancelled, telling the centre
        0s told No call is open
    "#]]);
}

#[test]
fn a_cancel_that_came_after_the_fuse_is_never_told_as_done() {
    let mut bench = Bench::cancelled_fall();
    bench.input(&Input::Synced(2));
    // The centre has an order by now, of which this home has not heard.
    bench.input(&Input::Received { seqs: &[2], ver: 3 });
    bench.centre(3, Some(Stage::Received));
    bench.centre(4, None);
    bench.check(expect![[r#"
        0s record pre-alarm Fall by radar, 30 s
        0s told Are you all right? Press cancel if so
        0s record cancelled by fine
        0s told Cancelled, telling the centre
        0s told Arrived, no person yet
        0s told No call is open
    "#]]);
}

#[test]
fn a_cancel_that_no_disk_takes_is_told_as_one_that_is_being_sent() {
    let mut bench = Bench::cancelled_fall();
    bench.input(&Input::Disk { writable: false });
    bench.check(expect![[r#"
        0s record pre-alarm Fall by radar, 30 s
        0s told Are you all right? Press cancel if so
        0s record cancelled by fine
        0s told Cancelled, telling the centre
    "#]]);
}

impl Bench {
    /// The program starts with what a checkpoint kept.
    fn restarted(&mut self, unsafe_from: Option<u64>) {
        let snapshot = self.home.snapshot();
        self.home = Home::restore(self.home.rules().clone(), snapshot);
        let _ = writeln!(self.transcript, "restart");
        self.start_unsafe_from(unsafe_from);
    }

    fn delivered(&mut self, low_water: u64) {
        let delivered = Body::Delivered(protocol::record::Delivered { low_water, above: Vec::new() });
        let record = self.chain.seal(self.now, None, delivered).unwrap();
        self.home.apply(&record);
        self.input(&Input::Woken);
    }
}

#[test]
fn a_cancel_outlives_a_restart_until_the_centre_says_what_it_made_of_it() {
    let mut bench = Bench::cancelled_fall();
    bench.input(&Input::Synced(2));
    bench.restarted(None);
    bench.delivered(2);
    let _ = writeln!(bench.transcript, "delivered");
    bench.restarted(None);
    bench.centre(2, None);
    bench.check(expect![[r#"
        0s record pre-alarm Fall by radar, 30 s
        0s told Are you all right? Press cancel if so
        0s record cancelled by fine
        0s told Cancelled, telling the centre
        restart
        0s told again Cancelled, telling the centre
        delivered
        restart
        0s told again Cancelled, telling the centre
        0s told No call is open
    "#]]);
}

#[test]
fn an_old_cancel_that_the_centre_has_is_not_spoken_of_after_a_restart() {
    let mut bench = Bench::cancelled_fall();
    bench.input(&Input::Synced(2));
    bench.delivered(2);
    bench.now.uptime_ms += 180_000;
    bench.restarted(None);
    bench.check(expect![[r#"
        0s record pre-alarm Fall by radar, 30 s
        0s told Are you all right? Press cancel if so
        0s record cancelled by fine
        0s told Cancelled, telling the centre
        restart
        180s told again No call is open
    "#]]);
}

#[test]
fn nothing_is_told_of_a_cancel_that_a_start_finds_in_doubt_until_its_sync_is_answered() {
    let mut bench = Bench::cancelled_fall();
    bench.restarted(Some(2));
    let _ = writeln!(bench.transcript, "synced");
    bench.input(&Input::Synced(2));
    bench.check(expect![[r#"
        0s record pre-alarm Fall by radar, 30 s
        0s told Are you all right? Press cancel if so
        0s record cancelled by fine
        restart
        synced
        0s told Cancelled, telling the centre
    "#]]);
}

#[test]
fn with_the_link_down_a_new_cancel_is_answered_and_an_old_one_hides_nothing() {
    let mut bench = Bench::new();
    let record = bench.chain.seal(bench.now, None, Body::Link { up: false }).unwrap();
    bench.home.apply(&record);
    bench.fall();
    bench.input(&Input::Cancel("fine"));
    bench.input(&Input::Synced(3));
    bench.wait(200_000);
    let record = bench.chain.seal(bench.now, None, Body::Link { up: true }).unwrap();
    bench.home.apply(&record);
    bench.centre(1, None);
    bench.input(&Input::Received { seqs: &[2, 3], ver: 1 });
    bench.check(expect![[r#"
        0s record pre-alarm Fall by radar, 30 s
        0s told Are you all right? Press cancel if so
        0s record cancelled by fine
        0s told Cancelled, telling the centre
        180s told No connection to the centre
        200s told Cancelled, telling the centre
        200s told No call is open
    "#]]);
}

#[test]
fn a_receipt_in_the_journal_does_not_end_a_cancel_before_the_centres_orders_are_known() {
    let mut bench = Bench::cancelled_fall();
    bench.input(&Input::Synced(2));
    bench.delivered(2);
    let _ = writeln!(bench.transcript, "delivered");
    bench.centre(3, Some(Stage::Received));
    bench.check(expect![[r#"
        0s record pre-alarm Fall by radar, 30 s
        0s told Are you all right? Press cancel if so
        0s record cancelled by fine
        0s told Cancelled, telling the centre
        delivered
        0s told Arrived, no person yet
    "#]]);
}

#[test]
fn a_cancel_that_the_loop_before_had_a_receipt_for_waits_for_orders_as_new() {
    let mut bench = Bench::cancelled_fall();
    bench.input(&Input::Synced(2));
    bench.home.known_received(&bench.now, &[1, 2], 3);
    // An answer that was on its way before the cancel came there.
    bench.centre(2, None);
    let _ = writeln!(bench.transcript, "newer");
    bench.centre(3, None);
    bench.check(expect![[r#"
        0s record pre-alarm Fall by radar, 30 s
        0s told Are you all right? Press cancel if so
        0s record cancelled by fine
        0s told Cancelled, telling the centre
        newer
        0s told No call is open
    "#]]);
}
