//! The demo as a person uses it: what runs, where, what to try; then what happens, until it is stopped.

use std::fmt::Write as _;
use std::future::Future;
use std::io::{BufRead as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use protocol::feed::{FeedEvent, VisitNotice, WorkOrderNotice};
use tests::harness::feed::Feed;
use tests::harness::program::{LineTeller, Program};
use tests::harness::setup::{Ports, Setup};
use tests::harness::{centre, gateway, sim};
use tokio::sync::mpsc;

use crate::told;

/// How long a program may take to stop in order.
const STOP_WAIT: Duration = Duration::from_secs(8);

/// How long the cord is held.
const PULL: Duration = Duration::from_millis(300);

/// How often it is looked whether every program still runs.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Runs until it is asked to stop or a program ends.
pub async fn run(setup: &Setup, asked: impl Future<Output = ()>) -> anyhow::Result<ExitCode> {
    tokio::pin!(asked);
    let started = tokio::select! {
        started = start(setup) => started?,
        () = &mut asked => return Ok(ExitCode::SUCCESS),
    };
    let [mut home, mut gateway, mut centre] = started;
    say(&banner(setup));
    let desk = centre::desk(setup, setup.viewer()).map_err(anyhow::Error::msg)?;
    let feed = Feed::read(desk, Some(Box::new(|event| say(&format!("feed    {}", words(event))))));
    let mut typed = typed_lines();
    let ended = loop {
        tokio::select! {
            () = &mut asked => break None,
            line = typed.recv() => match line {
                Some(line) if line.trim() == "cord" => {
                    if let Err(error) = told::pull_cord(setup.ports.status, PULL).await { say(&error) }
                }
                Some(line) => if let Err(error) = home.type_line(&line) { say(&error) },
                // Nobody types: a demo in the background goes on.
                None => tokio::select! {
                    () = &mut asked => break None,
                    ended = watch(&mut home, &mut gateway, &mut centre) => break Some(ended),
                },
            },
            ended = watch(&mut home, &mut gateway, &mut centre) => break Some(ended),
        }
    };
    drop(feed);
    if let Some(told) = &ended {
        say(told);
    }
    say("stopping…");
    let mut in_order = true;
    for program in [&mut home, &mut gateway, &mut centre] {
        match program.stop(STOP_WAIT).await {
            Ok(status) => {
                in_order &= status.success();
                say(&format!("{} stopped ({status})", program.name()));
            }
            Err(error) => {
                in_order = false;
                say(&error);
            }
        }
    }
    // `quit` ends the home by the person's own wish.
    let wished = ended.as_deref().is_none_or(|told| told.starts_with(QUIT));
    Ok(if wished && in_order { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

const QUIT: &str = "sensor-sim has ended in order";

async fn start(setup: &Setup) -> anyhow::Result<[Program; 3]> {
    say("starting cloud-bridge, gateway and sensor-sim…");
    let centre = centre::start(setup, Some(teller("centre  ", important))).await?;
    let gateway = gateway::start(setup, Some(Box::new(tell_gateway))).await?;
    let home = sim::start(setup, &[], Some(teller("home    ", |_| true))).await?;
    Ok([home, gateway, centre])
}

/// What the elder is told, in full, and the gateway's troubles.
fn tell_gateway(line: &str) {
    match told::line(line) {
        Some(told) => say(&told),
        // The voice says of each prompt that it was only printed; that stands with its stage already.
        None if important(line) && !line.contains("voice, printed only") => say(&format!("gateway {line}")),
        None => {}
    }
}

/// Whether a log line is for the person at the terminal: trouble is, the daily course is not.
fn important(line: &str) -> bool {
    line.contains(" WARN ") || line.contains(" ERROR ")
}

fn teller(who: &'static str, wanted: fn(&str) -> bool) -> LineTeller {
    Box::new(move |line| {
        if wanted(line) {
            say(&format!("{who}{line}"));
        }
    })
}

/// Waits until one of the programs has ended, and says so with its last lines.
async fn watch(home: &mut Program, gateway: &mut Program, centre: &mut Program) -> String {
    loop {
        for program in [&mut *home, &mut *gateway, &mut *centre] {
            if let Some(status) = program.ended() {
                if program.name() == "sensor-sim" && status.success() {
                    return QUIT.to_owned();
                }
                let lines = program.last_lines(8).join("\n  ");
                return format!("{} has ended ({status}); it wrote last:\n  {lines}", program.name());
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn banner(setup: &Setup) -> String {
    let Ports { mqtt, centre, status } = setup.ports;
    let (dispatcher, viewer, supervisor) = (setup.dispatcher(), setup.viewer(), setup.supervisor());
    let mut text = String::new();
    let mut line = |line: std::fmt::Arguments<'_>| {
        let _infallible = writeln!(text, "{line}");
    };
    line(format_args!("\nRunning, all on this machine only:"));
    line(format_args!(
        "  cloud-bridge  http://127.0.0.1:{centre}    the city's centre (API: /v1/openapi.json, /metrics)"
    ));
    line(format_args!("  gateway       mqtt://127.0.0.1:{mqtt}   one home's gateway"));
    line(format_args!("                http://127.0.0.1:{status}    its status: /healthz /metrics /v1/history"));
    line(format_args!("  sensor-sim    an elder at home with {} devices, speaking Zigbee2MQTT", setup.devices.len()));
    line(format_args!("  data          {} (removed at the end)", setup.dir().display()));
    line(format_args!("\nSign-ins of this run (Bearer tokens, drawn just now):"));
    for user in [dispatcher, viewer, supervisor] {
        line(format_args!("  {:<6} {:<11} {}", user.name, user.role, user.token));
    }
    line(format_args!(
        "\nTry, here:   press · cord · fall · cancel · check-in · check-out · help      (Ctrl-C ends everything)"
    ));
    line(format_args!(
        "             (each stage the elder is told is shown with what every output does; `cord` is wired, by GPIO)"
    ));
    line(format_args!("Try, in another terminal:"));
    line(format_args!(
        "  curl -s -H 'Authorization: Bearer {}' 'http://127.0.0.1:{centre}/v1/feed?after=0'",
        viewer.token
    ));
    line(format_args!(
        "  curl -sN -H 'Authorization: Bearer {}' http://127.0.0.1:{centre}/v1/feed/stream",
        viewer.token
    ));
    line(format_args!(
        "  curl -s -X POST -H 'Authorization: Bearer {}' http://127.0.0.1:{centre}/v1/work-orders/WO/claim",
        dispatcher.token
    ));
    line(format_args!(
        "  curl -s -H 'Authorization: Bearer {}' -H 'Content-Type: application/json' \\\n       \
         -d '{{\"responder\":\"cg-17\"}}' http://127.0.0.1:{centre}/v1/work-orders/WO/dispatch",
        dispatcher.token
    ));
    line(format_args!("  (WO is the wo_… of a feed line; the lamp tells the elder what you do)\n"));
    text
}

/// A feed item in a line, without more of the home than its name.
fn words(event: &FeedEvent) -> String {
    if let Ok(order) = serde_json::from_value::<WorkOrderNotice>(event.data.clone()) {
        let ring = if order.ring { "  ☎ rings" } else { "" };
        let word = |value: serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let (kind, state) = (word(serde_json::json!(order.kind)), word(serde_json::json!(order.state)));
        let owner = order.owner.map_or(String::new(), |owner| format!(", {owner} has it"));
        return format!("{}  {}  {kind}, {state}, presses {}{owner}{ring}", event.kind, order.id, order.presses);
    }
    if let Ok(visit) = serde_json::from_value::<VisitNotice>(event.data.clone()) {
        let grade = serde_json::json!(visit.grade);
        let who = visit.caregiver.as_deref().unwrap_or("unknown");
        return format!("{}  {who}  {}", event.kind, grade.as_str().unwrap_or_default());
    }
    format!("{}  {}", event.kind, event.subject)
}

/// Lines typed at the terminal, read by a thread: a blocked read must not hold up the end.
fn typed_lines() -> mpsc::Receiver<String> {
    let (lines, typed) = mpsc::channel(16);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if lines.blocking_send(line).is_err() {
                return;
            }
        }
    });
    typed
}

/// Writes a line; a closed pipe is no failure.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
