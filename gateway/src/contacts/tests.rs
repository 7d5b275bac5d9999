//! Adapters against the other side: a web service in this process, and a scripted modem behind a pty.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::http::{Escape, header};
use super::*;

const NUMBER: &str = "+8613800138000";

fn line(http: Option<HttpSettings>, modem: Option<ModemSettings>) -> ContactLine {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let settings = ContactSettings { numbers: vec![NUMBER.into()], text: TEXT.into(), http, modem };
    ContactLine::new("home-1".parse().unwrap(), settings).unwrap()
}

fn first() -> Contacting {
    Contacting { class: OrderClass::Emergency, contact: 1, attempt: 1 }
}

type Asked = Arc<Mutex<Vec<(String, String)>>>;

/// A service that answers with this status and text, and keeps what it was asked.
async fn service(status: StatusCode, answer: &'static str) -> (String, Asked) {
    let asked = Asked::default();
    let handler = move |State(asked): State<Asked>, headers: HeaderMap, body: String| async move {
        let key = headers.get("x-key").and_then(|key| key.to_str().ok()).unwrap_or_default().to_owned();
        asked.lock().unwrap().push((key, body));
        (status, answer)
    };
    let router = Router::new().route("/send", post(handler)).with_state(asked.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/send", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, asked)
}

fn http(url: String) -> Option<HttpSettings> {
    Some(HttpSettings {
        url,
        method: reqwest::Method::POST,
        headers: HeaderMap::from_iter([header("X-Key: secret").unwrap()]),
        body: r#"{"to":"{number}","text":"{text}"}"#.into(),
        escape: Escape::Json,
        success: Some("\"code\":0".into()),
    })
}

#[tokio::test]
async fn a_service_is_asked_as_the_template_says() {
    let (url, asked) = service(StatusCode::OK, "{\"code\":0}").await;
    assert_eq!(line(http(url), None).send(&first()).await, ContactResult::Taken);
    let (key, body) = asked.lock().unwrap().remove(0);
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((key.as_str(), &body["to"]), ("secret", &NUMBER.into()));
    let text = body["text"].as_str().unwrap();
    assert!(text.contains("home-1 老人紧急呼叫") && text.contains("the elder called for help") && !text.contains('{'));
}

#[tokio::test]
async fn a_refusal_by_status_or_by_word_is_one_and_a_dead_service_is_unreachable() {
    let (url, _) = service(StatusCode::FORBIDDEN, "{\"code\":0}").await;
    assert_eq!(line(http(url), None).send(&first()).await, ContactResult::Refused);
    let (url, _) = service(StatusCode::OK, "{\"code\":7}").await;
    assert_eq!(line(http(url), None).send(&first()).await, ContactResult::Refused);
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(line(http(format!("http://{dead}/send")), None).send(&first()).await, ContactResult::Unreachable);
    assert_eq!(line(None, None).send(&first()).await, ContactResult::Unreachable);
    let nobody = Contacting { contact: 2, ..first() };
    assert_eq!(line(None, None).send(&nobody).await, ContactResult::Unreachable);
}

/// A modem behind a pty: answers each command as `answers` says and keeps what it was told.
struct FakeModem {
    settings: ModemSettings,
    heard: Arc<Mutex<Vec<String>>>,
    /// Held open, so that the line lives as long as the modem.
    _line: File,
}

impl FakeModem {
    fn start(answers: fn(&str) -> Option<&'static str>) -> Self {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&controller).unwrap();
        unlockpt(&controller).unwrap();
        let device = PathBuf::from(ptsname(&controller, Vec::new()).unwrap().into_string().unwrap());
        let line = File::options().read(true).write(true).open(&device).unwrap();
        // Raw from the start: an echo of the terminal's own would answer the modem.
        let mut attributes = rustix::termios::tcgetattr(&line).unwrap();
        attributes.make_raw();
        rustix::termios::tcsetattr(&line, rustix::termios::OptionalActions::Now, &attributes).unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heard);
        std::thread::spawn(move || {
            let mut modem = File::from(controller);
            let (mut command, mut byte) = (Vec::new(), [0]);
            while modem.read(&mut byte).is_ok_and(|read| read == 1) {
                if byte[0] != b'\r' && byte[0] != 0x1a {
                    command.push(byte[0]);
                    continue;
                }
                let told = String::from_utf8_lossy(&std::mem::take(&mut command)).into_owned();
                let answer = answers(&told);
                kept.lock().unwrap().push(told);
                if let Some(answer) = answer
                    && modem.write_all(answer.as_bytes()).is_err()
                {
                    return;
                }
            }
        });
        let settings = ModemSettings { device, baud: 115_200, pin: Some("1234".into()) };
        Self { settings, heard, _line: line }
    }

    fn line(&self) -> ContactLine {
        line(None, Some(self.settings.clone()))
    }
}

