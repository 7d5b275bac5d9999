//! The world's course: how it begins, what each thing due does, and what must hold at its end.

use std::collections::BTreeMap;
use std::sync::Arc;

use cloud_bridge::store::{OrderFilter, Reads};
use gateway::engine::Completion;
use protocol::feed::OrderState;
use protocol::stage::Stage;
use sensor_sim::dice::Dice;

use super::agenda::Agenda;
use super::centre::CentreSite;
use super::faults::Faults;
use super::home::Home;
use super::network::PathState;
use super::transcript::Transcript;
use super::watch::{Counted, Invariant, Violation, Watch};
use super::{
    DAY_MS, DELIVERY_WITHIN_MS, Due, EPOCH_MS, HOUR_MS, LATE_LOOKS_MAX, LATE_ORDER_MS, NEWS_WITHIN_MS, QUIET_WITHIN_MS,
    Tally, Town, World, WorldConfig,
};

impl World {
    pub(super) fn new(config: WorldConfig, town: Arc<Town>) -> Self {
        let homes: Vec<Home> = (0..config.homes).filter_map(|index| Home::new(index, town.bridge.clone())).collect();
        let ids: Vec<_> = homes.iter().map(|home| home.id.clone()).collect();
        Self {
            config,
            town,
            now_ms: 0,
            agenda: Agenda::default(),
            homes,
            centre: CentreSite::new(ids.iter().cloned()),
            watch: Watch::new(ids),
            transcript: Transcript::new(config.detail, 0),
            dice: Dice::named(config.seed, "world"),
            tally: Tally::default(),
            script: None,
            commands: Vec::new(),
            json: false,
            healed: false,
            late_looks: 0,
        }
    }

    pub(super) fn begin(&mut self) {
        self.json = self.config.faults != Faults::None && self.dice.chance(25);
        self.start_centre();
        let end = self.config.days * DAY_MS;
        for home in 0..self.homes.len() {
            self.start_gateway(home);
            self.plan_sign(home);
            // Homes do not all call in the same minute.
            let mut at = self.dice.between(0, 12 * HOUR_MS);
            while at < end {
                self.agenda.put(at, Due::Need { home });
                at += self.dice.between(HOUR_MS, 24 * HOUR_MS);
            }
        }
        if self.config.faults != Faults::None {
            let first = self.dice.between(0, self.mean_gap_ms());
            self.agenda.put(first, Due::Trouble);
        }
        self.agenda.put(end, Due::Heal);
        self.agenda.put(end + DELIVERY_WITHIN_MS, Due::DeliveryCheck);
        self.agenda.put(end + QUIET_WITHIN_MS, Due::End);
    }

    pub(super) fn run(&mut self) -> Result<Tally, Violation> {
        while let Some((at_ms, due)) = self.agenda.take() {
            self.now_ms = at_ms.max(self.now_ms);
            let last = matches!(due, Due::End);
            if last && self.puts_off_end() {
                continue;
            }
            self.handle(due);
            if self.watch.is_violated() || last {
                break;
            }
        }
        for home in &self.homes {
            let running = home.process.as_ref().map_or(0, |process| process.engine.counters().records);
            self.tally.records += home.records + running;
            self.tally.worn += home.storage.worn();
        }
        self.tally.recounted = self.watch.recounted();
        self.tally.home_days = self.config.homes as u64 * self.config.days;
        match self.watch.violation() {
            Some(violation) => Err(violation),
            None => Ok(self.tally),
        }
    }

