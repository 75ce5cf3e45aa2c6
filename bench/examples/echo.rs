//! The yardstick: a bare axum server that reads a diamond as JSON and answers JSON, and does nothing else.
//! An example rather than a part of the benchmarks: only the API may depend on axum.

use std::{net::Ipv4Addr, process};

use axum::{Json, Router, routing::post};
use serde_json::{Value, json};
use tokio::signal::unix::{Signal, SignalKind, signal};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    eprintln!(
        "{}",
        json!({"message": "listening", "address": listener.local_addr()?.to_string()})
    );
    tokio::spawn(end_when_asked(signal(SignalKind::terminate())?));
    let router = Router::new().route("/v1/predictions", post(echo));
    Ok(axum::serve(listener, router).await?)
}

/// In good order, as it takes for a profile to be written.
async fn end_when_asked(mut asked: Signal) {
    asked.recv().await;
    process::exit(0);
}

async fn echo(Json(diamond): Json<Value>) -> Json<Value> {
    Json(json!({"price": 4733.0, "currency": "USD", "carat": diamond["carat"]}))
}
