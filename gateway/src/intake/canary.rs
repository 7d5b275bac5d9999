//! The canary: a client of our own that publishes through the embedded broker, so that it is known to
//! hear as long as the loop gets what the canary says.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use rumqttc::{AsyncClient, MqttOptions, QoS};

use super::embedded::ClientRights;

/// What it signs in as; no client of the configuration can have a name of this form.
pub const CLIENT: &str = "$canary";

/// Where it publishes.
pub const TOPIC: &str = "homecare/canary";

/// How often, well within the time after which it counts as lost.
const EVERY: Duration = Duration::from_secs(10);

/// The rights it needs, with a password of this run's own.
pub fn rights(password: String) -> ClientRights {
    ClientRights { name: CLIENT.to_owned(), password, publish: vec![TOPIC.to_owned()], subscribe: Vec::new() }
}

/// Starts it against the broker on `listen`; it goes on for ever, whatever fails.
pub fn start(listen: SocketAddr, password: String) {
    let host = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.to_string(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.to_string(),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip.to_string(),
    };
    let mut options = MqttOptions::new(CLIENT, host, listen.port());
    options.set_credentials(CLIENT, password).set_keep_alive(EVERY);
    let (client, mut connection) = AsyncClient::new(options, 4);
    tokio::spawn(async move {
        loop {
            if connection.poll().await.is_err() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    });
    tokio::spawn(async move {
        loop {
            // Never waits: one that is not sent yet says no more than the next.
            let _ = client.try_publish(TOPIC, QoS::AtLeastOnce, false, "");
            tokio::time::sleep(EVERY).await;
        }
    });
}