    pub(super) fn handle(&mut self, due: Due) {
        match due {
            Due::Sign { home } => self.sign(home),
            Due::Deliver { home, connection } => self.deliver(home, connection),
            Due::Reconnect { home } => self.reconnect(home),
            Due::Wake { home, run } if self.homes[home].run == run => self.wake(home),
            Due::Disk { home, run } if self.homes[home].run == run => self.disk(home),
            Due::Told { home, run, stage } => self.give(home, run, Completion::Told { stage, shown: true }),
            Due::Arrive(mail) => self.arrive(*mail),
            Due::Return { home, run, completion } => self.give(home, run, *completion),
            Due::PollEnds { ticket } => self.poll_ends(ticket),
            Due::CentreDeadline => self.centre_deadline(),
            Due::Beats => self.check_beats(),
            Due::StopEnds { home, run } if self.homes[home].run == run => self.stop_ends(home, false),
            Due::GatewayStart { home } => self.start_gateway(home),
            Due::CentreStart => self.start_centre(),
            Due::Trouble => self.trouble(),
            Due::Mend { home, trouble } => self.mend(home, trouble),
            Due::Heal => self.heal(),
            Due::Need { home } if !self.healed => self.need(home),
            Due::Look { home, pressed_ms, left } => self.look(home, pressed_ms, left),
            Due::Release { home } => self.release_cord(home),
            Due::Cancel { home } => self.cancel(home),
            Due::StandUp { home } => self.stand_up(home),
            Due::Desk(task) => self.desk(*task),
            Due::Visit { home, arrives } => self.visit(home, arrives),
            Due::Flap { home, path } => self.flap(home, path),
            Due::NewsCheck { home, ver, since_ms } => self.check_news(home, ver, since_ms),
            Due::Script { step } => self.play(step),
            Due::DeliveryCheck => self.watch.check_delivery(self.now_ms),
            Due::End => self.check_end(),
            Due::Wake { .. } | Due::Disk { .. } | Due::StopEnds { .. } | Due::Need { .. } => {}
        }
    }

    fn give(&mut self, home: usize, run: u32, completion: Completion) {
        if self.homes[home].run == run && self.homes[home].process.is_some() {
            self.homes[home].inbox.push_back(completion);
            self.drain(home);
        }
    }

    /// The next message of the home's ordinary day.
    fn sign(&mut self, home: usize) {
        let town = Arc::clone(&self.town);
        let at = &mut self.homes[home];
        let days = &town.days;
        let day = &days[(at.day_base_ms / DAY_MS) as usize % days.len()];
        if let Some(sign) = day.get(at.next_sign) {
            at.next_sign += 1;
            if self.config.faults == Faults::None && at.process.is_some() {
                // As it was prepared: a bulk run spends its time in the product.
                self.say(home, &town.topics[sign.device], &sign.payload);
            } else {
                let name = &town.names[sign.device];
                for publication in self.homes[home].bridge.happen(name, sign.what) {
                    self.publish(home, publication, None);
                }
            }
        }
        let at = &mut self.homes[home];
        if at.next_sign >= day.len() {
            at.next_sign = 0;
            at.day_base_ms += DAY_MS;
        }
        self.plan_sign(home);
    }

    pub(super) fn plan_sign(&mut self, home: usize) {
        let at = &self.homes[home];
        let days = &self.town.days;
        if days.is_empty() || at.day_base_ms > self.config.days * DAY_MS {
            return;
        }
        let day = &days[(at.day_base_ms / DAY_MS) as usize % days.len()];
        if let Some(sign) = day.get(at.next_sign) {
            let at_ms = (at.day_base_ms + sign.at_ms + home as u64 * 977).max(self.now_ms);
            self.agenda.put(at_ms, Due::Sign { home });
        }
    }

    /// While a call is open its polls are short: however the line failed before, the news comes through soon after.
    fn check_news(&mut self, home: usize, ver: u64, since_ms: u64) {
        let at = &self.homes[home];
        let calm_ms = since_ms.max(at.troubled_ms).max(self.centre.troubled_ms);
        let short_polls = at.alarm_since_ms.is_some_and(|open_ms| open_ms + 40_000 <= since_ms);
        let carries = at.paths == [PathState::Up; 2] && !at.flaky && at.process.is_some() && self.centre.is_up();
        if !short_polls || !carries || self.centre.progress[home].ver != ver {
            return;
        }
        let due_ms = calm_ms + NEWS_WITHIN_MS;
        if due_ms > self.now_ms {
            self.agenda.put(due_ms, Due::NewsCheck { home, ver, since_ms });
        } else if at.polled_ver != ver {
            let what = format!("version {ver} of {since_ms} ms is not known, only {}", at.polled_ver);
            self.watch.violated(Invariant::NewsReachesHome, self.now_ms, home, what);
        }
    }

