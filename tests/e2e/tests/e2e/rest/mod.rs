//! The REST API as web developers and operators meet it.

mod access;
mod attacked;
mod champions;
mod clients;
mod errors;
mod events;
mod hostile;
mod limits;
mod offline;
mod prices;
mod swaps;
mod workers;

use anyhow::{Context as _, Result, ensure};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use testkit::World;

use crate::data::{System, diamonds, serves};

/// What whoever gets in is told before there is a model.
const NO_MODEL: &str = "no model serves yet: drop a data file into the inbox, and try again in a moment";
const DIAMOND: &str = r#"{"carat":1.1,"cut":"Ideal","color":"H","clarity":"SI2"}"#;

/// The three services with a model of a first file.
async fn served(world: &World) -> Result<System> {
    let system = System::start(world).await?;
    world.drop_file("first.csv", &diamonds(600, 1))?;
    serves(&system.url, 1).await?;
    Ok(system)
}

/// Waits until there are two models, each of its own dataset version.
async fn two_models(world: &World) -> Result<System> {
    let system = served(world).await?;
    world.drop_file("second.csv", &diamonds(700, 2))?;
    world.becomes("SELECT count(*) FROM models", 2).await?;
    Ok(system)
}

fn post(url: &str, body: &str) -> RequestBuilder {
    let request = Client::new().post(url).header("content-type", "application/json");
    request.body(body.to_owned())
}

/// Calls an operator's route with a reason.
async fn decide(url: &str, key: &str) -> Result<(u16, Value)> {
    let request = post(url, r#"{"reason":"a test"}"#).bearer_auth(key);
    let answer = request.send().await?;
    Ok((answer.status().as_u16(), answer.json().await?))
}

/// A problem, checked to be one in every respect.
async fn problem(answer: Response) -> Result<Value> {
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let body: Value = answer.json().await?;
    ensure!(headers["content-type"] == "application/problem+json", "{body}");
    ensure!(headers.contains_key("x-request-id"), "{body}");
    ensure!(
        body["status"] == status && body["type"] == "about:blank",
        "{status} {body}"
    );
    let said = body["detail"].as_str().context("no detail")?;
    ensure!(
        said.len() > 10 && body["title"].is_string() && body["errors"].is_array(),
        "{body}"
    );
    Ok(body)
}

/// The faults of a problem, as `pointer: detail`.
fn faults(problem: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let faults = problem["errors"].as_array().into_iter().flatten();
    faults
        .map(|fault| format!("{}: {}", text(&fault["pointer"]), text(&fault["detail"])))
        .collect()
}

async fn get(url: &str) -> Result<Value> {
    Ok(reqwest::get(url).await?.error_for_status()?.json().await?)
}

fn call(method: Method, url: &str) -> RequestBuilder {
    Client::new().request(method, url)
}

fn diamond() -> Value {
    json!({"carat": 1.1, "cut": "Ideal", "color": "H", "clarity": "SI2"})
}
