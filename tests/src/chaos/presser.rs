//! A button that says its press again until it has its PUBACK: same packet id, same content, the
//! duplicate flag set, as MQTT asks of it.

use std::time::Duration;

use sensor_sim::payload;

use crate::harness::Failed;
use crate::harness::clock::until;
use crate::harness::mqtt::{MqttClient, SignIn};

/// The button.
const BUTTON: &str = "sos bedside";

/// Longest wait for one press's PUBACK, the gateway's restarts included.
const PATIENCE: Duration = Duration::from_secs(60);

/// Presses one button of the home over MQTT.
pub struct Presser {
    port: u16,
    sign_in: SignIn,
    client: Option<MqttClient>,
    next_packet: u16,
    said_again: u64,
}

impl Presser {
    /// A presser that connects when it first presses.
    pub fn new(port: u16, sign_in: SignIn) -> Self {
        Self { port, sign_in, client: None, next_packet: 1, said_again: 0 }
    }

    /// Presses once and returns when the press is acknowledged.
    ///
    /// # Errors
    /// When no PUBACK comes in a minute.
    pub async fn press(&mut self) -> Result<(), Failed> {
        let packet = self.next_packet;
        self.next_packet = self.next_packet.checked_add(1).unwrap_or(1);
        let mut said = false;
        until("the press's PUBACK", PATIENCE, async || {
            self.connect().await?;
            let duplicate = std::mem::replace(&mut said, true);
            self.said_again += u64::from(duplicate);
            let answered = self.say(packet, duplicate).await;
            if answered.is_err() {
                self.client = None;
            }
            answered
        })
        .await
    }

    /// How often a press had to be said again.
    pub fn said_again(&self) -> u64 {
        self.said_again
    }

    async fn connect(&mut self) -> Result<(), Failed> {
        if self.client.is_none() {
            self.client = Some(MqttClient::connect(self.port, &self.sign_in.name, Some(&self.sign_in)).await?);
        }
        Ok(())
    }

    async fn say(&mut self, packet: u16, duplicate: bool) -> Result<(), Failed> {
        let client = self.client.as_mut().ok_or_else(|| "not connected".to_owned())?;
        let press = payload::sos_press(BUTTON);
        client.publish_as(&press.topic, &press.payload, packet, duplicate).await.map(drop)
    }
}
