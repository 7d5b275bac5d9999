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

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use self::validity::{TrueTime, Validity};
use crate::config::CentreLink;
use crate::engine::SendFailure;

pub mod validity;

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
    /// The file is no certificate.
    #[error("the centre's certificate authority {path} is no PEM certificate")]
    CaContent {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// The machine has no certificate authorities, or the cryptography does not start.
    #[error("cannot prepare TLS to the centre; name its authority with `centre.ca_file`")]
    Tls(#[source] rustls::Error),
    /// The client could not be built.
    #[error("cannot prepare HTTPS to the centre")]
    Client(#[source] reqwest::Error),
}

/// One way to the centre.
#[derive(Debug, Clone)]
struct Path {
    url: Url,
    client: Client,
    /// The check of its certificate; none without TLS.
    validity: Option<Arc<Validity>>,
}

/// The paths to the centre.
#[derive(Debug, Clone)]
pub struct CentreClient {
    gateway: GatewayId,
    token: String,
    timeout: Duration,
    paths: Vec<Path>,
}

impl CentreClient {
    /// Prepares every path; connects nothing yet.
    ///
    /// # Errors
    /// [`UplinkError`] where a certificate authority is configured and unusable.
    pub fn new(gateway: GatewayId, link: &CentreLink, time: &Arc<TrueTime>) -> Result<Self, UplinkError> {
        let mut paths = Vec::new();
        let authorities = authorities(link)?;
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
            let mut validity = None;
            if url.scheme() == "https" {
                let (config, check) = tls(&authorities, time).map_err(UplinkError::Tls)?;
                builder = builder.tls_backend_preconfigured(config);
                validity = Some(check);
            }
            let client = builder.build().map_err(UplinkError::Client)?;
            paths.push(Path { url: url.clone(), client, validity });
        }
        Ok(Self { gateway, token: link.token.clone(), timeout: link.timeout, paths })
    }

    /// Posts records on a path.
    ///
    /// # Errors
    /// [`SendFailure`], after which the records are simply still waiting.
    pub async fn send(&self, path: usize, sent: Stamp, records: Vec<Arc<Record>>) -> Result<UplinkAnswer, SendFailure> {
        let Path { url: base, client, validity } = self.path(path);
        let request = UplinkRequest { v: protocol::WIRE_VERSION, gateway: self.gateway.clone(), sent, records };
        let body = serde_json::to_vec(&request).map_err(|error| SendFailure::BadAnswer(error.to_string()))?;
        let request = client
            .post(under(base, "/v1/uplink"))
            .bearer_auth(&self.token)
            .header(reqwest::header::CONTENT_TYPE, "application/json")
            .timeout(self.timeout)
            .body(body);
        answer(request.send().await, validity.as_deref()).await
    }

    /// Asks how far the home's orders are.
    ///
    /// # Errors
    /// [`SendFailure`]; the poll is simply asked again.
    pub async fn poll(&self, path: usize, after: u64, wait_secs: u64) -> Result<DownlinkAnswer, SendFailure> {
        let Path { url: base, client, validity } = self.path(path);
        let mut url = under(base, "/v1/downlink");
        url.query_pairs_mut().append_pair("after", &after.to_string()).append_pair("wait", &wait_secs.to_string());
        let timeout = self.timeout + Duration::from_secs(wait_secs);
        let asked = client.get(url).bearer_auth(&self.token).timeout(timeout).send().await;
        let mut answer: DownlinkAnswer = answer(asked, validity.as_deref()).await?;
        if validity.as_ref().is_some_and(|validity| !validity.agrees_with(answer.server_time_ms)) {
            // No clock agrees with this one.
            answer.server_time_ms = i64::MIN;
        }
        Ok(answer)
    }

    fn path(&self, path: usize) -> &Path {
        &self.paths[path % self.paths.len()]
    }
}

fn under(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    url
}

/// The authorities of the configuration, which are trusted beside the machine's.
fn authorities(link: &CentreLink) -> Result<Vec<CertificateDer<'static>>, UplinkError> {
    let Some(file) = &link.ca_file else { return Ok(Vec::new()) };
    let path = file.display().to_string();
    let pem = std::fs::read(file).map_err(|source| UplinkError::CaFile { path: path.clone(), source })?;
    let mut read = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        read.push(certificate.map_err(|source| UplinkError::CaContent { path: path.clone(), source })?);
    }
    match read.is_empty() {
        true => Err(UplinkError::CaContent { path, source: rustls::pki_types::pem::Error::NoItemsFound }),
        false => Ok(read),
    }
}

/// TLS whose certificate check knows that this machine's clock may be wrong.
fn tls(
    authorities: &[CertificateDer<'static>],
    time: &Arc<TrueTime>,
) -> Result<(rustls::ClientConfig, Arc<Validity>), rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let extra = authorities.iter().cloned();
    let platform = rustls_platform_verifier::Verifier::new_with_extra_roots(extra, Arc::clone(&provider))?;
    let validity = Arc::new(Validity::new(Arc::new(platform), Arc::clone(time)));
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&validity) as Arc<_>)
        .with_no_client_auth();
    Ok((config, validity))
}

async fn answer<T: DeserializeOwned>(
    response: Result<Response, reqwest::Error>,
    validity: Option<&Validity>,
) -> Result<T, SendFailure> {
    let mut response = response.map_err(|error| match validity.and_then(Validity::refused) {
        Some(why) => SendFailure::CertificateTime(why),
        None => SendFailure::Unreachable(reason(&error)),
    })?;
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
