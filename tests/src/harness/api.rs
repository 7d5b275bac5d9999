//! The centre's API as a dispatcher's program uses it.

use std::time::Duration;

use protocol::feed::FeedPage;
use reqwest::{Client, Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Failed;

/// Longest wait for an answer beyond what was asked for.
const PATIENCE: Duration = Duration::from_secs(10);

/// A signed-in user of the centre.
#[derive(Debug, Clone)]
pub struct Desk {
    client: Client,
    base: String,
    token: String,
}

impl Desk {
    /// A user of the centre at `base` with this token; connects nothing yet.
    ///
    /// # Errors
    /// When the HTTP client cannot be built.
    pub fn new(base: impl Into<String>, token: &str) -> Result<Self, Failed> {
        let client = Client::builder().no_proxy().build().map_err(|error| error.to_string())?;
        Ok(Self { client, base: base.into(), token: token.to_owned() })
    }

    /// The same with another HTTP client, such as one with a certificate authority of its own.
    #[must_use]
    pub fn through(mut self, client: Client) -> Self {
        self.client = client;
        self
    }

    /// Sends a request; gives status and body, JSON where it is any.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        wait: Duration,
    ) -> Result<(StatusCode, Value), Failed> {
        let request = self.client.request(method, format!("{}{path}", self.base)).timeout(PATIENCE + wait);
        let request = request.bearer_auth(&self.token);
        let request = match body {
            Some(body) => request.header("content-type", "application/json").body(body.to_string()),
            None => request,
        };
        let answer = request.send().await.map_err(|error| format!("{path}: {}", chain(&error)))?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| format!("{path}: {}", chain(&error)))?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok((status, body))
    }

    /// Reads what must be there.
    ///
    /// # Errors
    /// When the answer is not 200 or of another shape.
    pub async fn get<T: DeserializeOwned>(&self, path: &str, wait: Duration) -> Result<T, Failed> {
        let (status, body) = self.ask(Method::GET, path, None, wait).await?;
        if status != StatusCode::OK {
            return Err(format!("GET {path}: {status} {body}"));
        }
        serde_json::from_value(body).map_err(|error| format!("GET {path}: {error}"))
    }

    /// Reads the feed after a place, waiting up to `wait_secs` for the first item.
    ///
    /// # Errors
    /// As [`Desk::get`].
    pub async fn feed(&self, after: u64, wait_secs: u64) -> Result<FeedPage, Failed> {
        let path = format!("/v1/feed?after={after}&limit=500&wait={wait_secs}");
        self.get(&path, Duration::from_secs(wait_secs)).await
    }

    /// Asks something of a work order; it must be granted.
    ///
    /// # Errors
    /// When it is not.
    pub async fn order(&self, id: &str, act: &str, body: &Value) -> Result<Value, Failed> {
        let path = format!("/v1/work-orders/{id}/{act}");
        let (status, answer) = self.ask(Method::POST, &path, Some(body), Duration::ZERO).await?;
        if status == StatusCode::OK { Ok(answer) } else { Err(format!("POST {path}: {status} {answer}")) }
    }

    /// One work order with its timeline.
    ///
    /// # Errors
    /// As [`Desk::get`].
    pub async fn work_order(&self, id: &str) -> Result<Value, Failed> {
        self.get(&format!("/v1/work-orders/{id}"), Duration::ZERO).await
    }

    /// Every work order.
    ///
    /// # Errors
    /// As [`Desk::get`].
    pub async fn work_orders(&self) -> Result<Vec<Value>, Failed> {
        let mut list: Value = self.get("/v1/work-orders?limit=500", Duration::ZERO).await?;
        match list.get_mut("work_orders").map(Value::take) {
            Some(Value::Array(orders)) => Ok(orders),
            _ => Err("the list of work orders has another shape".to_owned()),
        }
    }
}

/// An error with all its causes; the outermost alone says only "error sending request".
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
