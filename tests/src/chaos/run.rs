//! One run of chaos: presses, faults beside them, and the judge's count at the end.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use sensor_sim::dice::Dice;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::fault::{Fault, Faults};
use super::line::{Line, Mode};
use super::network;
use super::presser::Presser;
use crate::harness::api::Desk;
use crate::harness::certificate::{Authority, Holds};
use crate::harness::clock::{ms_between, now, until};
use crate::harness::gateway::StatusPage;
use crate::harness::program::{self, Program};
use crate::harness::setup::{CHECKER, Ports, Setup, Waits};
use crate::harness::{centre, gateway, ports};

/// Longest wait for a press behind a black hole to come over the second line.
const SECOND_LINE_WAIT: Duration = Duration::from_secs(30);

/// Longest wait, once every fault is over, until the centre has counted everything.
const SETTLE_WAIT: Duration = Duration::from_secs(120);

/// What one run is asked to do.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Presses, each said until it is acknowledged.
    pub presses: u32,
    /// Decides faults and pauses.
    pub seed: u64,
    /// The order of each press is closed before the next press, so that every press makes one of its own.
    pub apart: bool,
}

/// What one run found; every number was checked before it stands here.
#[derive(Debug)]
pub struct Outcome {
    /// Presses acknowledged, and counted at the centre.
    pub presses: u32,
    /// Presses that had to be said again.
    pub said_again: u64,
    /// Orders they opened.
    pub orders: usize,
    /// Orders closed while it went on.
    pub closed: u32,
    /// How often each fault was made.
    pub faults: BTreeMap<&'static str, u32>,
    /// What each line did: connections, bytes up, bytes down, cut, half-closed, chunks stalled.
    pub lines: [[u64; 6]; 2],
    /// From a press to the centre while the first line was a black hole, milliseconds.
    pub second_line_ms: f64,
    /// From the end of all faults to the last count, milliseconds.
    pub settled_ms: f64,
    /// The whole run, milliseconds.
    pub took_ms: f64,
}

/// Everything that runs.
struct Ground {
    setup: Setup,
    centre_namespace: String,
    lines: [Line; 2],
    desk: Desk,
    status: StatusPage,
    gateway: Program,
    centre: Program,
}

/// Runs the plan; called from within the home's namespace, the centre's is named.
///
/// # Errors
/// When a press is lost or doubled, a program does not start again, or nothing settles.
pub async fn run(plan: Plan, centre_namespace: &str) -> anyhow::Result<Outcome> {
    let from = now();
    let mut ground = Ground::start(centre_namespace).await?;
    let mut presser = Presser::new(ground.setup.ports.mqtt, ground.sign_in()?);
    let second_line_ms = ground.second_line_is_taken(&mut presser).await?;
    eprintln!("chaos: first line a black hole: the press came over the second in {second_line_ms:.0} ms");

    let (done, pressing) = watch::channel(false);
    let desk = ground.desk.clone();
    let press_all = async {
        let result = press_all(plan, &mut presser, &desk).await;
        done.send_replace(true);
        result
    };
    let (closed, faults) = tokio::join!(press_all, ground.trouble(plan.seed, pressing));
    let (closed, faults) = (closed?, faults?);

    ground.mend();
    let mended = now();
    let orders = ground.settled(plan).await?;
    let settled_ms = ms_between(mended, now());
    let stopped = ground.gateway.stop(Duration::from_secs(10)).await.map_err(anyhow::Error::msg)?;
    ensure!(stopped.success(), "the gateway ended with {stopped}");
    journal_is_whole(&ground.setup.gateway_data())?;
    let lines = ground.lines.each_ref().map(|line| {
        let counts = line.counts();
        [&counts.connections, &counts.up_bytes, &counts.down_bytes, &counts.cut, &counts.half_closed, &counts.stalled]
            .map(|count| count.load(Ordering::Relaxed))
    });
    Ok(Outcome {
        presses: plan.presses,
        said_again: presser.said_again(),
        orders,
        closed,
        faults,
        lines,
        second_line_ms,
        settled_ms,
        took_ms: ms_between(from, now()),
    })
}

