//! The script of the check: who takes part, and how a hop is waited for and noted.

use std::time::{Duration, Instant};

use protocol::feed::{OrderState, WorkOrderNotice};
use protocol::topics;
use serde_json::{Value, json};
use tests::harness::Failed;
use tests::harness::api::Desk;
use tests::harness::clock::{now, until};
use tests::harness::feed::{Feed, Item};
use tests::harness::gateway::StatusPage;
use tests::harness::mqtt::MqttClient;
use tests::harness::program::Program;
use tests::harness::setup::{CHECKER, LAMP, READER, Setup};
use tests::harness::{centre, gateway, sim};

use crate::table::Table;

mod alarms;
mod faults;
mod help;
mod wired;

/// Longest wait for one hop.
const HOP_WAIT: Duration = Duration::from_secs(10);

/// The hop that failed.
pub struct Broken {
    /// The script's item.
    pub item: usize,
    /// The hop.
    pub hop: String,
    /// Why.
    pub why: Failed,
}

/// What came of a step.
type Step<T> = Result<T, Broken>;

/// Everybody who takes part.
pub struct Script<'s> {
    setup: &'s Setup,
    /// Hops seen so far.
    pub table: Table,
    item: usize,
    centre: Option<Program>,
    gateway: Option<Program>,
    home: Option<Program>,
    cast: Option<Cast>,
    last_press: Option<Press>,
}

/// Who speaks to the running programs.
struct Cast {
    checker: MqttClient,
    reader: MqttClient,
    lamp: MqttClient,
    feed: Feed,
    dispatcher: Desk,
    status: StatusPage,
}

/// A press as it went out, to be delivered again.
struct Press {
    topic: String,
    payload: Vec<u8>,
    packet: u16,
}

impl<'s> Script<'s> {
    /// A script that has not begun.
    pub fn new(setup: &'s Setup) -> Self {
        let table = Table::default();
        Self { setup, table, item: 0, centre: None, gateway: None, home: None, cast: None, last_press: None }
    }

    /// Plays every item in turn.
    pub async fn play(&mut self) -> Step<()> {
        self.begin(0);
        self.start().await?;
        self.begin(1);
        let order = self.press_raises_one_order().await?;
        self.begin(2);
        self.duplicate_is_nothing_new_and_second_press_joins(&order).await?;
        self.begin(3);
        self.dispatcher_acts_and_elder_is_told(&order).await?;
        self.begin(4);
        self.caregiver_comes_and_goes(&order).await?;
        self.begin(5);
        self.fall_is_cancelled_and_another_raises().await?;
        self.begin(6);
        self.press_survives_a_kill_with_the_centre_down().await?;
        self.begin(7);
        self.bad_messages_stop_nothing().await?;
        self.begin(8);
        self.wired_cord_raises_and_outputs_report().await
    }

    /// The programs, for their logs.
    pub fn programs(&self) -> impl Iterator<Item = &Program> {
        [&self.centre, &self.gateway, &self.home].into_iter().flatten()
    }

    /// Stops every program in order.
    pub async fn stop(&mut self) {
        self.cast = None;
        for program in [&mut self.home, &mut self.gateway, &mut self.centre] {
            if let Some(program) = program.as_mut() {
                let _ = program.stop(Duration::from_secs(8)).await;
            }
            *program = None;
        }
    }

    fn begin(&mut self, item: usize) {
        self.item = item;
    }

    /// Notes a hop that was seen, or says that it was not.
    fn hop(&mut self, name: &str, from: Instant, seen: Result<Instant, Failed>) -> Step<Instant> {
        match seen {
            Ok(at) => {
                self.table.note(self.item, name, from, at);
                Ok(at)
            }
            Err(why) => Err(self.broken(name, why)),
        }
    }

    /// Breaks off at something that is not a hop of its own.
    fn must<T>(&self, name: &str, result: Result<T, Failed>) -> Step<T> {
        result.map_err(|why| self.broken(name, why))
    }

    /// Breaks off where `holds` does not.
    fn ensure(&self, name: &str, holds: bool, why: impl FnOnce() -> Failed) -> Step<()> {
        if holds { Ok(()) } else { Err(self.broken(name, why())) }
    }

    fn broken(&self, name: &str, why: Failed) -> Broken {
        Broken { item: self.item, hop: name.to_owned(), why }
    }

    fn cast(&mut self) -> Step<&mut Cast> {
        let item = self.item;
        let missing = || Broken { item, hop: "the script".to_owned(), why: "nothing runs".to_owned() };
        self.cast.as_mut().ok_or_else(missing)
    }

    async fn start(&mut self) -> Step<()> {
        let from = now();
        let centre = centre::start(self.setup, None).await.map_err(|error| format!("{error:#}"));
        self.centre = Some(self.must("cloud-bridge starts", centre)?);
        self.table.note(0, "cloud-bridge ready", from, now());
        let from = now();
        let gateway = gateway::start(self.setup, None).await.map_err(|error| format!("{error:#}"));
        self.gateway = Some(self.must("the gateway starts", gateway)?);
        self.table.note(0, "gateway ready", from, now());
        let from = now();
        let home = sim::start(self.setup, &["--no-resident"], None).await.map_err(|error| format!("{error:#}"));
        self.home = Some(self.must("sensor-sim starts", home)?);
        self.table.note(0, "sensor-sim: the home's devices are there", from, now());
        let from = now();
        let cast = self.sign_in().await;
        self.cast = Some(self.must("checker, reader, lamp and dispatcher sign in", cast)?);
        let code =
            self.cast()?.lamp.hear("the presence code", 0, HOP_WAIT, |heard| heard.topic == topics::PRESENCE_CODE);
        let code = code.await.map(|(_, heard)| heard.at);
        self.hop("the home's panel shows its presence code", from, code)?;
        Ok(())
    }

