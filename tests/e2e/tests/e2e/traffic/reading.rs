//! What operators see of it.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use reqwest::Client;
use serde_json::{Value, json};
use testkit::{in_world, until};

struct Operator {
    url: String,
    key: String,
}

impl Operator {
    async fn get(&self, path: &str) -> Result<Value> {
        let sent = Client::new()
            .get(format!("{}{path}", self.url))
            .bearer_auth(&self.key);
        Ok(sent.send().await?.json().await?)
    }

    async fn ids(&self, query: &str) -> Result<Vec<String>> {
        let list = self.get(&format!("/v1/traffic?{query}")).await?;
        let items = list["items"].as_array().cloned().unwrap_or_default();
        Ok(items
            .iter()
            .filter_map(|item| Some(item["id"].as_str()?.to_owned()))
            .collect())
    }
}

/// Ids of one millisecond have no order: waits until the clock shows another.
async fn next_millisecond() -> Result<()> {
    let shown = || anyhow::Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis());
    let before = shown()?;
    until("the next millisecond", async || {
        Ok((shown()? > before).then_some(()))
    })
    .await
}

/// Asks for three pages that are not there and for the models; the ids, the newest first.
async fn some_traffic(url: &str) -> Result<Vec<String>> {
    let mut ids = Vec::new();
    for path in ["/a", "/b", "/c", "/v1/models"] {
        let answer = reqwest::get(format!("{url}{path}")).await?;
        ids.insert(0, answer.headers()["x-request-id"].to_str()?.to_owned());
        next_millisecond().await?;
    }
    Ok(ids)
}

#[tokio::test]
async fn traffic_is_listed_by_filters_and_parts_the_newest_first() -> Result<()> {
    in_world(|world| async move {
        let api = world.start("api", &[]).await?;
        let url = api.address().await?;
        let ids = some_traffic(&url).await?;
        let operator = Operator {
            key: world.operator_key().await?,
            url,
        };
        assert_eq!(operator.ids("limit=4").await?, ids);
        assert_eq!(operator.ids("status=404").await?, ids[1..]);
        assert_eq!(operator.ids("path=/b").await?, ids[2..3]);
        assert_eq!(operator.ids("path=/b&status=200").await?, Vec::<String>::new());
        assert_eq!(operator.ids("model_version=1").await?, Vec::<String>::new());

        let second = operator.get(&format!("/v1/traffic/{}", ids[2])).await?;
        let at = second["at"].as_str().unwrap_or_default();
        assert_eq!(operator.ids(&format!("status=404&since={at}")).await?, ids[1..3]);
        assert_eq!(operator.ids(&format!("status=404&until={at}")).await?, ids[3..]);

        let part = operator.get("/v1/traffic?status=404&limit=2").await?;
        let cursor = part["next_cursor"].as_str().unwrap_or_default();
        assert_eq!(cursor, ids[2]);
        assert_eq!(
            operator
                .ids(&format!("status=404&limit=2&cursor={cursor}"))
                .await?,
            ids[3..]
        );
        let wrong = operator.get("/v1/traffic?since=yesterday").await?;
        assert_eq!(wrong["errors"][0]["pointer"], "since", "{wrong}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_record_shows_both_bodies_and_no_key() -> Result<()> {
    in_world(|world| async move {
        let api = world.start("api", &[]).await?;
        let (url, key) = (api.address().await?, world.operator_key().await?);
        let sent = Client::new().post(format!("{url}/v1/predictions?key={key}"));
        let sent = sent.header("content-type", "application/json").bearer_auth(&key);
        let answer = sent.body(b"\xff{".to_vec()).send().await?;
        let id = answer.headers()["x-request-id"].to_str()?.to_owned();
        let bytes = answer.text().await?;
        let operator = Operator { url, key };
        let record = operator.get(&format!("/v1/traffic/{id}")).await?;
        assert_eq!(
            (&record["id"], &record["method"], &record["status"]),
            (&json!(id), &json!("POST"), &json!(422))
        );
        let sha256 = "SELECT encode(sha256('\\xff7b'), 'hex') AS sha256";
        let sha256 = world.database.query(sha256).await?[0]["sha256"].clone();
        assert_eq!(record["request_body"], json!({"sha256": sha256, "bytes": 2}));
        assert_eq!(record["response_body"], json!(bytes));
        assert_eq!(
            record["request_headers"],
            json!({"accept": "*/*", "content-type": "application/json"})
        );
        assert_eq!(record["query"], "key=REDACTED");
        assert_eq!(
            (&record["shortened"], &record["repeats"]),
            (&json!([]), &json!(0))
        );
        let secrets = format!(
            "SELECT count(*) FROM traffic WHERE traffic::text LIKE '%{}%'",
            operator.key
        );
        assert_eq!(world.database.number(&secrets).await?, 0);
        let own = operator.ids("path=/v1/traffic/x").await?;
        assert_eq!(own, Vec::<String>::new());
        let missing = operator
            .get("/v1/traffic/00000000-0000-0000-0000-000000000000")
            .await?;
        assert_eq!(missing["status"], 404);
        Ok(())
    })
    .await
}
