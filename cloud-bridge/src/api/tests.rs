//! The API over a real socket.

use std::collections::BTreeSet;

use protocol::downlink::DownlinkAnswer;
use protocol::feed::FeedPage;
use protocol::ids::{Hash32, WorkOrderId};
use protocol::problem::PROBLEM_MEDIA_TYPE;
use protocol::record::{Body, Record};
use protocol::stage::Stage;
use protocol::uplink::{UPLINK_BYTES_MAX, UPLINK_RECORDS_MAX, UplinkAnswer};
use protocol::visit::{Grade, VisitAct, VisitRecord};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::*;
use crate::centre::Centre;
use crate::server::{Running, ServeError};
use crate::store::memory::MemoryStore;
use crate::testing::{Journal, trigger};

const HOME: &str = "token-of-home-1-token-of-home-1-token";
const OTHER_HOME: &str = "token-of-home-2-token-of-home-2-token";
const WANG: &str = "token-of-wang-token-of-wang-token-of-wang";
const LI: &str = "token-of-li-token-of-li-token-of-li-token";
const VIEWER: &str = "token-of-viewer-token-of-viewer-token";
const INTEGRATOR: &str = "token-of-integrator-token-of-integrator";
const INSTALLER: &str = "token-of-installer-token-of-installer";

fn config(dir: &std::path::Path) -> CentreConfig {
    let text = format!(
        "listen = '127.0.0.1:0'\ndata_dir = '{}'\ntenant = 'demo'\n
        [[gateway]]\nid = 'home-1'\ntoken = '{HOME}'\n[[gateway]]\nid = 'home-2'\ntoken = '{OTHER_HOME}'\n
        [[user]]\nname = 'wang'\nrole = 'dispatcher'\ntoken = '{WANG}'\n
        [[user]]\nname = 'li'\nrole = 'dispatcher'\ntoken = '{LI}'\n
        [[user]]\nname = 'viewer'\nrole = 'viewer'\ntoken = '{VIEWER}'\n
        [[user]]\nname = 'installer'\nrole = 'installer'\ntoken = '{INSTALLER}'\n
        [[user]]\nname = 'city'\nrole = 'integrator'\ntoken = '{INTEGRATOR}'\n",
        dir.display()
    );
    CentreConfig::parse(&text).unwrap()
}

/// A running centre, a client, and a home to send from.
struct World {
    dir: tempfile::TempDir,
    running: Running,
    client: reqwest::Client,
    journal: Journal,
}

impl World {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let running = Running::start(&config(dir.path())).await.unwrap();
        Self { dir, running, client: reqwest::Client::new(), journal: Journal::new("home-1") }
    }

    fn request(&self, method: Method, path: &str, token: &str) -> reqwest::RequestBuilder {
        let url = format!("http://{}{path}", self.running.address());
        let request = self.client.request(method, url);
        if token.is_empty() { request } else { request.bearer_auth(token) }
    }

    async fn get(&self, path: &str, token: &str) -> Value {
        let response = self.request(Method::GET, path, token).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        response.json().await.unwrap()
    }

    async fn post(&self, path: &str, token: &str, body: Value) -> (u16, Value) {
        let response = self.request(Method::POST, path, token).json(&body).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    async fn send(&self, records: Vec<Record>) -> UplinkAnswer {
        let batch = self.journal.batch(records);
        let response = self.request(Method::POST, "/v1/uplink", HOME).json(&batch).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        response.json().await.unwrap()
    }

    /// A press, and the path of the order it opened or joined.
    async fn press(&mut self) -> String {
        let press = self.journal.press();
        assert_eq!(self.send(vec![press]).await.receipts.len(), 1);
        let orders = self.get("/v1/work-orders?state=open", VIEWER).await;
        format!("/v1/work-orders/{}", orders["work_orders"][0]["id"].as_str().unwrap())
    }

    async fn feed(&self, after: u64) -> Vec<String> {
        let page: FeedPage =
            serde_json::from_value(self.get(&format!("/v1/feed?after={after}"), INTEGRATOR).await).unwrap();
        page.events.into_iter().map(|event| format!("{} {}", event.feedseq, event.kind)).collect()
    }
}

