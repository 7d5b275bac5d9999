//! The demo: starts the real centre, gateway and pretend home on loopback, shows what happens, and
//! with `--check` plays a script through them and tells how long each hop took.

use std::process::ExitCode;

use clap::Parser;
use tests::harness::ports;
use tests::harness::setup::{Ports, Setup, Waits};
use tokio::signal::unix::{SignalKind, signal};

mod check;
mod live;
mod script;
mod table;
mod told;

/// A whole home-care emergency system on this machine: the city's centre, one home's gateway, and a
/// pretend home with an elder, buttons and sensors. Everything listens on loopback only and is gone
/// when it ends.
#[derive(Parser)]
#[command(name = "demo", version)]
struct Arguments {
    /// Play the script through the same programs, on ports of its own, print each hop with its time, and end.
    #[arg(long)]
    check: bool,
    /// Port of the gateway's MQTT broker.
    #[arg(long, value_name = "PORT", default_value_t = 18_883, value_parser = clap::value_parser!(u16).range(1..))]
    mqtt_port: u16,
    /// Port of the centre's API.
    #[arg(long, value_name = "PORT", default_value_t = 8_480, value_parser = clap::value_parser!(u16).range(1..))]
    centre_port: u16,
    /// Port of the gateway's status page.
    #[arg(long, value_name = "PORT", default_value_t = 9_180, value_parser = clap::value_parser!(u16).range(1..))]
    status_port: u16,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let (ports, waits) = if arguments.check {
        let [mqtt, centre, status] = ports::free()?;
        (Ports { mqtt, centre, status }, Waits::SHORT)
    } else {
        let Arguments { mqtt_port: mqtt, centre_port: centre, status_port: status, .. } = *arguments;
        if mqtt == centre || centre == status || status == mqtt {
            anyhow::bail!("--mqtt-port {mqtt}, --centre-port {centre} and --status-port {status} must be three ports");
        }
        let wanted = [(mqtt, "--mqtt-port"), (centre, "--centre-port"), (status, "--status-port")];
        if let Some(problem) = wanted.into_iter().find_map(|(port, option)| taken(port, option)) {
            anyhow::bail!(problem);
        }
        (Ports { mqtt, centre, status }, Waits { centre_wait_secs: 10, ..Waits::SHORT })
    };
    let mut setup = Setup::new(ports, waits)?;
    setup.extra_toml = told::outputs();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let code = runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        let asked = async move {
            tokio::select! { _ = interrupt.recv() => {} _ = terminate.recv() => {} _ = hang_up.recv() => {} }
        };
        if arguments.check {
            tokio::select! {
                code = check::run(&setup) => code,
                () = asked => anyhow::bail!("stopped before the check was through"),
            }
        } else {
            live::run(&setup, asked).await
        }
    });
    // Standard input may be read by a thread that waits for a line that never comes.
    runtime.shutdown_background();
    drop(setup);
    code
}

/// One clear line for a port that cannot be had.
fn taken(port: u16, option: &str) -> Option<String> {
    let error = ports::check(port).err()?;
    Some(if error.kind() == std::io::ErrorKind::AddrInUse {
        format!("port {port} on 127.0.0.1 is taken by another program; choose another with {option} PORT")
    } else {
        format!("port {port} on 127.0.0.1 cannot be had ({error}); choose another with {option} PORT")
    })
}
