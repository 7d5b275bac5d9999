//! A burst of presses and movements at a rate, and how long the broker took to confirm each press.

use std::future::Future;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::bridge::RadioBridge;
use crate::device::{Click, Happening};
use crate::link::{Away, LinkClosed, LinkTrouble};
use crate::pace::{Pace, Speed};
use crate::scenario::{DeviceKind, HomeDevice};
use crate::wires::{BrokerConfig, Wires};

/// How much is sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LoadOptions {
    /// Presses of the first SOS button.
    pub presses: u32,
    /// Movements between two presses, spread over the motion sensors.
    pub motions_per_press: u32,
    /// Messages a second, all together.
    pub rate: f64,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadReport {
    /// Presses that the broker confirmed.
    pub confirmed: usize,
    /// Presses that it did not.
    pub lost: usize,
    /// Time from hand-over to confirmation of each confirmed press, shortest first.
    pub latencies: Vec<Duration>,
    /// How long all of it took.
    pub took: Duration,
}

impl LoadReport {
    /// The latency that `percent` of the presses did not exceed.
    pub fn percentile(&self, percent: usize) -> Option<Duration> {
        let index = (self.latencies.len() * percent).div_ceil(100).saturating_sub(1);
        self.latencies.get(index).copied()
    }
}

/// Why a burst did not end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// No first connection.
    #[error(transparent)]
    NoBroker(LinkTrouble),
    /// No SOS button to press.
    #[error("this home has no SOS button to press; add a device of kind sos")]
    NoButton,
    /// The connection's task ended.
    #[error("the burst stopped in the middle")]
    Closed(#[source] LinkClosed),
    /// It was interrupted.
    #[error("interrupted")]
    Interrupted,
}

/// Sends the burst and waits for every confirmation.
pub async fn load(
    home: &[HomeDevice],
    broker: &BrokerConfig,
    options: LoadOptions,
    stop: impl Future<Output = ()>,
) -> Result<LoadReport, LoadError> {
    tokio::select! {
        report = burst(home, broker, options) => report,
        () = stop => Err(LoadError::Interrupted),
    }
}

async fn burst(home: &[HomeDevice], broker: &BrokerConfig, options: LoadOptions) -> Result<LoadReport, LoadError> {
    let button = home.iter().find(|device| device.kind == DeviceKind::Sos).ok_or(LoadError::NoButton)?;
    let sensors: Vec<&HomeDevice> = home.iter().filter(|device| device.kind == DeviceKind::Motion).collect();
    let mut bridge = RadioBridge::new(home.iter().map(|entry| entry.device(0)));
    let mut wires = Wires::open(broker, &bridge, Away::Keep);
    wires.connected(Duration::from_secs(10)).await.map_err(LoadError::NoBroker)?;
    wires.publish(bridge.start()).await.map_err(LoadError::Closed)?;
    wires.settled().await.map_err(LoadError::Closed)?;
    let pace = Pace::start(Duration::ZERO, Speed::Times(1.0));
    let (answers_tx, mut answers) = mpsc::unbounded_channel();
    let mut sent: u32 = 0;
    for _ in 0..options.presses {
        for index in 0..=options.motions_per_press {
            pace.until(Duration::from_secs_f64(f64::from(sent) / options.rate)).await;
            sent += 1;
            let sensor = sensors.get(usize::try_from(index).unwrap_or(0) % sensors.len().max(1));
            if index == options.motions_per_press {
                press(&mut bridge, button, &wires, pace, &answers_tx).await?;
            } else if let Some(sensor) = sensor {
                let what = if sent.is_multiple_of(2) { Happening::Still } else { Happening::Moved };
                wires.publish(bridge.happen(&sensor.name, what)).await.map_err(LoadError::Closed)?;
            }
        }
    }
    drop(answers_tx);
    let mut report = LoadReport { confirmed: 0, lost: 0, latencies: Vec::new(), took: Duration::ZERO };
    while let Some(answer) = answers.recv().await {
        match answer {
            Some(latency) => report.latencies.push(latency),
            None => report.lost += 1,
        }
    }
    report.latencies.sort();
    report.confirmed = report.latencies.len();
    report.took = pace.elapsed();
    wires.close().await;
    Ok(report)
}

async fn press(
    bridge: &mut RadioBridge,
    button: &HomeDevice,
    wires: &Wires,
    pace: Pace,
    answers: &mpsc::UnboundedSender<Option<Duration>>,
) -> Result<(), LoadError> {
    for publication in bridge.happen(&button.name, Happening::Pressed(Click::Single)) {
        let handed_over = pace.elapsed();
        let confirmed = wires.publish_tracked(publication).await.map_err(LoadError::Closed)?;
        let answers = answers.clone();
        tokio::spawn(async move {
            let latency = confirmed.await.ok().map(|()| pace.elapsed().saturating_sub(handed_over));
            // Nobody listens any more once the burst is interrupted.
            let _ = answers.send(latency);
        });
    }
    Ok(())
}
