//! Measures a press from MQTT to the dispatcher's feed beside the floors of the same run, and the
//! gateway's size. It sends a bounded number of messages and ends by itself.

use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use ::gateway::journal::{FsStorage, Journal, JournalLimits};
use anyhow::{Context as _, ensure};
use clap::Parser;
use protocol::feed::WorkOrderNotice;
use protocol::ids::{Hash32, Incarnation};
use protocol::observation::{Kind, Reading};
use protocol::record::{Body, ChainHead, Observed, Stamp};
use sensor_sim::payload;
use serde_json::json;
use tests::harness::api::Desk;
use tests::harness::clock::{ms_between, now};
use tests::harness::feed::Feed;
use tests::harness::mqtt::MqttClient;
use tests::harness::program::{self, Program};
use tests::harness::setup::{CHECKER, Ports, Setup, Waits};
use tests::harness::wire::{self, Publish};
use tests::harness::{Failed, centre, gateway, ports};

/// Size of a floor's record, bytes.
const RECORD_BYTES: usize = 256;

/// Connections that a burst comes over.
const BURST_CONNECTIONS: u32 = 8;

/// Longest wait for one press to reach the feed.
const PATIENCE: Duration = Duration::from_secs(30);

/// Motion messages before a press on its connection.
const MOTIONS: u32 = 10_000;

/// Records of the journal that a gateway starts with.
const JOURNAL_RECORDS: u64 = 100_000;

/// How long the gateway is left alone before its memory is read.
const IDLE: Duration = Duration::from_secs(2);

/// Measures a press from the button's message to the dispatcher's feed, beside what its parts cost
/// at least on this machine at this moment.
#[derive(Parser)]
struct Arguments {
    /// Presses one by one, 20 a second, each floor between them.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(10..=5_000))]
    presses: u32,
    /// Presses as fast as they go.
    #[arg(long, default_value_t = 4_000, value_parser = clap::value_parser!(u32).range(100..=50_000))]
    burst: u32,
    /// Presses behind 10,000 motion messages each.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
    behind: u32,
    /// Build and measure the gateway as it is packaged for a Pi; takes minutes.
    #[arg(long)]
    dist: bool,
}

/// Times of one kind, milliseconds.
#[derive(Default)]
struct Times(Vec<f64>);

impl Times {
    fn note(&mut self, from: Instant, to: Instant) {
        self.0.push(ms_between(from, to));
    }

    /// The value below which `percent` of all lie.
    fn percentile(&self, percent: usize) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1))).copied().unwrap_or(0.0)
    }
}

/// Everything measured one by one.
#[derive(Default)]
struct Paced {
    feed: Times,
    puback: Times,
    mqtt: Times,
    disk: Times,
    http: Times,
    store: Times,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let path = if arguments.dist { dist()? } else { program::path_of("gateway")? };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(measure(&arguments, &path))
}

/// Builds the gateway as it is packaged.
fn dist() -> anyhow::Result<std::path::PathBuf> {
    eprintln!("bench: building the gateway with profile dist…");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo).args(["build", "--profile", "dist", "--bin", "gateway"]).status()?;
    ensure!(status.success(), "the gateway does not build with profile dist");
    let release = program::path_of("gateway")?;
    let target = release.parent().and_then(Path::parent).context("no target directory")?;
    Ok(target.join("dist").join("gateway"))
}

