//! What a service writes to stderr when that is no terminal.

use anyhow::{Context, Result};
use serde_json::Value;
use service::{
    clock::Clock,
    config::{LogFormat, Telemetry},
    health::Health,
    probes::Probes,
    telemetry,
};
use tracing::{info_span, warn};

use crate::child::{Service, line_with};

#[tokio::test]
async fn logs_are_json_lines_with_flat_fields_that_say_the_real_address() -> Result<()> {
    let mut service = Service::start("telemetry::talking_service")?;
    let started: Value = serde_json::from_str(&line_with(&mut service.stderr, "starting").await?)?;
    assert_eq!(
        (&started["service"], &started["level"]),
        (&"talker".into(), &"INFO".into())
    );
    let listening: Value = serde_json::from_str(&line_with(&mut service.stderr, "listening").await?)?;
    let address: std::net::SocketAddr = listening["address"].as_str().context("no address")?.parse()?;
    assert_ne!(address.port(), 0);
    let warned: Value = serde_json::from_str(&line_with(&mut service.stderr, "short of").await?)?;
    assert_eq!(
        (&warned["run.id"], &warned["span"]["kind"]),
        (&7.into(), &"linear".into())
    );
    let panicked: Value = serde_json::from_str(&line_with(&mut service.stderr, "a bug").await?)?;
    assert_eq!(panicked["level"], "ERROR");
    Ok(())
}

#[tokio::test]
#[ignore = "a service that the test above starts"]
async fn talking_service() -> Result<()> {
    let settings = Telemetry {
        log: "info".to_owned(),
        format: LogFormat::Auto,
    };
    let metrics = telemetry::init(&settings, "talker")?;
    let probes = Probes {
        health: Health::new(Clock::system()),
        metrics,
    };
    let _bound = probes.bind("127.0.0.1:0".parse()?).await?;
    info_span!("train", kind = "linear").in_scope(|| warn!(run.id = 7, "short of rows"));
    tokio::spawn(async { panic!("a bug") }).await?;
    Ok(())
}