    async fn sign_in(&self) -> Result<Cast, Failed> {
        let setup = self.setup;
        Ok(Cast {
            checker: self.mqtt(CHECKER).await?,
            reader: self.mqtt(READER).await?,
            lamp: self.lamp().await?,
            feed: Feed::read(centre::desk(setup, setup.viewer())?, None),
            dispatcher: centre::desk(setup, setup.dispatcher())?,
            status: StatusPage::of(setup)?,
        })
    }

    async fn mqtt(&self, name: &str) -> Result<MqttClient, Failed> {
        let (port, sign_in) = (self.setup.ports.mqtt, self.setup.sign_in(name)?);
        until(&format!("{name} signs in"), HOP_WAIT, async || MqttClient::connect(port, name, Some(sign_in)).await)
            .await
    }

    async fn lamp(&self) -> Result<MqttClient, Failed> {
        let mut lamp = self.mqtt(LAMP).await?;
        let granted = lamp.subscribe(&[topics::REASSURANCE, topics::PRESENCE_CODE]).await?;
        if granted.contains(&128) {
            return Err("the lamp may not subscribe".to_owned());
        }
        Ok(lamp)
    }

    /// Waits until the lamp says `stage`, in what it hears after the first `skip`; gives the place after it.
    async fn lamp_says(&mut self, hop: &str, stage: &str, skip: usize, from: Instant) -> Step<usize> {
        let lamp = &self.cast()?.lamp;
        let said = lamp
            .hear(&format!("the lamp says {stage}"), skip, HOP_WAIT, |heard| {
                heard.topic == topics::REASSURANCE && heard.field("stage").as_deref() == Some(stage)
            })
            .await;
        let said = said.map_err(|why| {
            let heard = lamp.heard(skip);
            let stages: Vec<_> = heard.iter().filter_map(|heard| heard.field("stage")).collect();
            format!("{why}; it said: {stages:?}")
        });
        let (place, heard) = self.must(hop, said)?;
        self.hop(hop, from, Ok(heard.at))?;
        Ok(place + 1)
    }

    /// Waits for a feed item of this kind after the first `skip`, and notes the hop.
    async fn feed_says(
        &mut self,
        hop: &str,
        kind: &str,
        skip: usize,
        from: Instant,
        wanted: impl Fn(&Item) -> bool,
    ) -> Step<Item> {
        let feed = &self.cast()?.feed;
        let what = format!("{kind} on the feed");
        let item = feed.wait(&what, skip, HOP_WAIT, |item| item.event.kind == kind && wanted(item)).await;
        let item = self.must(hop, item)?;
        self.hop(hop, from, Ok(item.at))?;
        Ok(item)
    }

    /// The same for a work order's item, read.
    async fn order_says(
        &mut self,
        hop: &str,
        kind: &str,
        skip: usize,
        from: Instant,
        wanted: impl Fn(&WorkOrderNotice) -> bool,
    ) -> Step<WorkOrderNotice> {
        let item = self.feed_says(hop, kind, skip, from, |item| item.order().is_some_and(|order| wanted(&order)));
        let order = item.await?.order();
        self.must(hop, order.ok_or_else(|| "the item is not about a work order".to_owned()))
    }

    /// Everything the feed says after the first `skip`, once it is read to its newest item.
    async fn feed_since(&mut self, skip: usize) -> Step<Vec<Item>> {
        let Cast { feed, dispatcher, .. } = self.cast()?;
        let caught_up = feed.caught_up(dispatcher).await;
        let items = feed.items(skip);
        self.must("the feed is read to its end", caught_up)?;
        Ok(items)
    }

    /// Fails unless exactly one work order was opened on the feed after the first `skip`.
    async fn opened_once(&mut self, skip: usize) -> Step<()> {
        let items = self.feed_since(skip).await?;
        let opened = items.iter().filter(|item| item.event.kind == "workorder.opened").count();
        self.ensure("exactly one work order", opened == 1, || format!("{opened} were opened"))
    }

    /// The dispatcher claims and closes an order; the elder is told that it is over.
    async fn settle(&mut self, order: &str, code: &str, outcome: &str) -> Step<()> {
        let (lamp, from) = (self.cast()?.lamp.heard_count(), now());
        let dispatcher = self.cast()?.dispatcher.clone();
        let claimed = dispatcher.order(order, "claim", &json!({})).await;
        self.must("the dispatcher claims", claimed)?;
        let closed = dispatcher.order(order, "close", &json!({ "code": code, "outcome": outcome })).await;
        let closed = self.must("the dispatcher closes", closed)?;
        self.ensure("the dispatcher closes", closed["state"] == json!(OrderState::Closed), || closed.to_string())?;
        self.lamp_says("claim and close → lamp: no call is open", "quiet", lamp, from).await?;
        Ok(())
    }

    /// Fails unless the centre keeps the order as wanted.
    async fn order_is(&mut self, hop: &str, id: &str, wanted: &[(&str, Value)]) -> Step<Value> {
        let order = self.cast()?.dispatcher.work_order(id).await;
        let order = self.must(hop, order)?;
        for (key, value) in wanted {
            self.ensure(hop, order[*key] == *value, || format!("{key} is {} and not {value}", order[*key]))?;
        }
        Ok(order)
    }
}
