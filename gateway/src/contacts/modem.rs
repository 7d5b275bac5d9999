//! A GSM modem on a serial line: AT commands of 3GPP TS 27.005, messages as UCS2 units so that Chinese
//! arrives. The serial line blocks, with every wait bounded; it is spoken to in a thread of its own.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rustix::fs::OFlags;
use rustix::termios::{self, OptionalActions, SpecialCodeIndex};

use super::pdu::{self, Pdu};
use super::{SendError, Way};

/// Longest wait for the answer to a command.
const COMMAND_WAIT: Duration = Duration::from_secs(5);

/// Longest wait until the network has taken a message.
const MESSAGE_WAIT: Duration = Duration::from_secs(25);

/// Most bytes of an answer that are looked at.
const ANSWER_BYTES_MAX: usize = 8 * 1024;

/// Ends a message unit.
const CTRL_Z: u8 = 0x1a;

/// The modem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModemSettings {
    /// Its serial line.
    pub device: PathBuf,
    /// Bits a second.
    pub baud: u32,
    /// The card's PIN, where it asks for one.
    pub pin: Option<String>,
}

/// A modem, which speaks with one at a time.
pub struct Modem {
    settings: ModemSettings,
    one: tokio::sync::Mutex<()>,
}

impl Modem {
    /// The modem; opens nothing yet.
    pub fn new(settings: ModemSettings) -> Self {
        Self { settings, one: tokio::sync::Mutex::default() }
    }
}

#[async_trait]
impl Way for Modem {
    fn name(&self) -> &'static str {
        "modem"
    }

    async fn send(&self, number: &str, text: &str) -> Result<(), SendError> {
        let _one = self.one.lock().await;
        let (settings, number, text) = (self.settings.clone(), number.to_owned(), text.to_owned());
        let sent = tokio::task::spawn_blocking(move || send(&settings, &number, &text)).await;
        sent.unwrap_or_else(|_| Err(SendError::Unreachable("the modem's thread ended".into())))
    }
}

/// Sends one message; a long one goes in joined parts.
fn send(settings: &ModemSettings, number: &str, text: &str) -> Result<(), SendError> {
    let mut modem = Line::open(settings)?;
    modem.ask("AT", COMMAND_WAIT)?;
    // Echo off, errors with numbers.
    modem.ask("ATE0", COMMAND_WAIT)?;
    modem.ask("AT+CMEE=1", COMMAND_WAIT)?;
    if let Some(pin) = &settings.pin
        && modem.ask("AT+CPIN?", COMMAND_WAIT)?.contains("SIM PIN")
    {
        modem.ask(&format!("AT+CPIN=\"{pin}\""), COMMAND_WAIT)?;
    }
    modem.ask("AT+CMGF=0", COMMAND_WAIT)?;
    // Joins the parts of one message; two messages of the same length to one number hardly meet.
    let reference = text.bytes().fold(number.len() as u8, u8::wrapping_add);
    for Pdu { octets, hex } in pdu::submit(number, text, reference) {
        modem.write(format!("AT+CMGS={octets}\r").as_bytes())?;
        modem.wait_for(COMMAND_WAIT, |answer| answer.contains('>'))?;
        modem.write(hex.as_bytes())?;
        modem.write(&[CTRL_Z])?;
        modem.wait_for(MESSAGE_WAIT, |answer| answer.contains("+CMGS:") && has_line(answer, "OK"))?;
    }
    Ok(())
}

struct Line {
    line: File,
    device: PathBuf,
}

impl Line {
    fn open(settings: &ModemSettings) -> Result<Self, SendError> {
        let device = settings.device.clone();
        let failed = |source: std::io::Error| SendError::Device { device: device.clone(), source };
        let line = File::options()
            .read(true)
            .write(true)
            // A line without carrier must not hold up the opening.
            .custom_flags((OFlags::NOCTTY | OFlags::NONBLOCK).bits().cast_signed())
            .open(&settings.device)
            .map_err(failed)?;
        let errno = |errno: rustix::io::Errno| failed(errno.into());
        let mut attributes = termios::tcgetattr(&line).map_err(errno)?;
        attributes.make_raw();
        attributes.set_speed(settings.baud).map_err(errno)?;
        // A read waits a tenth of a second at most.
        attributes.special_codes[SpecialCodeIndex::VMIN] = 0;
        attributes.special_codes[SpecialCodeIndex::VTIME] = 1;
        termios::tcsetattr(&line, OptionalActions::Flush, &attributes).map_err(errno)?;
        let flags = rustix::fs::fcntl_getfl(&line).map_err(errno)?;
        rustix::fs::fcntl_setfl(&line, flags - OFlags::NONBLOCK).map_err(errno)?;
        Ok(Self { line, device: settings.device.clone() })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), SendError> {
        let device = self.device.clone();
        self.line.write_all(bytes).map_err(|source| SendError::Device { device, source })
    }

    fn ask(&mut self, command: &str, wait: Duration) -> Result<String, SendError> {
        self.write(command.as_bytes())?;
        self.write(b"\r")?;
        self.wait_for(wait, |answer| has_line(answer, "OK"))
    }

    /// Reads until `done`, an error of the modem, or the end of the wait.
    #[expect(clippy::disallowed_methods, reason = "a blocking wait on a serial line has an end")]
    fn wait_for(&mut self, wait: Duration, done: impl Fn(&str) -> bool) -> Result<String, SendError> {
        let end = Instant::now() + wait;
        let mut answer = Vec::new();
        let mut bytes = [0; 256];
        while Instant::now() < end && answer.len() < ANSWER_BYTES_MAX {
            let device = self.device.clone();
            let read = self.line.read(&mut bytes).map_err(|source| SendError::Device { device, source })?;
            answer.extend_from_slice(&bytes[..read]);
            let text = String::from_utf8_lossy(&answer);
            if done(&text) {
                return Ok(text.into_owned());
            }
            if let Some(error) =
                text.lines().map(str::trim).find(|line| line.starts_with("+CM") && line.contains("ERROR"))
            {
                return Err(SendError::Refused(error.to_owned()));
            }
            if has_line(&text, "ERROR") {
                return Err(SendError::Refused("the modem says ERROR".to_owned()));
            }
        }
        Err(SendError::Unreachable("the modem does not answer".to_owned()))
    }
}

fn has_line(answer: &str, wanted: &str) -> bool {
    answer.lines().any(|line| line.trim() == wanted)
}
