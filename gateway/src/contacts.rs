//! Messages to the home's contacts, when the centre is not reached: by a service on the web or by a
//! modem. When and whom is decided in `home::contacts`; here a message is put into words and sent.
//!
//! Numbers and names stay in the configuration: they are in no record, log line or feed item.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use protocol::ids::GatewayId;
use protocol::record::ContactResult;
use protocol::trigger::OrderClass;

use crate::home::contacts::Contacting;

pub mod http;
pub mod modem;
pub mod pdu;

use self::http::{HttpSettings, WebService};
use self::modem::{Modem, ModemSettings};

/// Longest time for one message; the loop counts one as lost only after twice as long.
const SEND_WAIT: Duration = Duration::from_secs(60);

/// The message unless configured otherwise.
pub const TEXT: &str = "紧急呼叫:{gateway} {what},呼叫中心暂时联系不上。请马上联系老人,必要时拨打120。\
                        Emergency at {gateway}: {what_en}. The centre is not reached. Call the elder now, or 120.";

/// Who is told and how.
#[derive(Debug, Clone, Default)]
pub struct ContactSettings {
    /// Telephone numbers, in the order of the configuration.
    pub numbers: Vec<String>,
    /// The message, with `{gateway}`, `{what}` and `{what_en}` in it.
    pub text: String,
    /// A service on the web, tried first.
    pub http: Option<HttpSettings>,
    /// A modem on a serial line.
    pub modem: Option<ModemSettings>,
}

/// One way to send a message.
#[async_trait]
pub trait Way: Send + Sync {
    /// Its name in the log.
    fn name(&self) -> &'static str;

    /// Sends `text` to `number`; done when somebody on the way has taken it.
    ///
    /// # Errors
    /// [`SendError`]: why it was not taken.
    async fn send(&self, number: &str, text: &str) -> Result<(), SendError>;
}

/// Sends messages to contacts.
pub struct ContactLine {
    gateway: GatewayId,
    numbers: Vec<String>,
    text: String,
    /// In the order they are tried.
    ways: Vec<Box<dyn Way>>,
}

impl ContactLine {
    /// Prepares the line by the configured ways; connects nothing yet.
    ///
    /// # Errors
    /// Where no HTTP client can be had.
    pub fn new(gateway: GatewayId, settings: ContactSettings) -> reqwest::Result<Self> {
        let ContactSettings { numbers, text, http, modem } = settings;
        let mut ways: Vec<Box<dyn Way>> = Vec::new();
        if let Some(settings) = http {
            ways.push(Box::new(WebService::new(settings)?));
        }
        if let Some(settings) = modem {
            ways.push(Box::new(Modem::new(settings)));
        }
        Ok(Self { gateway, numbers, text, ways })
    }

    /// Sends one message, by the first way that takes it.
    pub async fn send(&self, contacting: &Contacting) -> ContactResult {
        let index = usize::from(contacting.contact.saturating_sub(1));
        let Some(number) = self.numbers.get(index) else { return ContactResult::Unreachable };
        let text = self.text(contacting.class);
        let mut result = ContactResult::Unreachable;
        for way in &self.ways {
            let tried = tokio::time::timeout(SEND_WAIT / self.ways.len() as u32, way.send(number, &text));
            match tried.await {
                Ok(Ok(())) => return ContactResult::Taken,
                Ok(Err(error)) => {
                    tracing::warn!(contact = contacting.contact, way = way.name(), %error, "a contact was not told");
                    if matches!(error, SendError::Refused(_)) {
                        result = ContactResult::Refused;
                    }
                }
                Err(_) => tracing::warn!(contact = contacting.contact, way = way.name(), "no answer in time"),
            }
        }
        result
    }

    fn text(&self, class: OrderClass) -> String {
        let (what, what_en) = match class {
            OrderClass::FireGas => ("烟雾或燃气报警", "smoke or gas alarm"),
            OrderClass::Emergency | OrderClass::Assistance | OrderClass::Technical => {
                ("老人紧急呼叫", "the elder called for help")
            }
        };
        let gateway = self.gateway.to_string();
        self.text.replace("{gateway}", &gateway).replace("{what}", what).replace("{what_en}", what_en)
    }
}

/// Why a message was not taken. No number or message stands in it.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// It was understood and refused.
    #[error("refused: {0}")]
    Refused(String),
    /// Nobody answered, or not in time.
    #[error("not reached: {0}")]
    Unreachable(String),
    /// The serial line.
    #[error("cannot use the modem {device}; is it plugged in, and may this user open it (group dialout)?")]
    Device {
        /// The line.
        device: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

#[cfg(test)]
mod tests;