async fn measure(arguments: &Arguments, path: &Path) -> anyhow::Result<()> {
    let [mqtt, centre, status] = ports::free()?;
    let setup = Setup::new(Ports { mqtt, centre, status }, Waits::SHORT)?;
    let mut centre = centre::start(&setup, None).await?;
    let from = now();
    let mut gateway = gateway::start_at(path, &setup, None).await?;
    let ready_ms = ms_between(from, now());
    tokio::time::sleep(IDLE).await;
    let idle_kb = resident_kb(&gateway)?;

    let desk = centre::desk(&setup, setup.dispatcher()).map_err(anyhow::Error::msg)?;
    let feed = Feed::read(centre::desk(&setup, setup.viewer()).map_err(anyhow::Error::msg)?, None);
    eprintln!("bench: {} presses at 20 a second, floors between them…", arguments.presses);
    let paced = paced(&setup, &desk, &feed, arguments.presses).await?;
    eprintln!("bench: {} presses as fast as they go…", arguments.burst);
    let (taken_per_s, seen_per_s) = burst(&setup, &feed, arguments.presses, arguments.burst).await?;
    let busy_kb = resident_kb(&gateway)?;
    eprintln!("bench: {} presses behind {MOTIONS} motion messages each…", arguments.behind);
    let (motions, behind) = behind_motions(&setup, arguments.behind).await?;
    let presses = arguments.presses + arguments.burst + arguments.behind;
    seen(&feed, presses).await.map_err(anyhow::Error::msg)?;
    let order = desk.work_orders().await.map_err(anyhow::Error::msg)?;
    ensure!(order.len() == 1 && order[0]["presses"] == presses, "the centre lost or doubled presses");
    drop(feed);
    for program in [&mut gateway, &mut centre] {
        program.stop(Duration::from_secs(10)).await.map_err(anyhow::Error::msg)?;
    }
    let binary_bytes = stripped_bytes(path, setup.dir())?;
    eprintln!("bench: a start with a journal of {JOURNAL_RECORDS} records…");
    let full_ready_ms = ready_with_full_journal(path).await?;
    let packaged = path.parent().and_then(Path::parent).map(|target| target.join("dist").join("gateway"));
    let packaged = packaged.filter(|path| path.is_file());
    let packaged_bytes = packaged.map(|path| stripped_bytes(&path, setup.dir())).transpose()?;

    let sum =
        [&paced.mqtt, &paced.disk, &paced.http, &paced.store].map(|floor| floor.percentile(50)).iter().sum::<f64>();
    let ratio = paced.feed.percentile(50) / sum;
    println!("\n{:<46} {:>10} {:>10}", "paced, 20 a second", "p50 ms", "p99 ms");
    let rows = [
        ("press → dispatcher's feed, two durable commits", &paced.feed),
        ("press → PUBACK, on disk", &paced.puback),
        ("floor: MQTT QoS 1 telemetry → PUBACK", &paced.mqtt),
        ("floor: append 256 B + fdatasync", &paced.disk),
        ("floor: HTTP POST to the centre and back", &paced.http),
        ("floor: SQLite WAL FULL, one insert", &paced.store),
    ];
    for (name, times) in rows {
        println!("{name:<46} {:>10.3} {:>10.3}", times.percentile(50), times.percentile(99));
    }
    println!("\n{:<46} {:>10} {:>10}", "against the targets", "measured", "target");
    println!("{:<46} {:>10.2} {:>10}", "press → feed p50 / sum of floors p50", ratio, "≤ 1.5");
    println!("{:<46} {:>10.0} {:>10}", "burst, presses acknowledged a second", taken_per_s, "");
    println!("{:<46} {:>10.0} {:>10}", "burst, presses on the feed a second", seen_per_s, "≥ 6950");
    println!("{:<46} {:>10.1} {:>10}", "gateway resident, idle, MB", megabytes(idle_kb), "≤ 16");
    println!("{:<46} {:>10.1} {:>10}", "gateway resident, after the burst, MB", megabytes(busy_kb), "≤ 16");
    let profile = match (arguments.dist, cfg!(debug_assertions)) {
        (true, _) => "dist",
        (false, true) => "dev",
        (false, false) => "release",
    };
    let name = format!("gateway, profile {profile}, stripped, MB");
    println!("{name:<46} {:>10.1} {:>10}", binary_bytes as f64 / 1e6, "≤ 8");
    if let Some(bytes) = packaged_bytes {
        println!("{:<46} {:>10.1} {:>10}", "gateway, profile dist, as last built, MB", bytes as f64 / 1e6, "≤ 8");
    }
    println!("{:<46} {:>10.1} {:>10}", "gateway ready after a clean start, ms", ready_ms, "≤ 100");
    let name = format!("gateway ready with {JOURNAL_RECORDS} records, ms");
    println!("{name:<46} {full_ready_ms:>10.1} {:>10}", "≤ 1000");
    let name = format!("press behind {MOTIONS} motions → PUBACK p50, ms");
    println!("{name:<46} {:>10.1}", behind.percentile(50));
    println!("{:<46} {:>10.1} {:>10}", "  the same, p99", behind.percentile(99), "≤ 50");
    println!("{:<46} {:>10.1}", "  floor: the motions alone, QoS 0 → a ping's answer", motions.percentile(50));
    let percentiles = |times: &Times| json!({ "p50": times.percentile(50), "p99": times.percentile(99) });
    println!(
        "\n{}",
        json!({
            "presses": arguments.presses, "feed_ms": percentiles(&paced.feed), "puback_ms": percentiles(&paced.puback),
            "floor_mqtt_ms": percentiles(&paced.mqtt), "floor_disk_ms": percentiles(&paced.disk),
            "floor_http_ms": percentiles(&paced.http), "floor_store_ms": percentiles(&paced.store),
            "ratio": ratio, "burst": arguments.burst, "burst_taken_per_s": taken_per_s, "burst_seen_per_s": seen_per_s,
            "idle_kb": idle_kb, "busy_kb": busy_kb, "profile": profile, "binary_bytes": binary_bytes,
            "ready_ms": ready_ms, "full_ready_ms": full_ready_ms, "packaged_bytes": packaged_bytes,
            "behind_ms": percentiles(&behind), "motions_ms": percentiles(&motions),
        })
    );
    Ok(())
}

