//! Events in the order of their commits, as history and as a stream.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use reqwest::{Client, Response};
use serde_json::Value;
use testkit::in_world;
use tokio::time::timeout;

use super::{get, problem, served};

/// Longer than any event takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// One server-sent event: its id, and the CloudEvent.
async fn next(stream: &mut Response, buffer: &mut String) -> Result<(i64, Value)> {
    loop {
        if let Some((event, rest)) = buffer.split_once("\n\n") {
            let (event, rest) = (event.to_owned(), rest.to_owned());
            *buffer = rest;
            let field = |name: &str| {
                event
                    .lines()
                    .find_map(|line| line.strip_prefix(name))
                    .map(str::trim)
            };
            if let (Some(id), Some(data)) = (field("id:"), field("data:")) {
                return Ok((id.parse()?, serde_json::from_str(data)?));
            }
            continue;
        }
        let part = timeout(PATIENCE, stream.chunk()).await.context("no event came")?;
        let part = part?.context("the stream ended")?;
        buffer.push_str(std::str::from_utf8(&part)?);
    }
}

#[tokio::test]
async fn a_stream_goes_on_after_the_last_event_that_was_seen() -> Result<()> {
    in_world(|world| async move {
        let system = served(&world).await?;
        let url = format!("{}/v1/events/stream", system.url);
        let history = get(&format!("{}/v1/events", system.url)).await?;
        let history = history["items"].as_array().unwrap().clone();
        ensure!(history.len() > 3, "{history:?}");
        let follow = async |last: &str| {
            let request = Client::new().get(&url).header("last-event-id", last);
            anyhow::Ok(request.send().await?.error_for_status()?)
        };
        let (mut stream, mut buffer) = (follow("0").await?, String::new());
        assert_eq!(stream.headers()["content-type"], "text/event-stream");
        let mut ids = Vec::new();
        for event in &history {
            let (id, streamed) = next(&mut stream, &mut buffer).await?;
            assert_eq!(&streamed, event);
            ids.push(id);
        }
        ensure!(ids.is_sorted(), "{ids:?}");
        let (mut again, mut rest) = (follow(&ids[1].to_string()).await?, String::new());
        assert_eq!(next(&mut again, &mut rest).await?.1, history[2]);
        // What happens from now on comes by itself.
        world.drop_file("bad.csv", b"carat,cut\n1,Ideal\n")?;
        let (_, news) = next(&mut stream, &mut buffer).await?;
        assert_eq!(news["type"], "file.rejected");
        let wrong = Client::new()
            .get(&url)
            .header("last-event-id", "yesterday")
            .send()
            .await?;
        assert_eq!(problem(wrong).await?["errors"][0]["pointer"], "Last-Event-ID");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn an_event_that_commits_late_is_not_skipped() -> Result<()> {
    in_world(|world| async move {
        let system = served(&world).await?;
        let url = format!("{}/v1/events/stream?type=file.rejected", system.url);
        let mut stream = Client::new()
            .get(&url)
            .header("last-event-id", "0")
            .send()
            .await?;
        // The lock under which places are given out: a commit that began earlier holds it.
        let late = world.database.begin().await?;
        late.execute("SELECT pg_advisory_xact_lock(119165753556993)")
            .await?;
        world.drop_file("bad.csv", b"carat,cut\n1,Ideal\n")?;
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                       AND wait_event = 'advisory' AND application_name = 'ingest'";
        world.becomes(waiting, 1).await?;
        late.rollback().await?;
        let (_, event) = next(&mut stream, &mut String::new()).await?;
        assert_eq!(event["type"], "file.rejected");
        Ok(())
    })
    .await
}
