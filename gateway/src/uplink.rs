//! HTTPS to the centre: posts records, polls progress. One client a path, so that a stuck
//! connection of one path never holds up another.

use std::sync::Arc;
use std::time::Duration;

use protocol::downlink::DownlinkAnswer;
use protocol::ids::GatewayId;
use protocol::record::{Record, Stamp};
use protocol::uplink::{UplinkAnswer, UplinkRequest};
use reqwest::{Client, Response, StatusCode, Url};
use serde::de::DeserializeOwned;

use crate::config::CentreLink;
use crate::engine::SendFailure;

/// Longest answer read, bytes.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// Why the way to the centre could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum UplinkError {
    /// The certificate authority's file cannot be read.
    #[error("cannot read the centre's certificate authority {path}")]
    CaFile {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file holds no certificate, or the client could not be built.
    #[error("cannot prepare HTTPS to the centre")]
    Client(#[source] reqwest::Error),
}

/// The paths to the centre.
#[derive(Debug, Clone)]
pub struct CentreClient {
    gateway: GatewayId,
    token: String,
    timeout: Duration,
    paths: Vec<(Url, Client)>,
}

impl CentreClient {
    /// Prepares every path; connects nothing yet.
    ///
    /// # Errors
    /// [`UplinkError`] where a certificate authority is configured and unusable.
    pub fn new(gateway: GatewayId, link: &CentreLink) -> Result<Self, UplinkError> {
        let mut paths = Vec::new();
        for url in &link.paths {
            let mut builder = Client::builder()
                .connect_timeout(Duration::from_secs(5))
                // One connection a request under way, and a dead one given up soon: a hedge never rides on
                // the connection that it hedges.
                .http1_only()
                .tcp_user_timeout(Duration::from_secs(8))
                .tcp_keepalive(Duration::from_secs(30))
                .pool_idle_timeout(Duration::from_secs(90))
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none());
            if let Some(path) = &link.ca_file {
                let pem = std::fs::read(path)
                    .map_err(|source| UplinkError::CaFile { path: path.display().to_string(), source })?;
                let authorities = reqwest::Certificate::from_pem_bundle(&pem).map_err(UplinkError::Client)?;
                builder = builder.tls_certs_merge(authorities);
            }
            paths.push((url.clone(), builder.build().map_err(UplinkError::Client)?));
        }
        Ok(Self { gateway, token: link.token.clone(), timeout: link.timeout, paths })
    }

    /// Posts records on a path.
    ///
    /// # Errors
    /// [`SendFailure`], after which the records are simply still waiting.
    pub async fn send(&self, path: usize, sent: Stamp, records: Vec<Arc<Record>>) -> Result<UplinkAnswer, SendFailure> {
        let (base, client) = self.path(path);
        let request = UplinkRequest { v: protocol::WIRE_VERSION, gateway: self.gateway.clone(), sent, records };
        let body = serde_json::to_vec(&request).map_err(|error| SendFailure::BadAnswer(error.to_string()))?;
        let request = client
            .post(under(base, "/v1/uplink"))
            .bearer_auth(&self.token)
            .header(reqwest::header::CONTENT_TYPE, "application/json")
            .timeout(self.timeout)
            .body(body);
        answer(request.send().await).await
    }

    /// Asks how far the home's orders are.
    ///
    /// # Errors
    /// [`SendFailure`]; the poll is simply asked again.
    pub async fn poll(&self, path: usize, after: u64, wait_secs: u64) -> Result<DownlinkAnswer, SendFailure> {
        let (base, client) = self.path(path);
        let mut url = under(base, "/v1/downlink");
        url.query_pairs_mut().append_pair("after", &after.to_string()).append_pair("wait", &wait_secs.to_string());
        let timeout = self.timeout + Duration::from_secs(wait_secs);
        answer(client.get(url).bearer_auth(&self.token).timeout(timeout).send().await).await
    }

    fn path(&self, path: usize) -> &(Url, Client) {
        &self.paths[path % self.paths.len()]
    }
}

fn under(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    url
}

async fn answer<T: DeserializeOwned>(response: Result<Response, reqwest::Error>) -> Result<T, SendFailure> {
    let mut response = response.map_err(|error| SendFailure::Unreachable(reason(&error)))?;
    match response.status() {
        StatusCode::OK => {}
        StatusCode::PAYLOAD_TOO_LARGE => return Err(SendFailure::TooLarge),
        other => return Err(SendFailure::Status(other.as_u16())),
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| SendFailure::Unreachable(reason(&error)))? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(SendFailure::BadAnswer(format!("longer than {ANSWER_BYTES_MAX} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&body).map_err(|error| SendFailure::BadAnswer(error.to_string()))
}

/// The whole chain of causes: the outermost alone says only "error sending request".
fn reason(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
