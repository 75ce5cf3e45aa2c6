//! Clients that ask without pause and remember every answer.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::{Result, ensure};
use reqwest::Client;
use serde_json::{Value, json};
use testkit::{World, until};
use tokio::task::JoinSet;

/// What a client got for a request.
#[derive(Clone)]
pub(super) struct Answer {
    pub(super) id: String,
    request: String,
    response: String,
}

/// Answers to many clients, and how many requests were refused because they could not be recorded.
#[derive(Clone, Default)]
pub(super) struct Load {
    answers: Arc<Mutex<Vec<Answer>>>,
    refused: Arc<AtomicU64>,
    asked: Arc<AtomicU64>,
}

impl Load {
    /// Starts `clients` that ask until they are dropped; one whose API is gone ends.
    pub(super) fn start(&self, url: &str, clients: usize) -> JoinSet<()> {
        let mut running = JoinSet::new();
        for _ in 0..clients {
            let (load, url) = (self.clone(), format!("{url}/v1/predictions"));
            running.spawn(async move { while load.ask(&Client::new(), &url, 50).await.is_ok() {} });
        }
        running
    }

    async fn ask(&self, client: &Client, url: &str, times: u32) -> Result<()> {
        for _ in 0..times {
            let number = self.asked.fetch_add(1, Ordering::SeqCst);
            let request = json!({"carat": number, "cut": "?", "color": "H", "clarity": "SI1"}).to_string();
            let sent = client
                .post(url)
                .header("content-type", "application/json")
                .body(request.clone());
            let answer = sent.send().await?;
            let id = answer.headers()["x-request-id"].to_str()?.to_owned();
            let response = answer.text().await?;
            if response.contains("cannot be recorded") {
                self.refused.fetch_add(1, Ordering::SeqCst);
                continue;
            }
            self.answers().push(Answer {
                id,
                request,
                response,
            });
        }
        Ok(())
    }

    fn answers(&self) -> std::sync::MutexGuard<'_, Vec<Answer>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn len(&self) -> usize {
        self.answers().len()
    }

    /// The id of the answer that came last.
    pub(super) fn last(&self) -> Option<String> {
        self.answers().last().map(|answer| answer.id.clone())
    }

    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::SeqCst)
    }

    /// Waits for so many answers more.
    pub(super) async fn grows(&self, more: usize) -> Result<()> {
        let wanted = self.len() + more;
        until(&format!("{wanted} answers"), async || {
            Ok((self.len() >= wanted).then_some(()))
        })
        .await
    }

    /// Every answer that a client got is on record once, with the bytes that the client saw.
    pub(super) async fn is_on_record(&self, world: &World) -> Result<()> {
        // Those of this moment: clients may go on meanwhile.
        let answers = self.answers().clone();
        let recorded = until("the records of all that was answered", async || {
            let recorded = recorded(world).await?;
            let missing = answers
                .iter()
                .filter(|answer| !recorded.contains_key(&answer.id))
                .count();
            Ok((missing == 0).then_some(recorded))
        })
        .await?;
        for answer in &answers {
            let rows = recorded.get(&answer.id).map_or(&[][..], Vec::as_slice);
            let expected = json!({"id": answer.id, "request": answer.request, "response": answer.response});
            ensure!(
                rows == [expected.clone()],
                "a client got {expected}, on record is {rows:?}"
            );
        }
        println!(
            "{} answers were received, and all are on record once as they went; {} requests were refused",
            answers.len(),
            self.refused()
        );
        Ok(())
    }
}

/// The records of predictions, by their ids.
async fn recorded(world: &World) -> Result<HashMap<String, Vec<Value>>> {
    let rows = world
        .database
        .query(
            "SELECT id::text, convert_from(request_body, 'UTF8') AS request, \
             convert_from(response_body, 'UTF8') AS response FROM traffic WHERE path = '/v1/predictions'",
        )
        .await?;
    let mut recorded: HashMap<String, Vec<Value>> = HashMap::new();
    for row in rows {
        let id = row["id"].as_str().unwrap_or_default().to_owned();
        recorded.entry(id).or_default().push(row);
    }
    Ok(recorded)
}