    /// Puts the end off to when the orders opened late must be closed, where no other order is open. Returns whether it
    /// did.
    fn puts_off_end(&mut self) -> bool {
        let Some(store) = self.centre.store() else { return false };
        let filter = OrderFilter { limit: usize::MAX, ..OrderFilter::default() };
        let orders = store.orders(&filter).unwrap_or_default();
        let due_ms = |opened_at_ms: i64| u64::try_from(opened_at_ms - EPOCH_MS).unwrap_or(0) + LATE_ORDER_MS;
        let open = orders.iter().filter(|order| order.state != OrderState::Closed);
        let due: Vec<u64> = open.map(|order| due_ms(order.opened_at_ms)).collect();
        let all_late = due.iter().all(|due_ms| *due_ms > self.now_ms);
        let Some(last_ms) = due.into_iter().max().filter(|_| all_late && self.late_looks < LATE_LOOKS_MAX) else {
            return false;
        };
        self.late_looks += 1;
        self.agenda.put(last_ms, Due::End);
        true
    }

    fn check_end(&mut self) {
        (0..self.homes.len()).for_each(|home| self.answer_idle_polls(home));
        self.watch.check_delivery(self.now_ms);
        let now_ms = self.now_ms;
        let numbers: BTreeMap<_, _> =
            self.homes.iter().enumerate().map(|(index, home)| (home.id.clone(), index)).collect();
        let filter = OrderFilter { limit: usize::MAX, ..OrderFilter::default() };
        let Some(store) = self.centre.store() else { return };
        let mut counted: BTreeMap<(usize, String), Vec<Counted>> = BTreeMap::new();
        for order in store.orders(&filter).unwrap_or_default() {
            let Some(home) = numbers.get(&order.gateway).copied() else { continue };
            let mut needs = 0;
            for row in store.timeline(&order.id).unwrap_or_default() {
                if row.what == "opened" || row.what == "joined" {
                    needs += 1;
                    let record = row.detail["record"].as_str().unwrap_or_default().to_owned();
                    let closed_ms = order.closing.as_ref().map(|closing| closing.at_ms - EPOCH_MS);
                    let count = Counted { order: order.id.to_string(), at_ms: row.at_ms - EPOCH_MS, closed_ms };
                    counted.entry((home, record)).or_default().push(count);
                }
            }
            if needs != order.presses {
                let what = format!("{} says {} presses, its timeline {needs}", order.id, order.presses);
                self.watch.violated(Invariant::JoinedPressIsCounted, now_ms, home, what);
            }
            if order.state != OrderState::Closed {
                let what = format!("{} is still {:?}", order.id, order.state);
                self.watch.violated(Invariant::ComesToRest, now_ms, home, what);
            }
        }
        self.watch.check_counts(now_ms, &counted);
        for home in 0..self.homes.len() {
            let at = &self.homes[home];
            let Some(process) = &at.process else {
                self.watch.violated(Invariant::ComesToRest, now_ms, home, "the gateway is not running".into());
                continue;
            };
            let gauges = process.engine.gauges(&at.clocks(now_ms));
            let stage = process.engine.stage(&at.clocks(now_ms));
            // The last record may be a minute old and on its way.
            if gauges.backlog > 5
                || gauges.pending > 5
                || stage != Stage::Quiet
                || !gauges.disk_ok
                || !at.wires.is_idle()
            {
                let what =
                    format!("stage {stage:?}, lamp {:?}, wires idle {}, {gauges:?}", at.lamp, at.wires.is_idle());
                self.watch.violated(Invariant::ComesToRest, now_ms, home, what);
            }
        }
    }
}
