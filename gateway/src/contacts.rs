//! Messages to the home's contacts, when the centre is not reached: by a service on the web or by a
//! modem. When and whom is decided in `home::contacts`; here a message is put into words and sent.
//!
//! Numbers and names stay in the configuration: they are in no record, log line or feed item.

use std::path::PathBuf;
use std::time::Duration;

use protocol::ids::GatewayId;
use protocol::record::ContactResult;
use protocol::trigger::OrderClass;

use crate::home::contacts::Contacting;

pub mod http;
pub mod modem;
pub mod pdu;

use self::http::{HttpAdapter, HttpSettings};
use self::modem::ModemSettings;

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
    /// The ways, in the order they are tried.
    pub ways: Vec<Way>,
}

/// One way to send a message.
#[derive(Debug, Clone)]
pub enum Way {
    /// A service on the web.
    Http(Box<HttpSettings>),
    /// A modem on a serial line.
    Modem(ModemSettings),
}

/// Sends messages to contacts.
pub struct ContactLine {
    gateway: GatewayId,
    settings: ContactSettings,
    http: reqwest::Client,
    /// A modem speaks with one at a time.
    modem: tokio::sync::Mutex<()>,
}

impl ContactLine {
    /// Prepares the line; connects nothing yet.
    ///
    /// # Errors
    /// Where no HTTP client can be had.
    pub fn new(gateway: GatewayId, settings: ContactSettings) -> reqwest::Result<Self> {
        Ok(Self { gateway, settings, http: http::client()?, modem: tokio::sync::Mutex::default() })
    }

    /// Sends one message, by the first way that takes it.
    pub async fn send(&self, contacting: &Contacting) -> ContactResult {
        let index = usize::from(contacting.contact.saturating_sub(1));
        let Some(number) = self.settings.numbers.get(index) else { return ContactResult::Unreachable };
        let text = self.text(contacting.class);
        let mut result = ContactResult::Unreachable;
        for way in &self.settings.ways {
            let tried = tokio::time::timeout(SEND_WAIT / self.settings.ways.len() as u32, self.by(way, number, &text));
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

    async fn by(&self, way: &Way, number: &str, text: &str) -> Result<(), SendError> {
        match way {
            Way::Http(settings) => HttpAdapter { client: &self.http, settings }.send(number, text).await,
            Way::Modem(settings) => {
                let _one = self.modem.lock().await;
                let (settings, number, text) = (settings.clone(), number.to_owned(), text.to_owned());
                let sent = tokio::task::spawn_blocking(move || modem::send(&settings, &number, &text)).await;
                sent.unwrap_or_else(|_| Err(SendError::Unreachable("the modem's thread ended".into())))
            }
        }
    }

    fn text(&self, class: OrderClass) -> String {
        let (what, what_en) = match class {
            OrderClass::FireGas => ("烟雾或燃气报警", "smoke or gas alarm"),
            OrderClass::Emergency | OrderClass::Assistance | OrderClass::Technical => {
                ("老人紧急呼叫", "the elder called for help")
            }
        };
        let gateway = self.gateway.to_string();
        self.settings.text.replace("{gateway}", &gateway).replace("{what}", what).replace("{what_en}", what_en)
    }
}

impl Way {
    fn name(&self) -> &'static str {
        match self {
            Self::Http(_) => "http",
            Self::Modem(_) => "modem",
        }
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
