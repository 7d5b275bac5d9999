//! The embedded broker against clients that others wrote (mosquitto's): what devices rely on of MQTT.

use std::process::{Command, Output, Stdio};

use anyhow::ensure;
use tests::harness::program::{self, Program};

use crate::home::{Home, OrFail as _, PATIENCE, found, setup, text};

/// The client that speaks and hears under `lab/`.
const LAB: &str = "lab";

struct Lab {
    home: Home,
    port: String,
    password: String,
}

impl Lab {
    async fn start() -> anyhow::Result<Self> {
        let mut setup = setup()?;
        setup.grant(LAB, &["lab/#"], &["lab/#"])?;
        let (port, password) = (setup.ports.mqtt.to_string(), setup.sign_in(LAB).or_fail()?.password.clone());
        Ok(Self { home: Home::start(setup).await?, port, password })
    }

    fn sign_in(&self, id: &str) -> Vec<String> {
        ["-h", "127.0.0.1", "-p", &self.port, "-u", LAB, "-P", &self.password, "-i", &format!("{LAB}-{id}")]
            .map(str::to_owned)
            .to_vec()
    }

    /// Publishes once and ends.
    fn publish(&self, arguments: &[&str]) -> anyhow::Result<Output> {
        let output = Command::new(found("mosquitto_pub")?)
            .args(self.sign_in("speaker"))
            .args(arguments)
            .stdin(Stdio::null())
            .output()?;
        ensure!(output.status.success(), "mosquitto_pub {arguments:?}: {}", text(&output.stderr));
        Ok(output)
    }

    /// Starts a subscriber and waits until the broker has granted its filters.
    async fn hear(&self, id: &str, arguments: &[&str]) -> anyhow::Result<Program> {
        let sign_in = self.sign_in(id);
        // Into a pipe it writes by the block; the test reads line by line.
        let mut all = vec!["-oL", "mosquitto_sub"];
        all.extend(sign_in.iter().map(String::as_str));
        all.extend(["-d", "-F", "heard %t q%q r%r %p"]);
        all.extend(arguments);
        found("mosquitto_sub")?;
        let mut program = Program::start("mosquitto_sub", &found("stdbuf")?, &all, None)?;
        let granted = program.wait_line("it is subscribed", PATIENCE, |line| line.starts_with("Subscribed (mid")).await;
        program::or_log(&program, granted)?;
        Ok(program)
    }
}

async fn waits_for(program: &mut Program, line: &str) -> anyhow::Result<()> {
    let heard = program.wait_line(line, PATIENCE, |said| said == format!("heard {line}")).await.map(drop);
    program::or_log(program, heard)
}

fn heard(program: &Program) -> Vec<String> {
    program.lines().iter().filter_map(|line| line.strip_prefix("heard ")).map(str::to_owned).collect()
}

#[tokio::test]
async fn each_quality_of_service_is_delivered_once_at_the_lower_of_both_sides() -> anyhow::Result<()> {
    let lab = Lab::start().await?;
    for granted in ["0", "1", "2"] {
        let mut listener = lab.hear(&format!("ear{granted}"), &["-t", "lab/qos/#", "-q", granted]).await?;
        for (sent, topic) in [("0", "lab/qos/0"), ("1", "lab/qos/1"), ("2", "lab/qos/2")] {
            lab.publish(&["-t", topic, "-q", sent, "-m", "x"])?;
        }
        lab.publish(&["-t", "lab/qos/end", "-q", "2", "-m", "end"])?;
        waits_for(&mut listener, &format!("lab/qos/end q{granted} r0 end")).await?;
        let expected: Vec<String> = ["0", "1", "2"]
            .iter()
            .map(|sent| format!("lab/qos/{sent} q{} r0 x", sent.min(&granted)))
            .chain([format!("lab/qos/end q{granted} r0 end")])
            .collect();
        ensure!(heard(&listener) == expected, "granted {granted}: {:?}", heard(&listener));
    }
    Ok(())
}

#[tokio::test]
async fn a_retained_message_waits_for_who_comes_later_until_it_is_cleared() -> anyhow::Result<()> {
    let lab = Lab::start().await?;
    let mut early = lab.hear("early", &["-t", "lab/state/#", "-q", "1"]).await?;
    lab.publish(&["-t", "lab/state/a", "-q", "1", "-r", "-m", "old"])?;
    lab.publish(&["-t", "lab/state/a", "-q", "1", "-r", "-m", "new"])?;
    lab.publish(&["-t", "lab/state/b", "-q", "1", "-r", "-m", "gone"])?;
    lab.publish(&["-t", "lab/state/b", "-q", "1", "-r", "-n"])?;
    // To whom was there already it came live; the clearing is a message of nothing.
    waits_for(&mut early, "lab/state/b q1 r0").await?;
    ensure!(heard(&early).iter().all(|line| line.contains(" r0")), "{:?}", heard(&early));
    let mut late = lab.hear("late", &["-t", "lab/state/#", "-q", "1"]).await?;
    lab.publish(&["-t", "lab/state/end", "-q", "1", "-m", "end"])?;
    waits_for(&mut late, "lab/state/end q1 r0 end").await?;
    ensure!(heard(&late) == ["lab/state/a q1 r1 new", "lab/state/end q1 r0 end"], "{:?}", heard(&late));
    Ok(())
}

