//! Stages that come by time alone, measured from the earliest moment at which each can be due: the centre away for
//! five and for thirty seconds after a press, the radio bridge away for a minute, the centre silent for one. And what
//! needs a disk that takes nothing.

use std::time::{Duration, Instant};

use protocol::stage::Stage;
use sensor_sim::payload;
use tests::harness::Failed;
use tests::harness::centre;
use tests::harness::clock::{ms_between, now};

use super::cast::{Home, Outputs};
use super::report::Stages;

/// From a press to "not connected", as a home of this run is configured.
const NOT_CONNECTED: Duration = Duration::from_secs(5);

/// From a press to siren and contacts.
const OUTCRY: Duration = Duration::from_secs(30);

/// How long the radio bridge may be away.
const RADIO_AWAY: Duration = Duration::from_secs(60);

/// How long the centre may be silent while no call is open.
const LINK_DOWN: Duration = Duration::from_secs(60);

/// So long before a stage is due what was told before has been said again for the last time.
const BEFORE: Duration = Duration::from_secs(2);

/// Between two homes, so that what is due in one is not due in the next at the same moment.
const APART: Duration = Duration::from_millis(700);

/// What such a home is configured with beside the rest.
const TIMES: &str = "[supervision]\nradio_minutes = 1\n[contacts]\nwait_secs = 30\n";

/// Contacts whom nobody tells: the service does not answer.
const CONTACTS: &str =
    "numbers = [\"13800138000\"]\n[contacts.http]\nurl = \"http://127.0.0.1:9/\"\nbody = \"{number} {text}\"\n";

/// Lets so many homes live through it at the same time, every other one with contacts.
pub async fn homes(count: u32) -> anyhow::Result<Stages> {
    let mut started = Vec::new();
    for at in 0..count {
        let with_contacts = at.is_multiple_of(2);
        let contacts = if with_contacts { CONTACTS } else { "" };
        started.push((at, with_contacts, Home::start(&format!("{TIMES}{contacts}")).await?));
    }
    let local = tokio::task::LocalSet::new();
    let stages = local.run_until(async {
        let living: Vec<_> = started
            .into_iter()
            .map(|(at, with_contacts, home)| tokio::task::spawn_local(live(home, APART * at, with_contacts)))
            .collect();
        let mut stages = Stages::default();
        for home in living {
            stages.join(home.await.map_err(|error| error.to_string())??);
        }
        Ok::<_, Failed>(stages)
    });
    stages.await.map_err(anyhow::Error::msg)
}

async fn live(mut home: Home, after: Duration, with_contacts: bool) -> Result<Stages, Failed> {
    let mut stages = Stages::default();
    tokio::time::sleep(after).await;
    home.stop_centre().await?;
    let cast = &mut home.cast;
    let pressed = cast.act().await;
    let (from, on_disk) = cast.says(&payload::sos_press("sos bedside")).await?;
    let recorded = stages.of("press is on disk, centre away → recorded");
    cast.told(&pressed, on_disk, Stage::Recorded, Outputs::All, recorded).await?;
    let (stage, told) = (Stage::NotConnected, stages.of("5 s without receipt → not connected"));
    cast.told(&cast.act().await, from + NOT_CONNECTED, stage, Outputs::All, told).await?;
    sleep_until(from + OUTCRY - BEFORE).await;
    let (stage, name) = if with_contacts {
        (Stage::ContactsCalled, "30 s without receipt → contacts are being told")
    } else {
        (Stage::StillNotConnected, "30 s without receipt, no contacts → shout for help")
    };
    cast.told(&cast.act().await, from + OUTCRY, stage, Outputs::All, stages.of(name)).await?;

    let act = cast.act().await;
    home.centre = centre::start(&home.setup, None).await.map_err(|error| format!("{error:#}"))?;
    let cast = &mut home.cast;
    cast.panel_says(&act, Stage::Received).await?;
    let (order, _) = cast.opened(&pressed).await?;
    cast.close(&order, "real.medical").await?;

    let (from, _) = cast.says(&payload::bridge_state(false)).await?;
    sleep_until(from + RADIO_AWAY - BEFORE).await;
    let (stage, told) = (Stage::RadioLost, stages.of("radio bridge away for 60 s → buttons not working"));
    cast.told(&cast.act().await, from + RADIO_AWAY, stage, Outputs::All, told).await?;
    let act = cast.act().await;
    cast.says(&payload::bridge_state(true)).await?;
    cast.panel_says(&act, Stage::Quiet).await?;

    // A close is an answer of the centre whose moment is known here: the gateway cannot have heard of it before.
    let act = cast.act().await;
    cast.says(&payload::sos_press("sos bedside")).await?;
    let (order, _) = cast.opened(&act).await?;
    let closed = cast.close(&order, "real.medical").await?;
    home.centre.kill();
    let cast = &mut home.cast;
    sleep_until(closed + LINK_DOWN - BEFORE).await;
    let (stage, told) = (Stage::LinkDown, stages.of("centre silent for 60 s → no connection to the centre"));
    cast.told(&cast.act().await, closed + LINK_DOWN, stage, Outputs::All, told).await?;
    home.stop_gateway().await?;
    Ok(stages)
}

/// Lets so many homes without a disk hear a press while the centre is away, one after the other.
pub async fn homes_without_disk(count: u32) -> anyhow::Result<Stages> {
    let mut stages = Stages::default();
    for _ in 0..count {
        let mut home = Home::start_without_disk().await?;
        let pressed = async {
            home.stop_centre().await?;
            let cast = &mut home.cast;
            let act = cast.act().await;
            let press = payload::sos_press("sos bedside");
            // Nobody acknowledges it: neither a disk nor the centre has it.
            cast.says_into_the_dark(&press).await?;
            let told = stages.of("press without a disk → contacting the centre, not saved");
            let said = cast.told(&act, act.at, Stage::NotRecorded, Outputs::All, told).await?;
            told.act.note(ms_between(act.at, said));
            home.stop_gateway().await
        };
        pressed.await.map_err(anyhow::Error::msg)?;
    }
    Ok(stages)
}

async fn sleep_until(moment: Instant) {
    tokio::time::sleep(moment.saturating_duration_since(now())).await;
}