/// Presses one after another; closes what is open now and then, or after each, so that many orders arise.
async fn press_all(plan: Plan, presser: &mut Presser, desk: &Desk) -> anyhow::Result<u32> {
    let mut dice = Dice::named(plan.seed, "presses");
    let mut closed = 0;
    // The first press was the one behind the black hole.
    for press in 2..=plan.presses {
        tokio::time::sleep(Duration::from_millis(dice.between(0, 600))).await;
        presser.press().await.map_err(anyhow::Error::msg).with_context(|| format!("press {press}"))?;
        if plan.apart {
            let closing = until("every press's order closed", SETTLE_WAIT, async || all_closed(desk, press).await);
            closed = closing.await.map_err(anyhow::Error::msg)?;
        } else if dice.between(1, 6) == 1 {
            closed += close_open_orders(desk).await;
        }
        if press % (plan.presses / 10).max(1) == 0 {
            eprintln!("chaos: {press}/{} presses acknowledged, {closed} orders closed", plan.presses);
        }
    }
    Ok(closed)
}

/// Claims and closes every open order; what a killed centre does not answer stays open for the next time.
async fn close_open_orders(desk: &Desk) -> u32 {
    let mut closed = 0;
    for order in desk.work_orders().await.unwrap_or_default() {
        let Some(id) = order["id"].as_str().filter(|_| order["state"] != "closed") else { continue };
        // Claimed already by an earlier try whose answer was lost: closing says so if it was not.
        let _ = desk.order(id, "claim", &json!({})).await;
        let close = json!({ "code": "false.accidental_press", "outcome": "advice" });
        closed += u32::from(desk.order(id, "close", &close).await.is_ok());
    }
    closed
}

/// Closes what is open; the number of closed orders where it is that of the presses so far.
async fn all_closed(desk: &Desk, presses: u32) -> Result<u32, String> {
    close_open_orders(desk).await;
    let orders = desk.work_orders().await?;
    match orders.iter().filter(|order| order["state"] == "closed").count() {
        closed if closed == presses as usize => Ok(presses),
        closed => Err(format!("{presses} presses, {} orders, {closed} of them closed", orders.len())),
    }
}

fn journal_is_whole(data_dir: &Path) -> anyhow::Result<()> {
    let verified = std::process::Command::new(program::path_of("gateway")?)
        .args(["journal", "verify", "--data-dir"])
        .arg(data_dir)
        .output()?;
    let said = String::from_utf8_lossy(&verified.stdout);
    ensure!(verified.status.success(), "the journal is not whole after the kills: {said}");
    Ok(())
}

impl Ground {
    async fn start(centre_namespace: &str) -> anyhow::Result<Self> {
        let [mqtt, centre, status, first, second] = ports::free()?;
        let mut setup = Setup::new(Ports { mqtt, centre, status }, Waits::SHORT)?;
        let authority = Authority::new(&setup, "chaos-authority")?;
        let hosts = [&["127.0.0.1"][..], &network::CENTRE].concat();
        setup.tls = Some(authority.server(&setup, &hosts, Holds::Now)?);
        setup.ca_file = Some(authority.file().to_owned());
        setup.centre_listen = "0.0.0.0";
        setup.centre_urls = [first, second].map(|port| format!("https://127.0.0.1:{port}")).to_vec();
        let mut lines = Vec::new();
        for (port, address) in [first, second].into_iter().zip(network::CENTRE) {
            let listener = TcpListener::bind(("127.0.0.1", port)).await?;
            lines.push(Line::start(listener, SocketAddr::new(address.parse()?, centre)));
        }
        let lines = lines.try_into().map_err(|_| anyhow::anyhow!("two lines"))?;
        let base = format!("https://{}:{centre}", network::CENTRE[2]);
        let desk = Desk::new(base, &setup.dispatcher().token).map_err(anyhow::Error::msg)?;
        let desk = desk.through(authority.client()?);
        let status = StatusPage::of(&setup).map_err(anyhow::Error::msg)?;
        let centre = start_centre(&setup, centre_namespace).await?;
        let gateway = gateway::start(&setup, None).await?;
        Ok(Self { setup, centre_namespace: centre_namespace.to_owned(), lines, desk, status, gateway, centre })
    }

    fn sign_in(&self) -> anyhow::Result<crate::harness::mqtt::SignIn> {
        self.setup.sign_in(CHECKER).cloned().map_err(anyhow::Error::msg)
    }

    /// Presses while the first line is a black hole; the press must come over the second while it still is.
    async fn second_line_is_taken(&self, presser: &mut Presser) -> anyhow::Result<f64> {
        self.status
            .until_metric("gateway_centre_up", SECOND_LINE_WAIT, |up| up == 1)
            .await
            .map_err(anyhow::Error::msg)?;
        self.lines[0].set(Mode::Stall);
        let (first, second) = (self.lines[0].up_bytes(), self.lines[1].up_bytes());
        presser.press().await.map_err(anyhow::Error::msg)?;
        let from = now();
        until("the press at the centre", SECOND_LINE_WAIT, async || match self.counted().await?.0 {
            1 => Ok(()),
            presses => Err(format!("{presses} presses")),
        })
        .await
        .map_err(anyhow::Error::msg)?;
        let took_ms = ms_between(from, now());
        ensure!(self.lines[1].up_bytes() > second, "the second line carried nothing");
        ensure!(self.lines[0].up_bytes() == first, "the black hole carried something");
        self.lines[0].set(Mode::Open);
        Ok(took_ms)
    }