#[tokio::test]
async fn a_client_that_dies_is_told_of_by_its_will_and_one_that_signs_off_is_not() -> anyhow::Result<()> {
    let lab = Lab::start().await?;
    let mut listener = lab.hear("ear", &["-t", "lab/will/#", "-q", "1"]).await?;
    let will = |topic| {
        ["-t", "lab/none", "--will-topic", topic, "--will-payload", "offline", "--will-qos", "1", "--will-retain"]
    };
    let mut leaver = lab.hear("leaver", &will("lab/will/leaver")).await?;
    let mut dying = lab.hear("dying", &will("lab/will/dying")).await?;
    leaver.stop(PATIENCE).await.or_fail()?;
    dying.kill();
    waits_for(&mut listener, "lab/will/dying q1 r0 offline").await?;
    ensure!(heard(&listener) == ["lab/will/dying q1 r0 offline"], "{:?}", heard(&listener));
    let mut late = lab.hear("late", &["-t", "lab/will/#", "-q", "1"]).await?;
    waits_for(&mut late, "lab/will/dying q1 r1 offline").await
}

#[tokio::test]
async fn a_session_keeps_what_came_while_its_client_was_away() -> anyhow::Result<()> {
    let lab = Lab::start().await?;
    let session = ["-c", "-t", "lab/kept/#", "-q", "1"];
    let mut first = lab.hear("sleeper", &session).await?;
    lab.publish(&["-t", "lab/kept/1", "-q", "1", "-m", "awake"])?;
    waits_for(&mut first, "lab/kept/1 q1 r0 awake").await?;
    first.stop(PATIENCE).await.or_fail()?;
    for topic in ["lab/kept/2", "lab/kept/3"] {
        lab.publish(&["-t", topic, "-q", "1", "-m", "asleep"])?;
    }
    let mut second = lab.hear("sleeper", &session).await?;
    waits_for(&mut second, "lab/kept/3 q1 r0 asleep").await?;
    ensure!(heard(&second) == ["lab/kept/2 q1 r0 asleep", "lab/kept/3 q1 r0 asleep"], "{:?}", heard(&second));
    second.stop(PATIENCE).await.or_fail()?;
    // A clean session forgets it.
    let mut clean = lab.hear("sleeper", &["-t", "lab/other", "-q", "1"]).await?;
    clean.stop(PATIENCE).await.or_fail()?;
    lab.publish(&["-t", "lab/kept/4", "-q", "1", "-m", "lost"])?;
    let mut third = lab.hear("sleeper", &session).await?;
    lab.publish(&["-t", "lab/kept/5", "-q", "1", "-m", "live"])?;
    waits_for(&mut third, "lab/kept/5 q1 r0 live").await?;
    ensure!(heard(&third) == ["lab/kept/5 q1 r0 live"], "{:?}", heard(&third));
    Ok(())
}

#[tokio::test]
async fn overlapping_subscriptions_lose_nothing_and_end_where_they_are_taken_back() -> anyhow::Result<()> {
    let lab = Lab::start().await?;
    let filters = ["-t", "lab/over/#", "-t", "lab/over/+/state", "-t", "lab/over/a/state", "-q", "2"];
    let mut listener = lab.hear("ear", &filters).await?;
    lab.publish(&["-t", "lab/over/a/state", "-q", "2", "-m", "x"])?;
    lab.publish(&["-t", "lab/over/end", "-q", "2", "-m", "end"])?;
    waits_for(&mut listener, "lab/over/end q2 r0 end").await?;
    // MQTT 3.1.1 lets a broker deliver once or once for each filter, never less and never at a lower quality.
    let said = heard(&listener);
    let copies = said.iter().filter(|line| *line == "lab/over/a/state q2 r0 x").count();
    ensure!((1..=3).contains(&copies) && said.len() == copies + 1, "{said:?}");
    // A plain `+` stands for one level, and `#` for its parent too.
    let mut narrow = lab.hear("narrow", &["-t", "lab/over/+", "-q", "1"]).await?;
    let mut wide = lab.hear("wide", &["-t", "lab/over/a/#", "-q", "1"]).await?;
    for topic in ["lab/over/a", "lab/over/a/b/c", "lab/over/z"] {
        lab.publish(&["-t", topic, "-q", "1", "-m", "y"])?;
    }
    waits_for(&mut narrow, "lab/over/z q1 r0 y").await?;
    waits_for(&mut wide, "lab/over/a/b/c q1 r0 y").await?;
    ensure!(heard(&narrow) == ["lab/over/a q1 r0 y", "lab/over/z q1 r0 y"], "{:?}", heard(&narrow));
    ensure!(heard(&wide) == ["lab/over/a q1 r0 y", "lab/over/a/b/c q1 r0 y"], "{:?}", heard(&wide));
    Ok(())
}

#[tokio::test]
async fn a_second_connection_under_one_id_ends_the_first() -> anyhow::Result<()> {
    let lab = Lab::start().await?;
    let mut first = lab.hear("twin", &["-t", "lab/twin", "-q", "1"]).await?;
    let mut second = lab.hear("twin", &["-t", "lab/twin", "-q", "1"]).await?;
    lab.publish(&["-t", "lab/twin", "-q", "1", "-m", "x"])?;
    waits_for(&mut second, "lab/twin q1 r0 x").await?;
    first.kill();
    let output = lab.publish(&["-t", "lab/twin", "-q", "0", "-m", "y", "-V", "mqttv5"])?;
    waits_for(&mut second, "lab/twin q0 r0 y").await?;
    ensure!(output.status.success() && lab.home.status.text("/healthz").await.or_fail()?.contains("true"), "not well");
    Ok(())
}
