//! A hostile MQTT client: everything a stranger, or a device of the home that somebody has taken over,
//! can try against the broker in the gateway. Each attack says what it expects to be done to it.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::mqtt::SignIn;
use crate::harness::wire;

pub mod attack;
pub mod listening;

/// Longest wait for the broker to answer or to close.
const PATIENCE: Duration = Duration::from_secs(20);

/// A bare connection to the broker.
pub struct Raw(TcpStream);

impl Raw {
    /// Connects and says nothing.
    ///
    /// # Errors
    /// When the broker's door does not take the connection.
    pub async fn connect(port: u16) -> Result<Self, String> {
        TcpStream::connect(("127.0.0.1", port)).await.map(Self).map_err(|error| format!("connect: {error}"))
    }

    /// Connects and signs in.
    ///
    /// # Errors
    /// When the sign-in is not granted.
    pub async fn signed_in(port: u16, client_id: &str, sign_in: &SignIn) -> Result<Self, String> {
        let mut raw = Self::connect(port).await?;
        raw.send(&wire::connect(client_id, Some((&sign_in.name, &sign_in.password)))).await?;
        match raw.connack().await? {
            Some(0) => Ok(raw),
            answer => Err(format!("sign-in as {client_id}: {answer:?}")),
        }
    }

    /// Sends bytes; one that was closed already is no error, for the next answer tells.
    ///
    /// # Errors
    /// Never at present.
    pub async fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        let _closed = self.0.write_all(bytes).await;
        Ok(())
    }

    /// The return code of a CONNACK; none where the connection was closed instead.
    ///
    /// # Errors
    /// When neither comes.
    pub async fn connack(&mut self) -> Result<Option<u8>, String> {
        let mut answer = [0; 4];
        match tokio::time::timeout(PATIENCE, self.0.read_exact(&mut answer)).await {
            Err(_) => Err("neither an answer nor an end".to_owned()),
            Ok(Err(_)) => Ok(None),
            Ok(Ok(_)) if answer[0] >> 4 == 2 => Ok(Some(answer[3])),
            Ok(Ok(_)) => Err(format!("{answer:?} and no CONNACK")),
        }
    }

    /// Reads until the broker closes.
    ///
    /// # Errors
    /// When it does not.
    pub async fn closed(&mut self, what: &str) -> Result<(), String> {
        let mut bytes = [0; 4096];
        let end = async { while let Ok(1..) = self.0.read(&mut bytes).await {} };
        tokio::time::timeout(PATIENCE, end).await.map_err(|_| format!("{what}: the connection was not closed"))
    }

    /// Reads so many bytes.
    ///
    /// # Errors
    /// When they do not come.
    pub async fn read(&mut self, count: usize) -> Result<Vec<u8>, String> {
        let mut bytes = vec![0; count];
        match tokio::time::timeout(PATIENCE, self.0.read_exact(&mut bytes)).await {
            Ok(Ok(_)) => Ok(bytes),
            Ok(Err(error)) => Err(format!("closed before {count} bytes: {error}")),
            Err(_) => Err(format!("{count} bytes did not come")),
        }
    }
}

/// Any packet: first byte, and the body with its length before it.
pub fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    bytes.extend(length(body.len()));
    bytes.extend(body);
    bytes
}

/// A remaining length as MQTT writes it.
pub fn length(mut length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = (length & 0x7f) as u8;
        length >>= 7;
        bytes.push(if length > 0 { byte | 0x80 } else { byte });
        if length == 0 {
            return bytes;
        }
    }
}

/// A length-prefixed field.
pub fn field(bytes: &[u8]) -> Vec<u8> {
    let mut field = (bytes.len() as u16).to_be_bytes().to_vec();
    field.extend(bytes);
    field
}