    /// Makes one fault after another until every press is acknowledged.
    async fn trouble(
        &mut self,
        seed: u64,
        mut done: watch::Receiver<bool>,
    ) -> anyhow::Result<BTreeMap<&'static str, u32>> {
        let mut made = BTreeMap::new();
        let mut faults = Faults::new(seed);
        while !*done.borrow_and_update() {
            let (fault, hold_ms, calm_ms) = faults.draw();
            *made.entry(fault.name()).or_default() += 1;
            let hold = Duration::from_millis(hold_ms);
            match fault {
                Fault::Line(which, mode) => {
                    for place in which.places() {
                        self.lines[*place].set(mode);
                    }
                    tokio::time::sleep(hold).await;
                    for place in which.places() {
                        self.lines[*place].set(Mode::Open);
                    }
                }
                Fault::Unplugged(which) => {
                    for place in which.places() {
                        network::plug(*place, false)?;
                    }
                    tokio::time::sleep(hold).await;
                    for place in which.places() {
                        network::plug(*place, true)?;
                    }
                }
                Fault::GatewayKilled => {
                    self.gateway.kill();
                    self.gateway = gateway::start(&self.setup, None).await?;
                }
                Fault::CentreKilled => {
                    self.centre.kill();
                    tokio::time::sleep(hold).await;
                    self.centre = start_centre(&self.setup, &self.centre_namespace).await?;
                }
            }
            tokio::time::sleep(Duration::from_millis(calm_ms)).await;
        }
        Ok(made)
    }

    /// Ends every fault of the lines.
    fn mend(&self) {
        for line in &self.lines {
            line.set(Mode::Open);
        }
    }

    /// Waits until nothing waits for the centre; then the count must be exact. Gives the number of orders.
    async fn settled(&self, Plan { presses, apart, .. }: Plan) -> anyhow::Result<usize> {
        let backlog = "gateway_backlog_emergency_records";
        self.status.until_metric(backlog, SETTLE_WAIT, |left| left == 0).await.map_err(anyhow::Error::msg)?;
        let (counted, orders) = self.counted().await.map_err(anyhow::Error::msg)?;
        ensure!(counted == u64::from(presses), "{presses} presses were acknowledged, the centre counted {counted}");
        // One answer lists no more than 500 orders; the feed tells of all.
        let opened = self.opened().await?;
        ensure!(opened == orders, "{opened} orders were opened on the feed, {orders} are listed");
        ensure!(!apart || orders == presses as usize, "{presses} presses apart made {orders} orders");
        Ok(orders)
    }

    /// Presses counted by all orders, and how many orders there are.
    async fn counted(&self) -> Result<(u64, usize), String> {
        let orders = self.desk.work_orders().await?;
        let presses = orders.iter().map(|order| order["presses"].as_u64().unwrap_or_default()).sum();
        Ok((presses, orders.len()))
    }

    /// How many orders the feed says were opened.
    async fn opened(&self) -> anyhow::Result<usize> {
        let (mut opened, mut after) = (0, 0);
        loop {
            let page = self.desk.feed(after, 0).await.map_err(anyhow::Error::msg)?;
            let is_opened = |data: &Value| data["state"] == "open";
            opened +=
                page.events.iter().filter(|event| event.kind == "workorder.opened" && is_opened(&event.data)).count();
            if page.events.is_empty() {
                return Ok(opened);
            }
            after = page.next.parse().context("the feed's next place")?;
        }
    }
}

async fn start_centre(setup: &Setup, namespace: &str) -> anyhow::Result<Program> {
    let config = setup.write_centre()?;
    let (program, config) = (program::path_of("cloud-bridge")?, config.to_string_lossy().into_owned());
    // `ip` becomes the program it runs: a kill meets the centre itself.
    let arguments = ["netns", "exec", namespace, &program.to_string_lossy(), "run", "--config", &config];
    let mut program = Program::start("cloud-bridge", Path::new("ip"), &arguments, None)?;
    let ready =
        program.wait_line("it says that it is ready", centre::START_WAIT, |line| line.contains("ready: listening"));
    let ready = ready.await;
    program::or_log(&program, ready)?;
    Ok(program)
}