/// One press and one of each floor every 50 ms, 10 ms apart, so that all meet the same machine.
async fn paced(setup: &Setup, desk: &Desk, feed: &Feed, presses: u32) -> anyhow::Result<Paced> {
    let mut paced = Paced::default();
    let mut client = connect(setup, CHECKER).await.map_err(anyhow::Error::msg)?;
    let press = payload::sos_press("sos bedside");
    let mut disk = std::fs::File::create(setup.dir().join("floor.log"))?;
    let store = store(&setup.dir().join("floor.db"))?;
    let record = vec![7_u8; RECORD_BYTES];
    let body = json!({ "record": "7".repeat(RECORD_BYTES) });
    let mut tick = tokio::time::interval(Duration::from_millis(10));
    for count in 1..=presses {
        tick.tick().await;
        let (from, puback) = client.publish(&press.topic, &press.payload).await.map_err(anyhow::Error::msg)?;
        let seen = seen(feed, count).await.map_err(anyhow::Error::msg)?;
        paced.feed.note(from, seen);
        paced.puback.note(from, puback);

        tick.tick().await;
        let motion = payload::motion("hall motion", count % 2 == 0);
        let (from, to) = client.publish(&motion.topic, &motion.payload).await.map_err(anyhow::Error::msg)?;
        paced.mqtt.note(from, to);

        tick.tick().await;
        let from = now();
        disk.seek(SeekFrom::End(0))?;
        disk.write_all(&record)?;
        disk.sync_data()?;
        paced.disk.note(from, now());

        tick.tick().await;
        let from = now();
        // Answered with "method not allowed": the way there and back and nothing else.
        desk.ask(reqwest::Method::POST, "/healthz", Some(&body), Duration::ZERO).await.map_err(anyhow::Error::msg)?;
        paced.http.note(from, now());

        tick.tick().await;
        let from = now();
        store.execute("INSERT INTO record (body) VALUES (?1)", [&record])?;
        paced.store.note(from, now());
    }
    Ok(paced)
}

/// When the feed said that an order carries so many presses.
async fn seen(feed: &Feed, presses: u32) -> Result<Instant, Failed> {
    // Each press before was waited for: at most the last few items need to be looked at.
    let skip = feed.count().saturating_sub(4);
    let wanted = |order: WorkOrderNotice| order.presses >= presses;
    let item = feed.wait(&format!("press {presses}"), skip, PATIENCE, |item| item.order().is_some_and(wanted)).await?;
    Ok(item.at)
}

/// Sends presses over several connections without waiting; gives how many a second were acknowledged, and seen.
async fn burst(setup: &Setup, feed: &Feed, before: u32, presses: u32) -> anyhow::Result<(f64, f64)> {
    let press = payload::sos_press("sos bedside");
    let mut clients = Vec::new();
    for number in 0..BURST_CONNECTIONS {
        let mut client = connect(setup, &format!("{CHECKER}-{number}")).await.map_err(anyhow::Error::msg)?;
        let mut bytes = Vec::new();
        let mut last = 0;
        let share = presses / BURST_CONNECTIONS + u32::from(number < presses % BURST_CONNECTIONS);
        for _ in 0..share {
            last = client.packet();
            let (topic, payload) = (press.topic.clone(), press.payload.clone());
            bytes.extend(wire::publish(&Publish {
                topic,
                payload,
                packet: Some(last),
                duplicate: false,
                retain: false,
            }));
        }
        clients.push((client, bytes, last));
    }
    let from = now();
    for (client, bytes, _) in &mut clients {
        client.send(bytes).await.map_err(anyhow::Error::msg)?;
    }
    let mut taken = from;
    for (client, _, last) in &clients {
        taken = taken.max(client.acknowledged(*last, 0).await.map_err(anyhow::Error::msg)?);
    }
    let seen = seen(feed, before + presses).await.map_err(anyhow::Error::msg)?;
    let per_s = |to: Instant| f64::from(presses) / (ms_between(from, to) / 1_000.0);
    Ok((per_s(taken), per_s(seen)))
}