fn works(command: &str) -> Option<&'static str> {
    Some(match command {
        "AT+CPIN?" => "\r\n+CPIN: SIM PIN\r\n\r\nOK\r\n",
        command if command.starts_with("AT+CMGS=") => "\r\n> ",
        command if command.starts_with("AT") => "\r\nOK\r\n",
        _ => "\r\n+CMGS: 12\r\n\r\nOK\r\n",
    })
}

#[tokio::test]
async fn a_modem_is_given_its_pin_and_the_message_in_units_that_carry_chinese() {
    let modem = FakeModem::start(works);
    assert_eq!(modem.line().send(&first()).await, ContactResult::Taken);
    let heard = modem.heard.lock().unwrap();
    assert_eq!(heard[..5], ["AT", "ATE0", "AT+CMEE=1", "AT+CPIN?", "AT+CPIN=\"1234\""]);
    assert_eq!(heard[5], "AT+CMGF=0");
    let units: Vec<_> = heard[6..].chunks(2).collect();
    assert!(units.len() > 1, "the message is longer than one unit");
    for unit in units {
        let octets = unit[1].len() / 2 - 1;
        assert_eq!(unit[0], format!("AT+CMGS={octets}"));
        assert!(unit[1].contains("0D91683108108300F0"), "the number");
    }
    // 紧急 in UCS2.
    assert!(heard[7].contains("7D276025"));
}

#[tokio::test]
async fn a_network_that_refuses_a_message_is_told_as_a_refusal() {
    let modem = FakeModem::start(|command| {
        Some(match command {
            command if command.starts_with("AT") => return works(command),
            _ => "\r\n+CMS ERROR: 38\r\n",
        })
    });
    assert_eq!(modem.line().send(&first()).await, ContactResult::Refused);
}

#[tokio::test]
async fn the_modem_is_tried_after_the_service_alone_fails() {
    let modem = FakeModem::start(works);
    let (url, asked) = service(StatusCode::OK, "{\"code\":0}").await;
    let both = |url: String| line(http(url), Some(modem.settings.clone()));
    assert_eq!(both(url).send(&first()).await, ContactResult::Taken);
    assert_eq!((asked.lock().unwrap().len(), modem.heard.lock().unwrap().len()), (1, 0));
    let (url, asked) = service(StatusCode::FORBIDDEN, "").await;
    assert_eq!(both(url).send(&first()).await, ContactResult::Taken);
    assert_eq!(asked.lock().unwrap().len(), 1);
    assert!(!modem.heard.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_modem_that_is_absent_is_unreachable_and_what_the_service_refused_stays_refused() {
    let absent = ModemSettings { device: "/dev/no-such-modem".into(), baud: 9_600, pin: None };
    assert_eq!(line(None, Some(absent.clone())).send(&first()).await, ContactResult::Unreachable);
    let (url, _) = service(StatusCode::FORBIDDEN, "").await;
    assert_eq!(line(http(url), Some(absent)).send(&first()).await, ContactResult::Refused);
}

/// A way of somebody's own, that needs nothing but the trait.
struct Slip(Arc<Mutex<Vec<String>>>);

#[async_trait]
impl Way for Slip {
    fn name(&self) -> &'static str {
        "slip"
    }

    async fn send(&self, number: &str, _text: &str) -> Result<(), SendError> {
        self.0.lock().unwrap().push(number.to_owned());
        Ok(())
    }
}

#[tokio::test]
async fn a_further_way_stands_beside_the_two() {
    let slips = Arc::default();
    let absent = ModemSettings { device: "/dev/no-such-modem".into(), baud: 9_600, pin: None };
    let mut line = line(None, Some(absent));
    line.ways.push(Box::new(Slip(Arc::clone(&slips))));
    assert_eq!(line.send(&first()).await, ContactResult::Taken);
    assert_eq!(*slips.lock().unwrap(), [NUMBER]);
}
