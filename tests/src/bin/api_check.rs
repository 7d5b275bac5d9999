//! `cargo api_check`: schemathesis against the whole API of a running centre, as every role.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Parser;
use sensor_sim::payload;
use serde_json::json;
use tests::harness::clock::until;
use tests::harness::mqtt::MqttClient;
use tests::harness::setup::{CHECKER, Ports, Setup, Waits};
use tests::harness::{centre, gateway, ports};

/// Longest wait for a press to open its order.
const PATIENCE: Duration = Duration::from_secs(20);

/// Two checks are left out. `positive_data_acceptance`: the document does not say what an order's state
/// allows (a close code before a claim, a place that the feed no longer holds), so that a request that
/// fits it may rightly be refused. `ignored_auth` is tested by name in the centre's own tests, with every role.
const LEFT_OUT: &str = "positive_data_acceptance,ignored_auth";

/// Starts the real centre and gateway, opens work orders, and lets schemathesis send whatever the API's
/// own document allows and forbids, as a dispatcher, a supervisor, a viewer, a gateway and nobody. Fails
/// on a server error, an undocumented status, a wrong content type or an answer of another shape.
#[derive(Parser)]
#[command(name = "cargo api_check", about)]
struct Arguments {
    /// The program; made by `python3 -m venv target/schemathesis && target/schemathesis/bin/pip install schemathesis`.
    #[arg(long, default_value = "target/schemathesis/bin/schemathesis")]
    program: PathBuf,
    /// Seconds for each role.
    #[arg(long, default_value_t = 60)]
    secs: u32,
    /// Decides what is sent.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(check(&arguments))
}

async fn check(arguments: &Arguments) -> anyhow::Result<()> {
    let [mqtt, centre, status] = ports::free()?;
    let setup = Setup::new(Ports { mqtt, centre, status }, Waits::SHORT)?;
    let mut centre = centre::start(&setup, None).await?;
    let mut gateway = gateway::start(&setup, None).await?;
    let orders = orders(&setup).await?;
    let config = setup.write("schemathesis.toml", &format!("[parameters]\n\"path.id\" = {orders:?}\n"))?;
    let roles = [
        (setup.dispatcher().role, setup.dispatcher().token.as_str()),
        (setup.supervisor().role, setup.supervisor().token.as_str()),
        (setup.viewer().role, setup.viewer().token.as_str()),
        ("gateway", setup.gateway_token.as_str()),
        ("nobody", "nobody"),
    ];
    let mut failed = Vec::new();
    for (role, token) in roles {
        println!("── as {role}");
        if !sent(arguments, &config, &centre::url(&setup), token)? {
            failed.push(role);
        }
    }
    ensure!(failed.is_empty(), "schemathesis found faults as {}", failed.join(", "));
    let desk = centre::desk(&setup, setup.dispatcher()).map_err(anyhow::Error::msg)?;
    desk.work_orders().await.map_err(anyhow::Error::msg).context("the centre does not answer after it")?;
    for program in [&mut gateway, &mut centre] {
        let ended = program.stop(PATIENCE).await.map_err(anyhow::Error::msg)?;
        ensure!(ended.success(), "{} ended with {ended}", program.name());
    }
    Ok(())
}

/// Opens three orders, closes one and claims one; gives their ids.
async fn orders(setup: &Setup) -> anyhow::Result<Vec<String>> {
    let desk = centre::desk(setup, setup.dispatcher()).map_err(anyhow::Error::msg)?;
    let sign_in = setup.sign_in(CHECKER).map_err(anyhow::Error::msg)?;
    let mut button = MqttClient::connect(setup.ports.mqtt, CHECKER, Some(sign_in)).await.map_err(anyhow::Error::msg)?;
    let press = payload::sos_press("sos bedside");
    let mut ids = Vec::new();
    for count in 1..=2 {
        button.publish(&press.topic, &press.payload).await.map_err(anyhow::Error::msg)?;
        let opened = until("an order", PATIENCE, async || {
            let orders = desk.work_orders().await?;
            let open = orders.iter().find(|order| order["state"] == "open").and_then(|order| order["id"].as_str());
            open.filter(|_| orders.len() == count).map(str::to_owned).ok_or_else(|| format!("{} orders", orders.len()))
        });
        let id = opened.await.map_err(anyhow::Error::msg)?;
        desk.order(&id, "claim", &json!({})).await.map_err(anyhow::Error::msg)?;
        if count == 1 {
            let close = json!({ "code": "false.accidental_press", "outcome": "advice" });
            desk.order(&id, "close", &close).await.map_err(anyhow::Error::msg)?;
        }
        ids.push(id);
    }
    Ok(ids)
}

fn sent(arguments: &Arguments, config: &Path, url: &str, token: &str) -> anyhow::Result<bool> {
    let status = Command::new(&arguments.program)
        .args(["--config-file", &config.to_string_lossy(), "--no-color", "run", &format!("{url}/v1/openapi.json")])
        .args(["--checks", "all", "--exclude-checks", LEFT_OUT, "--header", &format!("Authorization: Bearer {token}")])
        // A stream that never ends cannot be waited for; its own tests read it.
        .args(["--exclude-path", "/v1/feed/stream", "--phases", "examples,coverage,fuzzing,stateful"])
        // Long polls wait 30 seconds.
        .args(["--request-timeout", "40", "--max-response-time", "40", "--max-time", &arguments.secs.to_string()])
        .args(["--suppress-health-check", "all", "--generation-database", "none", "--warnings", "off"])
        .args(["--seed", &arguments.seed.to_string(), "--max-examples", "50"])
        .status()
        .with_context(|| {
            let program = arguments.program.display();
            format!("{program} cannot be run; see --help for how it is installed")
        })?;
    Ok(status.success())
}