#[tokio::test]
async fn a_press_is_on_the_feed_once_however_often_it_is_sent() {
    let mut world = World::start().await;
    let press = world.journal.press();
    let first = world.send(vec![press.clone()]).await;
    let second = world.send(vec![press.clone()]).await;
    assert_eq!(first, second);
    assert_eq!((first.receipts[0].key, first.receipts[0].hash), (press.key(), press.hash));
    assert_eq!(world.feed(0).await, ["1 workorder.opened"]);
    let page = world.get("/v1/feed", INTEGRATOR).await;
    assert_eq!((page["next"].as_str(), page["more"].as_bool()), (Some("1"), Some(false)));
    let event = &page["events"][0];
    assert_eq!(event["source"], "/tenants/demo/cloud-bridge");
    assert_eq!(event["subject"], event["data"]["id"]);
    assert_eq!((event["data"]["ring"].as_bool(), event["data"]["presses"].as_u64()), (Some(true), Some(1)));
}

#[tokio::test]
async fn a_record_under_a_known_key_with_another_hash_is_refused_and_counted() {
    let mut world = World::start().await;
    let press = world.journal.press();
    let mut other = press.clone();
    other.hash = Hash32([3; 32]);
    assert_eq!(world.send(vec![press]).await.refused, []);
    let answer = world.send(vec![other]).await;
    assert_eq!((answer.receipts.len(), answer.refused[0].reason.as_str()), (0, "hash_conflict"));
    let metrics = world.request(Method::GET, "/metrics", "").send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("\ncloud_bridge_hash_conflicts_total 1\n"), "{metrics}");
    assert!(metrics.contains("\ncloud_bridge_records_stored_total 1\n"), "{metrics}");
}

#[tokio::test]
async fn a_newer_gateways_records_do_not_stop_the_rest_and_its_alarms_are_raised() {
    let mut world = World::start().await;
    let known = world.journal.seal(Body::Stopped);
    let unknown_body = world.journal.seal(Body::Stopped);
    let unknown_reason = world.journal.press();
    let mut batch =
        serde_json::to_value(world.journal.batch(vec![known.clone(), unknown_body, unknown_reason])).unwrap();
    batch["records"][1]["body"] = json!({ "hologram": { "n": 1 } });
    batch["records"][2]["body"]["trigger"]["reason"] = json!("telepathy");
    let (status, answer) = world.post("/v1/uplink", HOME, batch.clone()).await;
    let answer: UplinkAnswer = serde_json::from_value(answer).unwrap();
    assert_eq!((status, answer.receipts.iter().map(|r| r.key.seq).collect::<Vec<_>>()), (200, vec![1, 3]));
    assert_eq!((answer.refused[0].key.seq, answer.refused[0].reason.as_str()), (2, "not_understood"));
    assert_eq!(world.feed(0).await, ["1 workorder.opened"]);
    let (_, again) = world.post("/v1/uplink", HOME, batch).await;
    assert_eq!(serde_json::from_value::<UplinkAnswer>(again).unwrap(), answer);
    assert_eq!(world.feed(0).await.len(), 1, "sent again it is the same press");
}

