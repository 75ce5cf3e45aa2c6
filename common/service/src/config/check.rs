//! What the types do not say: ranges and forms.

use std::{collections::BTreeSet, fmt::Display, ops::RangeInclusive};

use secrecy::{ExposeSecret, SecretString};
use tracing_subscriber::EnvFilter;
use url::Url;

use super::{Api, Config, SettingError};

type Check = Result<(), SettingError>;

/// Checks everything, in the order of `config/default.toml`; the first mistake is the one reported.
pub(super) fn check(config: &Config) -> Check {
    address("postgres.url", &config.postgres.url, &["postgres", "postgresql"])?;
    within(
        "postgres.max_connections",
        config.postgres.max_connections,
        1..=1000,
    )?;
    address("rabbitmq.url", &config.rabbitmq.url, &["amqp", "amqps"])?;
    within(
        "ingest.max_rejected_share",
        config.ingest.max_rejected_share,
        0.0..=1.0,
    )?;
    within("ingest.max_file_bytes", config.ingest.max_file_bytes, 1..=1 << 40)?;
    within("ingest.max_psi", config.ingest.max_psi, 0.0..=f64::MAX)?;
    within("trainer.max_failures", config.trainer.max_failures, 1..=1000)?;
    within("trainer.threads", config.trainer.threads, 0..=1024)?;
    within("trainer.min_rows", config.trainer.min_rows, 1..=u64::MAX)?;
    kinds(&config.training.kinds)?;
    // The seed becomes a `bigint` in Postgres.
    within("training.seed", config.training.seed, 0..=i64::MAX as u64)?;
    within(
        "training.xgboost.trials",
        config.training.xgboost.trials,
        1..=10_000,
    )?;
    within(
        "training.elastic_net.penalty",
        config.training.elastic_net.penalty,
        0.0..=f64::MAX,
    )?;
    within(
        "training.elastic_net.l1_ratio",
        config.training.elastic_net.l1_ratio,
        0.0..=1.0,
    )?;
    within("promotion.min_gain", config.promotion.min_gain, 0.0..=f64::MAX)?;
    within("promotion.min_r2", config.promotion.min_r2, f64::MIN..=1.0)?;
    api(&config.api)?;
    within(
        "traffic.spool_max_bytes",
        config.traffic.spool_max_bytes,
        1 << 16..=1 << 50,
    )?;
    within("traffic.max_requests", config.traffic.max_requests, 1..=1_000_000)?;
    within("traffic.max_bytes", config.traffic.max_bytes, 1 << 20..=1 << 42)?;
    directives("telemetry.log", &config.telemetry.log)
}

fn api(api: &Api) -> Check {
    within("api.body_limit_bytes", api.body_limit_bytes, 1024..=1 << 30)?;
    within("api.max_connections", api.max_connections, 16..=1_000_000)?;
    within("api.max_streams", api.max_streams, 1..=1_000_000)?;
    within(
        "api.max_streams_per_address",
        api.max_streams_per_address,
        1..=1_000_000,
    )?;
    within("api.address_share", api.address_share, 0.0001..=1.0)?;
    hosts("api.hosts", &api.hosts)?;
    origins("api.cors_origins", &api.cors_origins)
}

/// NaN is within no range.
fn within<T: PartialOrd + Display>(name: &str, value: T, range: RangeInclusive<T>) -> Check {
    if range.contains(&value) {
        return Ok(());
    }
    let reason = format!("{value} is not within {} to {}", range.start(), range.end());
    Err(SettingError::wrong(name, reason))
}

/// A server's URL; the value itself is never repeated.
fn address(name: &str, url: &SecretString, schemes: &[&str]) -> Check {
    let parsed = Url::parse(url.expose_secret());
    let good = parsed.is_ok_and(|url| schemes.contains(&url.scheme()) && url.has_host());
    let expected = || {
        format!(
            "it is not a URL of the form {}://USER:PASSWORD@HOST:PORT/NAME",
            schemes[0]
        )
    };
    good.then_some(())
        .ok_or_else(|| SettingError::wrong(name, expected()))
}

fn kinds(kinds: &[String]) -> Check {
    let wrong = |reason: String| Err(SettingError::wrong("training.kinds", reason));
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    if let Some(kind) = kinds
        .iter()
        .find(|kind| kind.is_empty() || kind.len() > 50 || !kind.chars().all(plain))
    {
        return wrong(format!("{kind:?} is not the name of a model kind"));
    }
    match kinds.iter().collect::<BTreeSet<_>>().len() {
        0 => wrong("it names no model kind".to_owned()),
        distinct if distinct < kinds.len() => wrong("it names a model kind twice".to_owned()),
        _ => Ok(()),
    }
}

/// An origin is what a browser sends as such: scheme, host and port, and nothing after them.
fn origins(name: &str, origins: &[String]) -> Check {
    let is_origin = |text: &str| Url::parse(text).is_ok_and(|url| url.origin().ascii_serialization() == text);
    match origins.iter().find(|origin| *origin != "*" && !is_origin(origin)) {
        None => Ok(()),
        Some(origin) => {
            let reason = format!("{origin:?} is no origin such as https://shop.example, nor *");
            Err(SettingError::wrong(name, reason))
        }
    }
}

/// A host is a name as it stands in a URL, without a port.
fn hosts(name: &str, hosts: &[String]) -> Check {
    let is_name = |text: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        !text.is_empty() && text.bytes().all(plain)
    };
    match hosts.iter().find(|host| *host != "*" && !is_name(host)) {
        None => Ok(()),
        Some(host) => {
            let reason =
                format!("{host:?} is no name such as prices.example, nor *; it takes no scheme and no port");
            Err(SettingError::wrong(name, reason))
        }
    }
}

fn directives(name: &str, text: &str) -> Check {
    match EnvFilter::try_new(text) {
        Ok(_) => Ok(()),
        Err(error) => Err(SettingError::wrong(
            name,
            format!("{text:?} is no log filter: {error}"),
        )),
    }
}
