//! A message service on the web: address, headers and body are templates with `{number}` and `{text}`.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::{SendError, Way};

/// Longest answer looked at, bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// How values stand in a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escape {
    /// Inside a JSON text.
    Json,
    /// Percent-encoded, as in an address or form.
    Form,
}

/// How a service is asked.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// Address; values in it are percent-encoded.
    pub url: String,
    /// Method.
    pub method: Method,
    /// Headers; secrets stand here.
    pub headers: HeaderMap,
    /// Body.
    pub body: String,
    /// How values stand in the body.
    pub escape: Escape,
    /// What must stand in the answer of a success beside a status of 200 to 299.
    pub success: Option<String>,
}

/// A header as it is configured: `Name: value`.
///
/// # Errors
/// Says what a header looks like.
pub fn header(text: &str) -> Result<(HeaderName, HeaderValue), &'static str> {
    let (name, value) = text.split_once(':').ok_or("a header is written `Name: value`")?;
    let name = name.trim().parse().map_err(|_| "is not a header's name")?;
    let mut value = HeaderValue::from_str(value.trim()).map_err(|_| "is not a header's value")?;
    value.set_sensitive(true);
    Ok((name, value))
}

/// A service with the client that asks it.
pub struct WebService {
    client: reqwest::Client,
    settings: HttpSettings,
}

impl WebService {
    /// The service; asks nothing yet.
    ///
    /// # Errors
    /// Where no HTTP client can be had.
    pub fn new(settings: HttpSettings) -> reqwest::Result<Self> {
        let client = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(25))
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { client, settings })
    }
}

#[async_trait]
impl Way for WebService {
    fn name(&self) -> &'static str {
        "http"
    }

    async fn send(&self, number: &str, text: &str) -> Result<(), SendError> {
        let HttpSettings { url, method, headers, body, escape, success } = &self.settings;
        let url = filled(url, Escape::Form, number, text);
        let mut request = self.client.request(method.clone(), url).headers(headers.clone());
        if !body.is_empty() {
            request = request.body(filled(body, *escape, number, text));
        }
        // The address may carry the number: it is left out of what is told.
        let failed = |error: reqwest::Error| SendError::Unreachable(error.without_url().to_string());
        let mut response = request.send().await.map_err(failed)?;
        let status = response.status();
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            answer.extend_from_slice(&chunk);
            if answer.len() > ANSWER_BYTES_MAX {
                break;
            }
        }
        if !status.is_success() {
            return Err(SendError::Refused(format!("status {}", status.as_u16())));
        }
        let answer = String::from_utf8_lossy(&answer);
        match success {
            Some(wanted) if !answer.contains(wanted) => {
                Err(SendError::Refused("its answer does not say that it worked".to_owned()))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// A template with its values.
fn filled(template: &str, escape: Escape, number: &str, text: &str) -> String {
    let escaped = |value: &str| match escape {
        Escape::Json => {
            let quoted = serde_json::Value::from(value).to_string();
            quoted[1..quoted.len() - 1].to_owned()
        }
        Escape::Form => percent_encoded(value),
    };
    template.replace("{number}", &escaped(number)).replace("{text}", &escaped(text))
}

/// Everything but the unreserved characters of RFC 3986.
fn percent_encoded(value: &str) -> String {
    let mut encoded = String::new();
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_escaped_for_where_they_stand() {
        let text = "急\"\\\n& 1";
        assert_eq!(filled(r#"{"t":"{text}"}"#, Escape::Json, "+86", text), r#"{"t":"急\"\\\n& 1"}"#);
        assert_eq!(filled("n={number}&t={text}", Escape::Form, "+86", "急 1"), "n=%2B86&t=%E6%80%A5%201");
    }

    #[test]
    fn a_header_is_secret_and_a_broken_one_is_refused() {
        let (name, value) = header("Authorization: Bearer x:y").unwrap();
        assert_eq!(
            (name.as_str(), value.to_str().unwrap(), value.is_sensitive()),
            ("authorization", "Bearer x:y", true)
        );
        assert!(header("no colon").is_err());
        assert!(header("bad name: x").is_err());
    }
}