#[tokio::test]
async fn every_route_asks_for_the_credential_it_needs() {
    let mut world = World::start().await;
    let order = world.press().await;
    let gateway = [HOME];
    let readers = [WANG, VIEWER];
    let feed = [WANG, VIEWER, INTEGRATOR];
    let dispatchers = [WANG];
    let mut seen = BTreeSet::new();
    for (method, path, _) in routes() {
        let allowed: &[&str] = match path {
            "/v1/uplink" | "/v1/downlink" => &gateway,
            "/v1/feed" | "/v1/feed/stream" => &feed,
            "/v1/work-orders" | "/v1/work-orders/{id}" => &readers,
            "/v1/openapi.json" | "/healthz" | "/metrics" => continue,
            _ => &dispatchers,
        };
        let method: Method = method.to_uppercase().parse().unwrap();
        let path = path.replace("/v1/work-orders/{id}", &order);
        for token in ["", "a-token-that-nobody-has-a-token-that", HOME, WANG, VIEWER, INTEGRATOR, INSTALLER] {
            let status = world.request(method.clone(), &path, token).send().await.unwrap().status().as_u16();
            let known = [HOME, WANG, VIEWER, INTEGRATOR, INSTALLER].contains(&token);
            let expected = if allowed.contains(&token) {
                0
            } else if known {
                403
            } else {
                401
            };
            let fits = if expected == 0 { status != 401 && status != 403 } else { status == expected };
            assert!(fits, "{method} {path} with {token:?}: {status}");
            seen.insert(status);
        }
    }
    assert!(seen.contains(&200) && seen.contains(&401) && seen.contains(&403), "{seen:?}");
    let batch = serde_json::to_value(world.journal.batch(vec![])).unwrap();
    let (status, problem) = world.post("/v1/uplink", OTHER_HOME, batch).await;
    assert_eq!((status, problem["type"].as_str()), (403, Some("/problems/forbidden")));
}

#[tokio::test]
async fn every_error_is_a_problem_detail() {
    let mut world = World::start().await;
    let order = world.press().await;
    let nobody = WorkOrderId::opened_at_centre(1);
    let too_many = vec![world.journal.seal(Body::Stopped); UPLINK_RECORDS_MAX + 1];
    let too_many = serde_json::to_vec(&world.journal.batch(too_many)).unwrap();
    let post = |path: &str, token| world.request(Method::POST, path, token);
    let json_body = |request: reqwest::RequestBuilder, body: &str| {
        request.header("content-type", "application/json").body(body.to_owned())
    };
    let cases = [
        (401, "unauthorised", world.request(Method::GET, "/v1/feed", "")),
        (404, "not-found", world.request(Method::GET, "/v1/nothing", WANG)),
        (404, "no-such-work-order", world.request(Method::GET, &format!("/v1/work-orders/{nobody}"), WANG)),
        (404, "no-such-work-order", post("/v1/work-orders/wo_x/claim", WANG)),
        (405, "method-not-allowed", world.request(Method::DELETE, "/v1/feed", WANG)),
        (400, "malformed", json_body(post("/v1/uplink", HOME), "{\"v\":1,")),
        (422, "unprocessable", json_body(post("/v1/uplink", HOME), "{\"v\":1}")),
        (413, "too-large", json_body(post("/v1/uplink", HOME), &"x".repeat(UPLINK_BYTES_MAX + 1))),
        (413, "too-large", json_body(post("/v1/uplink", HOME), std::str::from_utf8(&too_many).unwrap())),
        (415, "not-json", post("/v1/uplink", HOME).body("{}")),
        (400, "malformed", world.request(Method::GET, "/v1/feed?after=now", WANG)),
        (400, "malformed", world.request(Method::GET, "/v1/feed?after=9223372036854775808", WANG)),
        (400, "malformed", world.request(Method::GET, "/v1/downlink?after=9223372036854775808", HOME)),
        (400, "malformed", world.request(Method::GET, "/v1/work-orders?state=sleeping", WANG)),
        (410, "feed-gone", world.request(Method::GET, "/v1/feed?after=99", WANG)),
        (422, "unprocessable", json_body(post(&format!("{order}/close"), WANG), "{\"cod\":\"test\"}")),
        (409, "unclaimed", json_body(post(&format!("{order}/close"), WANG), "{\"code\":\"test\"}")),
        (412, "version-mismatch", post(&format!("{order}/claim"), WANG).header("if-match", "\"9\"")),
        (400, "malformed", post(&format!("{order}/claim"), WANG).header("if-match", "newest")),
        (400, "malformed", post(&format!("{order}/claim"), WANG).header("idempotency-key", "")),
    ];
    for (status, kind, request) in cases {
        let response = request.send().await.unwrap();
        let (found, kept) = (response.status().as_u16(), response.headers().clone());
        let problem: Value = response.json().await.unwrap();
        assert_eq!(
            (found, problem["type"].as_str()),
            (status, Some(format!("/problems/{kind}").as_str())),
            "{problem}"
        );
        assert_eq!(kept["content-type"], PROBLEM_MEDIA_TYPE, "{problem}");
        assert_eq!(problem["status"], status);
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{problem}");
    }
}

