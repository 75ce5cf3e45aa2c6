//! Keys: what operators may do, nobody else may, and what a key's text never turns up in.

mod commands;
mod deciding;

use std::{env, process::Output};

use anyhow::{Context as _, Result, ensure};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use testkit::{Process, World, in_world};
use tokio::process::Command;

use crate::data::get;

const NO_RUN: &str = "0198c2f0-5b1e-7cc4-b7a5-2f6a3c1d9e88";
const NO_FILE: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Runs `api keys …`.
async fn keys(world: &World, arguments: &[&str], variables: &[(&str, &str)]) -> Result<Output> {
    let test = env::current_exe()?;
    let folder = test.parent().and_then(|deps| deps.parent());
    let api = folder.context("the test has no folder")?.join("api");
    let mut command = Command::new(api);
    command
        .arg("keys")
        .args(arguments)
        .env_clear()
        .env("LAPIDARY__POSTGRES__URL", world.database.url())
        .env("LAPIDARY__RABBITMQ__URL", world.vhost.url())
        .envs(variables.iter().copied());
    Ok(command.output().await?)
}

/// A new key's text.
async fn new_key(world: &World, name: &str, role: &str) -> Result<String> {
    let made = keys(world, &["add", "--name", name, "--role", role], &[]).await?;
    ensure!(made.status.success(), "{made:?}");
    Ok(String::from_utf8(made.stdout)?.trim().to_owned())
}

/// Every route that the OpenAPI document says needs an operator's key, with its method.
async fn operator_routes(url: &str) -> Result<Vec<(Method, String)>> {
    let document = get(&format!("{url}/openapi.json")).await?;
    let scheme = &document["components"]["securitySchemes"]["operator_key"];
    assert_eq!(
        (&scheme["type"], &scheme["scheme"]),
        (&json!("http"), &json!("bearer"))
    );
    let mut routes = Vec::new();
    for (path, operations) in document["paths"].as_object().context("no paths")? {
        for (method, operation) in operations.as_object().context("no operations")? {
            if operation["security"] == json!([{"operator_key": []}]) {
                let path = path
                    .replace("{sha256}", NO_FILE)
                    .replace("{version}", "9")
                    .replace("{id}", NO_RUN);
                routes.push((method.to_uppercase().parse()?, format!("{url}{path}")));
            }
        }
    }
    Ok(routes)
}

/// The API, and a way to call it.
struct Api {
    process: Process,
    url: String,
}

impl Api {
    async fn start(world: &World, settings: &[(&str, &str)]) -> Result<Self> {
        let process = world.start("api", settings).await?;
        let url = process.address().await?;
        Ok(Self { process, url })
    }

    /// Decides on a file, as `SHA256/VERB`.
    fn decide(&self, path: &str, key: &str) -> RequestBuilder {
        let request = Client::new().post(format!("{}/v1/files/{path}", self.url));
        request.bearer_auth(key)
    }
}

async fn status(request: RequestBuilder) -> Result<u16> {
    Ok(request.send().await?.status().as_u16())
}

/// Status and body.
async fn answer(request: RequestBuilder) -> Result<(u16, Value)> {
    let response = request.send().await?;
    Ok((response.status().as_u16(), response.json().await?))
}

#[tokio::test]
async fn operators_routes_are_closed_to_everybody_else() -> Result<()> {
    in_world(|world| async move {
        let api = Api::start(&world, &[]).await?;
        let operator = new_key(&world, "anna", "operator").await?;
        let client = new_key(&world, "web", "client").await?;
        let revoked = new_key(&world, "gone", "operator").await?;
        keys(&world, &["revoke", "gone"], &[]).await?;
        let wrong = format!("lap_op_{}", "0".repeat(48));
        let routes = operator_routes(&api.url).await?;
        assert_eq!(routes.len(), 11, "{routes:?}");
        for (method, route) in &routes {
            let call = || {
                let request = Client::new().request(method.clone(), route);
                request.json(&json!({"reason": "a test"}))
            };
            let no_key = call().send().await?;
            assert_eq!(no_key.status(), 401, "{route}");
            assert_eq!(no_key.headers()["www-authenticate"], "Bearer");
            assert_eq!(no_key.headers()["content-type"], "application/problem+json");
            let said = no_key.text().await?;
            assert!(said.contains("`Authorization: Bearer KEY`"), "{said}");
            let no_bearer = call().basic_auth("anna", Some(&operator));
            assert_eq!(status(no_bearer).await?, 401, "{route}");
            for key in [&wrong, &revoked] {
                assert_eq!(status(call().bearer_auth(key)).await?, 401, "{route}");
            }
            assert_eq!(status(call().bearer_auth(&client)).await?, 403, "{route}");
            let open = status(call().bearer_auth(&operator)).await?;
            assert!(![401, 403].contains(&open), "{route}: {open}");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_key_is_on_record_by_its_id_and_refused_as_soon_as_it_is_revoked() -> Result<()> {
    in_world(|world| async move {
        let api = Api::start(&world, &[]).await?;
        let key = new_key(&world, "anna", "operator").await?;
        let call = || {
            let request = api.decide(&format!("{NO_FILE}/accept"), &key);
            request.json(&json!({"reason": "a test"}))
        };
        assert_eq!(status(call()).await?, 404);
        let revoked = keys(&world, &["revoke", "anna"], &[]).await?;
        assert!(String::from_utf8(revoked.stdout)?.starts_with("revoked the operator key \"anna\""));
        assert_eq!(status(call()).await?, 401);
        let records = world
            .database
            .query(
                "SELECT traffic.status, api_keys.name FROM traffic LEFT JOIN api_keys ON api_keys.id = key_id \
                 ORDER BY traffic.id",
            )
            .await?;
        assert_eq!(
            records,
            [
                json!({"status": 404, "name": "anna"}),
                json!({"status": 401, "name": "anna"})
            ]
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn no_key_turns_up_in_the_log_or_on_record() -> Result<()> {
    in_world(|world| async move {
        let api = Api::start(&world, &[("LAPIDARY__TELEMETRY__LOG", "trace")]).await?;
        let operator = new_key(&world, "anna", "operator").await?;
        let client = new_key(&world, "web", "client").await?;
        let unknown = format!("lap_op_{}", "0123456789ab".repeat(4));
        let sent = [&operator, &client, &unknown];
        for key in sent {
            let call = api.decide(&format!("{NO_FILE}/accept?key={key}"), key);
            let call = call.header("referer", format!("http://localhost/?key={key}"));
            let response = call.json(&json!({"reason": "a test"})).send().await?;
            let (head, body) = (format!("{response:?}"), response.text().await?);
            assert!(!body.contains(key.as_str()), "{head} {body}");
            status(Client::new().get(format!("{}/v1/{key}", api.url))).await?;
        }
        // A query that fails is logged with all that Postgres says of it.
        world
            .database
            .execute("ALTER TABLE api_keys RENAME TO gone")
            .await?;
        assert_eq!(
            status(api.decide(&format!("{NO_FILE}/accept"), &operator)).await?,
            500
        );
        api.process.logged("a query failed").await?;
        assert_eq!(world.database.number("SELECT count(*) FROM traffic").await?, 7);
        for key in sent {
            let log = format!("{:?}", api.process.lines());
            assert!(!log.contains(key.as_str()), "{log}");
            let records = format!(
                "SELECT count(*) FROM traffic WHERE traffic::text LIKE '%{key}%' \
                 OR position('{key}'::bytea IN request_body || response_body) > 0"
            );
            assert_eq!(world.database.number(&records).await?, 0, "{key}");
        }
        Ok(())
    })
    .await
}
