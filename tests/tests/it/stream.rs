//! The alert feed as a stream that is resumed where it broke.

use anyhow::{Context as _, ensure};
use sensor_sim::payload;
use serde_json::json;
use tests::harness::centre;

use crate::home::{BUTTON, Home, OrFail as _, PATIENCE, setup};

/// Reads the ids and kinds of the first `count` items of the stream after `last`.
async fn read(home: &Home, last: &str, count: usize) -> anyhow::Result<Vec<(String, String)>> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let request = client
        .get(format!("{}/v1/feed/stream", centre::url(&home.setup)))
        .bearer_auth(&home.setup.viewer().token)
        .header("last-event-id", last);
    let mut answer = request.send().await?;
    ensure!(answer.status() == 200, "{}", answer.status());
    let mut text = String::new();
    let reading = async {
        while text.matches("\nevent: ").count() < count || !text.ends_with("\n\n") {
            let chunk = answer.chunk().await?.context("the stream ended")?;
            text.push_str(&String::from_utf8_lossy(&chunk));
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(PATIENCE, reading).await.context("the stream says too little")??;
    let field = |frame: &str, key: &str| {
        let line = frame.lines().find_map(|line| line.strip_prefix(key));
        line.map(|value| value.trim().to_owned())
    };
    Ok(text.split("\n\n").filter_map(|frame| Some((field(frame, "id:")?, field(frame, "event:")?))).collect())
}

#[tokio::test]
async fn a_stream_goes_on_after_the_last_event_that_was_taken() -> anyhow::Result<()> {
    let home = Home::start(setup()?).await?;
    let mut checker = home.checker().await?;
    let press = payload::sos_press(BUTTON);
    checker.publish(&press.topic, &press.payload).await.or_fail()?;
    let order = home.presses(1).await?.id;
    let first = read(&home, "0", 1).await?;
    ensure!(first == [("1".to_owned(), "workorder.opened".to_owned())], "{first:?}");

    home.desk.order(order.as_str(), "claim", &json!({})).await.or_fail()?;
    home.desk.order(order.as_str(), "note", &json!({ "text": "calling back" })).await.or_fail()?;
    let rest = read(&home, "1", 2).await?;
    let expected = [("2", "workorder.claimed"), ("3", "workorder.updated")];
    ensure!(rest == expected.map(|(id, kind)| (id.to_owned(), kind.to_owned())), "{rest:?}");

    let lost = read(&home, "4000", 1).await?;
    ensure!(lost == [("3".to_owned(), "feed.reset".to_owned())], "{lost:?}");
    Ok(())
}