#[tokio::test]
async fn of_two_who_claim_at_once_one_has_it_and_the_other_learns_who() {
    let mut world = World::start().await;
    let order = world.press().await;
    let claim = |token| world.request(Method::POST, &format!("{order}/claim"), token).send();
    let (first, second) = tokio::join!(claim(WANG), claim(LI));
    let (first, second) = (first.unwrap(), second.unwrap());
    let statuses = BTreeSet::from([first.status().as_u16(), second.status().as_u16()]);
    assert_eq!(statuses, BTreeSet::from([200, 409]));
    let (won, lost) = if first.status() == StatusCode::OK { (first, second) } else { (second, first) };
    assert_eq!(won.headers()["etag"], "\"2\"");
    let (won, lost): (Value, Value) = (won.json().await.unwrap(), lost.json().await.unwrap());
    assert_eq!((lost["type"].as_str(), &lost["owner"]), (Some("/problems/already-claimed"), &won["owner"]));
    assert_eq!(world.feed(1).await, ["2 workorder.claimed"]);
}

#[tokio::test]
async fn a_command_sent_again_with_its_key_is_carried_out_once() {
    let mut world = World::start().await;
    let order = world.press().await;
    let note = |text: &str, key: &str| {
        let request = world.request(Method::POST, &format!("{order}/note"), WANG).header("idempotency-key", key);
        request.json(&json!({ "text": text })).send()
    };
    let first: Value = note("seen", "k-1").await.unwrap().json().await.unwrap();
    let again: Value = note("seen", "k-1").await.unwrap().json().await.unwrap();
    assert_eq!((&first, first["ver"].as_u64()), (&again, Some(2)));
    let reused = note("other", "k-1").await.unwrap();
    assert_eq!(reused.status().as_u16(), 422);
    assert_eq!(note("other", "k-2").await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn an_order_lives_from_press_to_close_and_the_home_is_told_each_stage() {
    let mut world = World::start().await;
    let order = world.press().await;
    let mut told = Vec::new();
    let mut after = 0;
    let mut poll = async |world: &World, after: &mut u64| {
        let answer = world.get(&format!("/v1/downlink?after={after}&wait=30"), HOME).await;
        let answer: DownlinkAnswer = serde_json::from_value(answer).unwrap();
        *after = answer.next;
        told.push(answer.orders.first().map(|order| order.stage));
    };
    poll(&world, &mut after).await;
    let steps = [
        ("claim", json!({})),
        ("dispatch", json!({ "responder": "cg-17" })),
        ("", json!("check-in")),
        ("", json!("check-out")),
        ("close", json!({ "code": "real.fall", "outcome": "responder_visited", "note": "in bed, warm" })),
    ];
    for (command, body) in steps {
        // The poll is on its way before the change: it must be woken by it.
        let (polled, ()) = tokio::join!(poll(&world, &mut after), async {
            if command.is_empty() {
                let act = if body == "check-in" { VisitAct::CheckIn } else { VisitAct::CheckOut };
                let mut journal = Journal::new("home-1");
                let _press = journal.press();
                let visits =
                    [journal.visit(VisitAct::CheckIn, Grade::Proven), journal.visit(VisitAct::CheckOut, Grade::Proven)];
                let visit = visits
                    .into_iter()
                    .find(|visit| matches!(&visit.body, Body::Visit(VisitRecord { act: a, .. }) if *a == act));
                assert_eq!(world.send(vec![visit.unwrap()]).await.receipts.len(), 1);
            } else {
                let (status, answer) = world.post(&format!("{order}/{command}"), WANG, body).await;
                assert_eq!(status, 200, "{answer}");
            }
        });
        let () = polled;
    }
    let stages =
        [Some(Stage::Received), Some(Stage::Taken), Some(Stage::Coming), Some(Stage::Here), Some(Stage::Taken), None];
    assert_eq!(told, stages);
    let closed = world.get(&order, VIEWER).await;
    let lines: Vec<_> =
        closed["timeline"].as_array().unwrap().iter().map(|line| line["what"].as_str().unwrap()).collect();
    assert_eq!(lines, ["opened", "claimed", "dispatched", "on_scene_by_visit", "checked_out", "closed"]);
    assert_eq!(closed["closed"]["code"], "real.fall");
    assert_eq!(world.get("/v1/work-orders?state=closed", VIEWER).await["work_orders"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_feed_answers_a_waiting_caller_with_the_news() {
    let mut world = World::start().await;
    let waiting = world.request(Method::GET, "/v1/feed?after=0&wait=30", INTEGRATOR).send();
    let press = world.journal.press();
    let (waited, _) = tokio::join!(waiting, world.send(vec![press]));
    let page: FeedPage = waited.unwrap().json().await.unwrap();
    assert_eq!((page.events.len(), page.next.as_str(), page.more), (1, "1", false));
    for _ in 0..3 {
        world.press().await;
    }
    let page = world.get("/v1/feed?after=1&limit=2", INTEGRATOR).await;
    assert_eq!((page["next"].as_str(), page["more"].as_bool()), (Some("3"), Some(true)));
}

/// Reads a stream until `wanted` events have come, comments and the greeting left out.
async fn events(response: &mut reqwest::Response, wanted: usize) -> Vec<(String, String)> {
    let mut text = String::new();
    loop {
        let found: Vec<_> = text
            .split_inclusive("\n\n")
            .filter(|frame| frame.ends_with("\n\n"))
            .filter_map(|frame| {
                let id = frame.lines().find_map(|line| line.strip_prefix("id: "))?;
                let kind = frame.lines().find_map(|line| line.strip_prefix("event: "))?;
                let data = frame.lines().find_map(|line| line.strip_prefix("data: "))?;
                assert!(serde_json::from_str::<Value>(data).is_ok(), "{data}");
                Some((id.to_owned(), kind.to_owned()))
            })
            .collect();
        if found.len() >= wanted {
            return found;
        }
        match response.chunk().await.unwrap() {
            Some(chunk) => text.push_str(std::str::from_utf8(&chunk).unwrap()),
            None => return found,
        }
    }
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(id, kind)| ((*id).to_owned(), (*kind).to_owned())).collect()
}

#[tokio::test]
async fn a_stream_resumes_after_the_last_event_and_ends_with_the_service() {
    let mut world = World::start().await;
    let order = world.press().await;
    world.press().await;
    let stream = |query: &str| world.request(Method::GET, &format!("/v1/feed/stream{query}"), INTEGRATOR);
    let mut all = stream("?after=0").send().await.unwrap();
    assert_eq!(all.headers()["content-type"], "text/event-stream");
    assert_eq!(all.chunk().await.unwrap().unwrap(), "retry: 3000\n\n");
    let two = pairs(&[("1", "workorder.opened"), ("2", "workorder.updated")]);
    assert_eq!(events(&mut all, 2).await, two);
    let mut resumed = stream("?after=0").header("last-event-id", "1").send().await.unwrap();
    assert_eq!(events(&mut resumed, 1).await, two[1..]);
    let mut live = stream("").send().await.unwrap();
    assert_eq!(live.chunk().await.unwrap().unwrap(), "retry: 3000\n\n");
    for lost in ["99", "evt_x"] {
        let mut lost = stream("").header("last-event-id", lost).send().await.unwrap();
        assert_eq!(events(&mut lost, 1).await, pairs(&[("2", "feed.reset")]));
    }
    let (status, _) = world.post(&format!("{order}/claim"), WANG, json!({})).await;
    assert_eq!(status, 200);
    let claimed = pairs(&[("3", "workorder.claimed")]);
    assert_eq!(events(&mut live, 1).await, claimed);
    assert_eq!(events(&mut resumed, 1).await, claimed);
    world.running.stop().await;
    assert_eq!(events(&mut live, 1).await, [], "the stream has ended");
}

#[tokio::test]
async fn what_is_committed_is_there_after_a_restart_and_the_feed_goes_on() {
    let mut world = World::start().await;
    let order = world.press().await;
    let taken = ServeError::PortTaken(world.running.address()).to_string();
    let same_port = CentreConfig { listen: world.running.address(), ..config(world.dir.path()) };
    assert_eq!(Running::start(&same_port).await.unwrap_err().to_string(), taken);
    let same_dir = Running::start(&config(world.dir.path())).await.unwrap_err();
    assert!(matches!(same_dir, ServeError::InUse(_)), "{same_dir}");
    world.running.stop().await;
    world.running = Running::start(&config(world.dir.path())).await.unwrap();
    assert_eq!(world.get(&order, VIEWER).await["presses"], 1);
    world.press().await;
    assert_eq!(world.feed(0).await, ["1 workorder.opened", "2 workorder.updated"]);
    assert_eq!(world.feed(1).await, ["2 workorder.updated"]);
    let downlink = world.get("/v1/downlink", HOME).await;
    assert_eq!((downlink["next"].as_u64(), downlink["lease_secs"].as_u64()), (Some(2), Some(180)));
}

#[tokio::test]
async fn a_pre_alarm_that_nobody_cancels_becomes_an_order_by_itself() {
    let mut world = World::start().await;
    let pre_alarm = world.journal.pre_alarm(1);
    world.send(vec![pre_alarm]).await;
    let page: FeedPage = serde_json::from_value(world.get("/v1/feed?after=0&wait=30", INTEGRATOR).await).unwrap();
    assert_eq!(page.events[0].kind, "workorder.opened");
    assert_eq!(page.events[0].data["reason"], "pre_alarm_not_cancelled");
}

#[tokio::test]
async fn health_fails_when_nothing_can_be_committed() {
    let world = World::start().await;
    assert_eq!(world.get("/healthz", "").await["status"], "ok");
    let mut store = MemoryStore::new();
    store.fail_after(Some(0));
    let (clock, metrics, outlet) = (Arc::new(Clock::start()), Arc::default(), Arc::new(Outlet::new("demo", 0)));
    let (writer, _thread) =
        Writer::start(Centre::open(store).unwrap(), Arc::clone(&outlet), Arc::clone(&clock), Arc::clone(&metrics))
            .unwrap();
    let (_stop, stopping) = watch::channel(false);
    let config = config(world.dir.path());
    let heartbeats = Arc::new(std::sync::Mutex::new(crate::heartbeat::Heartbeats::start(config.heartbeat, [], 0)));
    let app = App::new(&config, PathBuf::new(), (writer, outlet, heartbeats), clock, metrics, stopping);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move { axum::serve(listener, router(app)).await });
    let post = world.client.post(format!("http://{address}/v1/uplink")).bearer_auth(HOME);
    let refused = post.json(&world.journal.batch(vec![])).send().await.unwrap();
    assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].to_str().unwrap()), (503, "1"));
    let health = world.client.get(format!("http://{address}/healthz")).send().await.unwrap();
    assert_eq!(health.status().as_u16(), 503);
    serving.abort();
}

