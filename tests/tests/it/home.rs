//! A running home with its centre, for one test.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use protocol::feed::WorkOrderNotice;
use tests::harness::api::Desk;
use tests::harness::feed::Feed;
use tests::harness::gateway::StatusPage;
use tests::harness::mqtt::MqttClient;
use tests::harness::program::{self, Program};
use tests::harness::setup::{CHECKER, LAMP, Ports, Setup, Waits};
use tests::harness::{Failed, centre, clock, gateway, ports};

/// Longest wait for one condition; generous, because tests run side by side on small machines.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The SOS button of the home.
pub const BUTTON: &str = "sos bedside";

/// The repository's root.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Turns a failed wait into a test's error.
pub trait OrFail<T> {
    /// The value, or the error.
    fn or_fail(self) -> anyhow::Result<T>;
}

impl<T> OrFail<T> for Result<T, Failed> {
    fn or_fail(self) -> anyhow::Result<T> {
        self.map_err(anyhow::Error::msg)
    }
}

/// Builds the programs in the profile of this test, once: a stale program would prove nothing.
pub fn built() -> anyhow::Result<()> {
    static BUILT: OnceLock<Result<(), String>> = OnceLock::new();
    let build = || {
        let release = if cfg!(debug_assertions) { &[][..] } else { &["--release"][..] };
        let programs = ["gateway", "cloud-bridge", "sensor-sim", "demo"].into_iter().flat_map(|name| ["--bin", name]);
        let mut cargo = Command::new(env!("CARGO"));
        // What cargo told this test of itself would make build scripts that look at it run again.
        for (name, _) in std::env::vars_os() {
            let told = ["CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_BIN", "CARGO_CRATE_", "CARGO_PRIMARY_"];
            if name.to_str().is_some_and(|name| told.iter().any(|prefix| name.starts_with(prefix))) {
                cargo.env_remove(name);
            }
        }
        let output = cargo
            .args(["build", "--quiet"])
            .args(release)
            .args(programs)
            .current_dir(root())
            .output()
            .map_err(|error| format!("cargo: {error}"))?;
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    };
    BUILT.get_or_init(build).clone().map_err(anyhow::Error::msg).context("the programs do not build")
}

/// A home that has drawn its ports and credentials and runs nothing yet.
pub fn setup() -> anyhow::Result<Setup> {
    built()?;
    let [mqtt, centre, status] = ports::free()?;
    Setup::new(Ports { mqtt, centre, status }, Waits::SHORT)
}

/// Runs a program to its end.
pub fn run(name: &str, arguments: &[&str], input: &str) -> anyhow::Result<Output> {
    built()?;
    let mut child = Command::new(program::path_of(name)?)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {name}"))?;
    let stdin = child.stdin.take();
    let input = input.to_owned();
    let writing = std::thread::spawn(move || {
        // A program that does not read to the end closes the pipe, which is its right.
        stdin.map(|mut stdin| std::io::Write::write_all(&mut stdin, input.as_bytes()))
    });
    let output = child.wait_with_output()?;
    let _ = writing.join();
    Ok(output)
}

/// The text of a program's standard output or error.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A running home with its centre.
pub struct Home {
    pub feed: Feed,
    pub desk: Desk,
    pub status: StatusPage,
    pub gateway: Program,
    pub centre: Program,
    pub setup: Setup,
}

impl Home {
    /// Starts the centre and the gateway of a setup.
    pub async fn start(setup: Setup) -> anyhow::Result<Self> {
        let centre = centre::start(&setup, None).await?;
        let gateway = gateway::start(&setup, None).await?;
        let desk = centre::desk(&setup, setup.dispatcher()).or_fail()?;
        let feed = Feed::read(centre::desk(&setup, setup.viewer()).or_fail()?, None);
        let status = StatusPage::of(&setup).or_fail()?;
        Ok(Self { feed, desk, status, gateway, centre, setup })
    }

    /// Signs a client of the home in under its own name.
    pub async fn mqtt(&self, name: &str) -> anyhow::Result<MqttClient> {
        let (port, sign_in) = (self.setup.ports.mqtt, self.setup.sign_in(name).or_fail()?);
        MqttClient::connect(port, name, Some(sign_in)).await.or_fail()
    }

    /// The client that presses buttons.
    pub async fn checker(&self) -> anyhow::Result<MqttClient> {
        self.mqtt(CHECKER).await
    }

    /// The lamp, subscribed.
    pub async fn lamp(&self) -> anyhow::Result<MqttClient> {
        let mut lamp = self.mqtt(LAMP).await?;
        lamp.subscribe(&[protocol::topics::REASSURANCE]).await.or_fail()?;
        Ok(lamp)
    }

