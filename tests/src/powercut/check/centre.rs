//! The real centre behind the cuts: for every cut a gateway of its own, so that one centre serves all.

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::record::Record;
use protocol::uplink::{UplinkAnswer, UplinkRequest};
use reqwest::StatusCode;

use crate::harness::api::Desk;
use crate::harness::centre;
use crate::harness::clock::until;
use crate::harness::gateway::StatusPage;
use crate::harness::program::Program;
use crate::harness::setup::{GATEWAY, Setup};
use crate::harness::{Failed, secret};

use super::PATIENCE;

/// Most records handed over in one request.
const BATCH: usize = 400;

/// A gateway that waits for a centre that is not there asks a port where nobody listens.
const NOWHERE: &str = "http://127.0.0.1:9";

/// One running centre and the gateways it knows.
pub struct CentreSide {
    program: Program,
    desk: Desk,
    base: String,
    gateways: Vec<(String, String)>,
    next: usize,
}

impl CentreSide {
    /// Starts a centre that knows so many gateways.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start(setup: &mut Setup, gateways: usize) -> anyhow::Result<Self> {
        let names = (0..gateways).map(|index| anyhow::Ok((format!("cut-{index:05}"), secret::token()?)));
        setup.more_gateways = names.collect::<Result<_, _>>()?;
        let program = centre::start(setup, None).await?;
        let desk = centre::desk(setup, setup.dispatcher()).map_err(anyhow::Error::msg)?;
        Ok(Self { program, desk, base: centre::url(setup), gateways: setup.more_gateways.clone(), next: 0 })
    }

    /// Gives the next cut's gateway a name of its own and the way to the centre, or to nowhere.
    pub fn turn_to_next(&mut self, setup: &mut Setup, with_centre: bool) {
        if with_centre && let Some((name, token)) = self.gateways.get(self.next) {
            (setup.gateway, setup.gateway_token) = (name.clone(), token.clone());
            setup.centre_urls = vec![self.base.clone()];
            self.next += 1;
        } else {
            setup.gateway = GATEWAY.to_owned();
            setup.centre_urls = vec![NOWHERE.to_owned()];
        }
    }

    fn gateway(&self) -> Result<&(String, String), Failed> {
        let last = self.next.checked_sub(1).and_then(|last| self.gateways.get(last));
        last.ok_or_else(|| "the centre knows no more gateways".to_owned())
    }

    /// Gives the centre what it had been sent before the cut.
    ///
    /// # Errors
    /// When it does not take it.
    pub async fn hand_over(&self, arrived: &[Arc<Record>]) -> Result<(), Failed> {
        let (name, token) = self.gateway()?;
        let sender = Desk::new(&self.base, token)?;
        for records in arrived.chunks(BATCH) {
            let Some(last) = records.last() else { break };
            let gateway = name.parse().map_err(|error| format!("{name}: {error}"))?;
            let request = UplinkRequest { v: 1, gateway, sent: last.at, records: records.to_vec() };
            let body = serde_json::to_value(&request).map_err(|error| error.to_string())?;
            let (status, answer) = sender.ask(reqwest::Method::POST, "/v1/uplink", Some(&body), PATIENCE).await?;
            let receipts = serde_json::from_value::<UplinkAnswer>(answer.clone()).map(|answer| answer.receipts.len());
            if status != StatusCode::OK || receipts.ok() != Some(records.len()) {
                return Err(format!("the centre did not take what it had: {status} {answer}"));
            }
        }
        Ok(())
    }

    /// Waits until the gateway has nothing urgent left.
    ///
    /// # Errors
    /// When it does not get rid of it.
    pub async fn until_sent(status: &StatusPage) -> Result<(), Failed> {
        status.until_metric("gateway_backlog_emergency_records", PATIENCE, |left| left == 0).await.map(drop)
    }

    /// Waits until the orders hold at least so many presses. The gateway's own backlog does not tell: right
    /// after a start it has not yet read what waits in its journal.
    ///
    /// # Errors
    /// Says what the orders hold instead.
    pub async fn has_all(&self, presses: usize) -> Result<(), Failed> {
        self.until_orders(&format!("{presses} presses were made"), |held| held >= presses as u64).await
    }

    /// Holds the centre's orders against the presses: one order, and in it each press once.
    ///
    /// # Errors
    /// Says what the orders hold instead.
    pub async fn holds(&self, presses: usize) -> Result<(), Failed> {
        self.until_orders(&format!("{presses} presses were made"), |held| held == presses as u64).await
    }

    async fn until_orders(&self, made: &str, wanted: impl Fn(u64) -> bool) -> Result<(), Failed> {
        let (name, _) = self.gateway()?;
        let path = format!("/v1/work-orders?limit=500&gateway={name}");
        until("every press in an order", PATIENCE, async || {
            let list: BTreeMap<String, serde_json::Value> = self.desk.get(&path, PATIENCE).await?;
            let orders = list.get("work_orders").and_then(serde_json::Value::as_array);
            let orders = orders.ok_or_else(|| "the list of work orders has another shape".to_owned())?;
            let held: u64 = orders.iter().filter_map(|order| order["presses"].as_u64()).sum();
            let open = orders.len();
            if wanted(held) && open <= 1 { Ok(()) } else { Err(format!("{made}; {open} orders hold {held}")) }
        })
        .await
    }

    /// Ends it.
    pub fn end(&mut self) {
        self.program.kill();
    }
}