#[tokio::test]
async fn the_api_document_lists_every_route_and_nothing_else() {
    let world = World::start().await;
    let document = world.get("/v1/openapi.json", "").await;
    assert_eq!(document["openapi"].as_str().map(|version| version.starts_with("3.1")), Some(true));
    let mut listed = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        listed.extend(item.as_object().unwrap().keys().map(|method| format!("{method} {path}")));
    }
    let routed: BTreeSet<_> = routes().iter().map(|(method, path, _)| format!("{method} {path}")).collect();
    assert_eq!(listed, routed);
    let text = document.to_string();
    for reference in text.split("#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(document["components"]["schemas"][name].is_object(), "{name} is described");
    }
}

/// Every key of `value` is described, and every required one is there.
fn fits(document: &Value, schema: &str, value: &Value) {
    let schema_value = &document["components"]["schemas"][schema];
    let described = schema_value["properties"].as_object().unwrap_or_else(|| panic!("{schema} is described"));
    let keys: BTreeSet<_> = value.as_object().unwrap().keys().collect();
    assert_eq!(keys, described.keys().collect(), "{schema}");
}

#[tokio::test]
async fn the_api_document_describes_what_is_really_written() {
    let mut world = World::start().await;
    let order = world.press().await;
    let document = world.get("/v1/openapi.json", "").await;
    let check_in = world.journal.visit(VisitAct::CheckIn, Grade::Proven);
    let pre_alarm = world.journal.pre_alarm(30_000);
    let cancel = world.journal.cancel(pre_alarm.key());
    let mut tested = trigger(protocol::trigger::TriggerKind::Sos, protocol::trigger::Reason::ButtonPressed, None);
    tested.test = true;
    let tested = world.journal.seal(Body::Trigger(tested));
    let mut conflict = check_in.clone();
    conflict.hash = Hash32([1; 32]);
    let batch = world.journal.batch(vec![check_in, pre_alarm, cancel, tested, conflict]);
    let sent = serde_json::to_value(&batch).unwrap();
    fits(&document, "UplinkRequest", &sent);
    fits(&document, "Stamp", &sent["sent"]);
    fits(&document, "Record", &sent["records"][0]);
    let (_, answer) = world.post("/v1/uplink", HOME, sent).await;
    fits(&document, "UplinkAnswer", &answer);
    fits(&document, "Receipt", &answer["receipts"][0]);
    fits(&document, "LocalKey", &answer["receipts"][0]["key"]);
    fits(&document, "Refusal", &answer["refused"][0]);
    let downlink = world.get("/v1/downlink", HOME).await;
    fits(&document, "DownlinkAnswer", &downlink);
    fits(&document, "OrderProgress", &downlink["orders"][0]);
    let page = world.get("/v1/feed", INTEGRATOR).await;
    fits(&document, "FeedPage", &page);
    let mut notices = BTreeSet::new();
    for event in page["events"].as_array().unwrap() {
        fits(&document, "FeedEvent", event);
        let kind = event["type"].as_str().unwrap();
        let schema = match kind.split('.').next().unwrap() {
            "workorder" => "WorkOrderNotice",
            "care_visit" => "VisitNotice",
            "prealarm" => "PreAlarmNotice",
            "test" => "TestNotice",
            other => panic!("{other}"),
        };
        fits(&document, schema, &event["data"]);
        notices.insert(schema);
    }
    assert_eq!(notices.len(), 4);
    let one = world.get(&order, VIEWER).await;
    fits(&document, "WorkOrderView", &one);
    fits(&document, "TimelineView", &one["timeline"][0]);
    let problem: Value = world.request(Method::GET, "/v1/feed", "").send().await.unwrap().json().await.unwrap();
    fits(&document, "Problem", &problem);
}