    /// Waits until an order of the feed carries so many presses.
    pub async fn presses(&self, presses: u32) -> anyhow::Result<WorkOrderNotice> {
        let what = format!("{presses} presses");
        let wanted = |order: WorkOrderNotice| order.presses >= presses;
        let item = self.feed.wait(&what, 0, PATIENCE, |item| item.order().is_some_and(wanted));
        item.await.or_fail()?.order().context("not about an order")
    }

    /// Fails unless the centre has exactly one order, with exactly so many presses.
    pub async fn one_order_with(&self, presses: u32) -> anyhow::Result<()> {
        self.feed.caught_up(&self.desk).await.or_fail()?;
        let opened = self.feed.items(0).iter().filter(|item| item.event.kind == "workorder.opened").count();
        ensure!(opened == 1, "{opened} orders were opened");
        let orders = self.desk.work_orders().await.or_fail()?;
        ensure!(orders.len() == 1, "{} orders", orders.len());
        ensure!(orders[0]["presses"] == presses, "{} presses and not {presses}", orders[0]["presses"]);
        Ok(())
    }

    /// The gateway's journal as JSON records.
    pub fn journal(&self) -> anyhow::Result<Vec<serde_json::Value>> {
        journal(&self.setup.gateway_data())
    }
}

/// A journal as JSON records.
pub fn journal(data_dir: &Path) -> anyhow::Result<Vec<serde_json::Value>> {
    let output = run("gateway", &["journal", "dump", "--json", "--data-dir", &data_dir.to_string_lossy()], "")?;
    ensure!(output.status.success(), "journal dump: {}", text(&output.stderr));
    text(&output.stdout).lines().map(|line| serde_json::from_str(line).context("a line is not JSON")).collect()
}

/// A real mosquitto with persistence, sign-in and files of its own.
pub struct Mosquitto {
    program: Program,
    config: PathBuf,
    path: PathBuf,
    port: u16,
}

impl Mosquitto {
    /// Starts a broker for these sign-ins, in the setup's directory.
    pub async fn start(setup: &Setup, sign_ins: &[(&str, &str)]) -> anyhow::Result<Self> {
        let path = found("mosquitto")?;
        let passwords = Self::passwords(setup, sign_ins)?;
        let [port] = ports::free()?;
        let config = setup.write(
            "mosquitto.conf",
            &format!(
                "user root\nlistener {port} 127.0.0.1\nallow_anonymous false\npassword_file {}\npersistence true\n\
                 persistence_location {}/\n",
                passwords.display(),
                setup.dir().display()
            ),
        )?;
        let program = Self::launch(&path, &config, port).await?;
        Ok(Self { program, config, path, port })
    }

    /// Writes the password file of these sign-ins.
    pub fn passwords(setup: &Setup, sign_ins: &[(&str, &str)]) -> anyhow::Result<PathBuf> {
        let passwords = setup.write("mosquitto.passwords", "")?;
        for (name, password) in sign_ins {
            let status = Command::new(found("mosquitto_passwd")?)
                .args(["-b"])
                .arg(&passwords)
                .args([name, password])
                .output()?;
            ensure!(status.status.success(), "mosquitto_passwd: {}", text(&status.stderr));
        }
        Ok(passwords)
    }

    /// Starts a broker with a configuration of its own, which listens on `port`.
    pub async fn with_config(config: PathBuf, port: u16) -> anyhow::Result<Self> {
        let path = found("mosquitto")?;
        let program = Self::launch(&path, &config, port).await?;
        Ok(Self { program, config, path, port })
    }

    async fn launch(path: &Path, config: &Path, port: u16) -> anyhow::Result<Program> {
        let program = Program::start("mosquitto", path, &["-v", "-c", &config.to_string_lossy()], None)?;
        let reached = clock::until("mosquitto listens", PATIENCE, async || {
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await.map(drop).map_err(|error| error.to_string())
        });
        program::or_log(&program, reached.await)?;
        Ok(program)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Stops it in order and starts it again.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.program.stop(PATIENCE).await.or_fail()?;
        self.program = Self::launch(&self.path, &self.config, self.port).await?;
        Ok(())
    }

    /// Waits until it writes a line.
    pub async fn says(&mut self, what: &str, wanted: impl Fn(&str) -> bool) -> anyhow::Result<()> {
        self.program.wait_line(what, PATIENCE, wanted).await.map(drop).or_fail()
    }
}

/// Finds a program of the system; Debian keeps daemons where only root looks.
pub fn found(name: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = std::env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    dirs.map(|dir| dir.join(name))
        .find(|path| path.is_file())
        .with_context(|| format!("{name} is not installed; apt-get install mosquitto"))
}
