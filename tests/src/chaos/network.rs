//! Two network namespaces, one for the home and one for the centre, joined by three cables (veth):
//! two that the chaos lines use and one for the judge, which nobody cuts.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};

/// The centre's address at the end of each cable; the last is the judge's.
pub const CENTRE: [&str; 3] = ["10.77.1.2", "10.77.2.2", "10.77.3.2"];

/// The home's address at the end of each cable.
const HOME: [&str; 3] = ["10.77.1.1", "10.77.2.1", "10.77.3.1"];

/// Why there can be no namespaces here; none where there can.
pub fn missing() -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("network namespaces need root".to_owned());
    }
    match Command::new("ip").args(["netns", "list"]).output() {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(format!("`ip netns` fails: {}", String::from_utf8_lossy(&output.stderr).trim())),
        Err(error) => Some(format!("no `ip` (apt-get install iproute2): {error}")),
    }
}

/// The two namespaces; they go when this is dropped.
#[derive(Debug)]
pub struct Namespaces {
    /// Where the gateway, the presser and the chaos lines live.
    pub home: String,
    /// Where the centre lives.
    pub centre: String,
}

impl Namespaces {
    /// Makes both, named after this process, and lays the cables.
    ///
    /// # Errors
    /// Names the command that failed.
    pub fn make() -> anyhow::Result<Self> {
        let number = std::process::id();
        let made = Self { home: format!("chaos-home-{number}"), centre: format!("chaos-centre-{number}") };
        for name in [&made.home, &made.centre] {
            ip(&["netns", "add", name])?;
            ip(&["-n", name, "link", "set", "lo", "up"])?;
        }
        for (cable, (home, centre)) in HOME.iter().zip(CENTRE).enumerate() {
            let (near, far) = (cable_name(cable), format!("far{cable}"));
            // Made inside the namespace, so that its name is nobody else's.
            ip(&["-n", &made.home, "link", "add", &near, "type", "veth", "peer", "name", &far, "netns", &made.centre])?;
            for (namespace, device, address) in [(&made.home, &near, *home), (&made.centre, &far, centre)] {
                ip(&["-n", namespace, "addr", "add", &format!("{address}/30"), "dev", device])?;
                ip(&["-n", namespace, "link", "set", device, "up"])?;
            }
        }
        Ok(made)
    }

    /// A command that runs in the namespace of the home.
    pub fn in_home(&self, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.home]).arg(program);
        command
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for name in [&self.home, &self.centre] {
            let _ = ip(&["netns", "del", name]);
        }
    }
}

/// Pulls a cable out at the home's end, or puts it back. Called from within the home's namespace.
///
/// # Errors
/// When `ip` refuses.
pub fn plug(cable: usize, plugged: bool) -> anyhow::Result<()> {
    ip(&["link", "set", &cable_name(cable), if plugged { "up" } else { "down" }])
}

fn cable_name(cable: usize) -> String {
    format!("near{cable}")
}

fn ip(arguments: &[&str]) -> anyhow::Result<()> {
    let output = Command::new("ip").args(arguments).output().context("no `ip`; apt-get install iproute2")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ip {}: {}", arguments.join(" "), said.trim());
    Ok(())
}
