//! A home's two MQTT clients: the radio bridge, and the panel (visit reader, cancel button, lamp).
//!
//! Without a sign-in of its own the panel shares the bridge's connection.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use protocol::topics;

use crate::bridge::{RadioBridge, bridge_state};
use crate::link::{Away, Link, LinkClosed, LinkConfig, LinkNews, LinkTrouble, Standing};
use crate::publication::Publication;

/// Where the broker is and who signs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerConfig {
    /// Host.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Client id of the bridge; the panel's has `-panel` behind it.
    pub client_id: String,
    /// User name and password of the bridge.
    pub bridge: Option<(String, String)>,
    /// User name and password of the panel, where it has its own.
    pub panel: Option<(String, String)>,
}

/// The open clients.
#[derive(Debug)]
pub struct Wires {
    bridge: Link,
    panel: Option<Link>,
    bridge_news: mpsc::Receiver<LinkNews>,
    panel_news: Option<mpsc::Receiver<LinkNews>>,
    address: String,
}

/// Which client has news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// The radio bridge.
    Bridge,
    /// The panel, where it has a client of its own.
    Panel,
}

impl Wires {
    /// Begins to connect.
    pub fn open(broker: &BrokerConfig, bridge: &RadioBridge, away: Away) -> Self {
        let panel_filters = vec![topics::REASSURANCE.to_owned(), topics::PRESENCE_CODE.to_owned()];
        let mut filters = bridge.filters();
        let config = |client_id: String, sign_in, filters, will| LinkConfig {
            client_id,
            host: broker.host.clone(),
            port: broker.port,
            sign_in,
            filters,
            will,
            away,
        };
        let (panel, panel_news) = match &broker.panel {
            Some(sign_in) => {
                let id = format!("{}-panel", broker.client_id);
                let (link, news) = Link::open(config(id, Some(sign_in.clone()), panel_filters, None));
                (Some(link), Some(news))
            }
            None => {
                filters.extend(panel_filters);
                (None, None)
            }
        };
        let will = Some(bridge_state(bridge.base(), false));
        let (bridge, bridge_news) = Link::open(config(broker.client_id.clone(), broker.bridge.clone(), filters, will));
        Self { bridge, panel, bridge_news, panel_news, address: format!("{}:{}", broker.host, broker.port) }
    }

    fn of(&self, topic: &str) -> &Link {
        let own = topic.starts_with("homecare/");
        self.panel.as_ref().filter(|_| own).unwrap_or(&self.bridge)
    }

    /// Hands messages over, each to its client.
    pub async fn publish(&self, publications: Vec<Publication>) -> Result<(), LinkClosed> {
        for publication in publications {
            self.of(&publication.topic).publish(publication).await?;
        }
        Ok(())
    }

    /// Publishes one message; the receiver answers when the broker confirms it.
    pub async fn publish_tracked(&self, publication: Publication) -> Result<oneshot::Receiver<()>, LinkClosed> {
        self.of(&publication.topic).publish_tracked(publication).await
    }

    /// Waits for the first connection of every client, at most `patience`; a refused sign-in ends it at once.
    ///
    /// Gives back what was heard meanwhile.
    pub async fn connected(&mut self, patience: Duration) -> Result<Vec<(Wire, LinkNews)>, LinkTrouble> {
        let mut heard = Vec::new();
        let mut last = None;
        let mut missing = 1 + usize::from(self.panel.is_some());
        let waited = tokio::time::timeout(patience, async {
            while missing > 0 {
                match self.news().await {
                    Some((_, LinkNews::Connected { first: true })) => missing -= 1,
                    Some((_, LinkNews::Away { trouble, .. })) => {
                        let hopeless = matches!(trouble, LinkTrouble::SignInRefused { .. });
                        last = Some(trouble);
                        if hopeless {
                            return false;
                        }
                    }
                    Some(other) => heard.push(other),
                    None => return false,
                }
            }
            true
        });
        match waited.await {
            Ok(true) => Ok(heard),
            Ok(false) | Err(_) => Err(last.unwrap_or_else(|| LinkTrouble::NotReached {
                address: self.address.clone(),
                why: format!("no answer within {} s", patience.as_secs()),
            })),
        }
    }

    /// Waits until everything handed over is confirmed or dropped.
    pub async fn settled(&self) -> Result<Standing, LinkClosed> {
        let settled = |standing: &Standing| standing.confirmed + standing.dropped >= standing.taken;
        if let Some(panel) = &self.panel {
            panel.until(settled).await?;
        }
        self.bridge.until(settled).await
    }

    /// How many messages are confirmed, both clients together.
    pub fn standing(&self) -> Standing {
        let bridge = self.bridge.standing();
        self.panel.as_ref().map_or(bridge, |panel| {
            let panel = panel.standing();
            Standing {
                taken: bridge.taken + panel.taken,
                confirmed: bridge.confirmed + panel.confirmed,
                dropped: bridge.dropped + panel.dropped,
                connected: bridge.connected && panel.connected,
            }
        })
    }

    /// The next news of either client; none once both are closed.
    pub async fn news(&mut self) -> Option<(Wire, LinkNews)> {
        match &mut self.panel_news {
            None => self.bridge_news.recv().await.map(|news| (Wire::Bridge, news)),
            Some(panel) => tokio::select! {
                news = self.bridge_news.recv() => news.map(|news| (Wire::Bridge, news)),
                news = panel.recv() => news.map(|news| (Wire::Panel, news)),
            },
        }
    }

    /// Sends what is waiting where there is a connection, and signs off.
    pub async fn close(self) -> Standing {
        let mut total = self.bridge.close().await;
        if let Some(panel) = self.panel {
            let panel = panel.close().await;
            total.confirmed += panel.confirmed;
            total.dropped += panel.dropped;
            total.taken += panel.taken;
        }
        total
    }
}