/// Presses, each behind motion messages on its own connection: from the last byte written to the PUBACK. First the same
/// motions with a telemetry message behind them, which waits for no disk.
async fn behind_motions(setup: &Setup, presses: u32) -> anyhow::Result<(Times, Times)> {
    let mut client = connect(setup, CHECKER).await.map_err(anyhow::Error::msg)?;
    let mut crowd = Vec::new();
    for count in 0..MOTIONS {
        let motion = payload::motion("hall motion", count % 2 == 0);
        let (topic, payload) = (motion.topic, motion.payload);
        crowd.extend(wire::publish(&Publish { topic, payload, packet: None, duplicate: false, retain: false }));
    }
    let (mut motions, mut behind) = (Times::default(), Times::default());
    let last = payload::motion("hall motion", true);
    let press = payload::sos_press("sos bedside");
    for _ in 0..presses {
        for (message, times) in [(&last, &mut motions), (&press, &mut behind)] {
            client.send(&crowd).await.map_err(anyhow::Error::msg)?;
            let (from, to) = client.publish(&message.topic, &message.payload).await.map_err(anyhow::Error::msg)?;
            times.note(from, to);
        }
    }
    Ok((motions, behind))
}

/// How long a gateway takes to be ready with a journal that nobody has taken anything of, in one segment.
async fn ready_with_full_journal(path: &Path) -> anyhow::Result<f64> {
    let [mqtt, centre, status] = ports::free()?;
    let setup = Setup::new(Ports { mqtt, centre, status }, Waits::SHORT)?;
    let dir = setup.gateway_data().join("journal");
    let (mut journal, _) = Journal::open(FsStorage::open(dir)?, JournalLimits::default())?;
    let mut head = ChainHead { incarnation: Incarnation(1), next_seq: 1, hash: Hash32::ZERO };
    let at = |seq| Stamp { boot: 1, uptime_ms: seq, wall_ms: 0, wall_trusted: false };
    while head.next_seq <= JOURNAL_RECORDS {
        let mut records = Vec::new();
        for _ in 0..1_000 {
            let value = if head.next_seq.is_multiple_of(2) { Reading::Active } else { Reading::Clear };
            let (kind, device, key) = (Kind::Motion, "hall motion".to_owned(), "occupancy".to_owned());
            let body = Body::Observed(Observed { kind, device, key, room: Some("hall".to_owned()), value });
            records.push(head.seal(at(head.next_seq), None, body)?);
        }
        journal.write(&records)?;
    }
    drop(journal);
    let from = now();
    let mut gateway = gateway::start_at(path, &setup, None).await?;
    let ready_ms = ms_between(from, now());
    gateway.stop(Duration::from_secs(10)).await.map_err(anyhow::Error::msg)?;
    Ok(ready_ms)
}

async fn connect(setup: &Setup, client_id: &str) -> Result<MqttClient, Failed> {
    MqttClient::connect(setup.ports.mqtt, client_id, Some(setup.sign_in(CHECKER)?)).await
}

fn store(path: &Path) -> anyhow::Result<rusqlite::Connection> {
    let store = rusqlite::Connection::open(path)?;
    store.pragma_update(None, "journal_mode", "WAL")?;
    store.pragma_update(None, "synchronous", "FULL")?;
    store.execute("CREATE TABLE record (id INTEGER PRIMARY KEY, body BLOB NOT NULL)", [])?;
    Ok(store)
}

/// Resident memory, kB.
fn resident_kb(program: &Program) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", program.pid()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}

fn megabytes(kb: u64) -> f64 {
    kb as f64 * 1_024.0 / 1e6
}

/// The program's size without symbols.
fn stripped_bytes(path: &Path, dir: &Path) -> anyhow::Result<u64> {
    let stripped = dir.join("stripped");
    let status = Command::new("strip").arg("-o").arg(&stripped).arg(path).status().context("strip (binutils)")?;
    ensure!(status.success(), "strip failed");
    Ok(std::fs::metadata(stripped)?.len())
}
