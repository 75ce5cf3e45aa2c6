//! Settings from explicit sources: the process's own environment is not touched.

use std::{io::Write, time::Duration};

use secrecy::ExposeSecret;

use super::*;
use crate::config::LogFormat;

const URLS: [(&str, &str); 2] = [
    ("LAPIDARY__POSTGRES__URL", "postgres://u:sesame@db/lapidary"),
    ("LAPIDARY__RABBITMQ__URL", "amqp://u:sesame@mq/lapidary"),
];

/// The two URLs and these variables; one that sets a URL's whole section replaces that URL.
fn environment(variables: &[(&str, &str)]) -> Environment {
    let replaced = |url: &str| variables.iter().any(|(name, _)| url.starts_with(name));
    let urls = URLS.iter().filter(|(name, _)| !replaced(name));
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Environment::default().source(Some(urls.chain(variables).map(own).collect()))
}

fn with(variables: &[(&str, &str)]) -> Result<Config, SettingError> {
    from_sources(None, environment(variables))
}

/// The sentence that an operator would read.
fn complaint(name: &str, value: &str) -> String {
    with(&[(name, value)]).map(drop).unwrap_err().to_string()
}

#[test]
fn the_two_urls_are_all_that_has_to_be_set() {
    let config = with(&[]).unwrap();
    assert_eq!(config.postgres.url.expose_secret(), URLS[0].1);
    assert_eq!(config.postgres.max_connections, 10);
    assert_eq!(config.training.kinds, ["linear", "elastic_net", "xgboost"]);
    assert_eq!(config.trainer.lease, Duration::from_secs(30));
    assert_eq!(config.api.listen.port(), 8080);
    assert_eq!(config.telemetry.format, LogFormat::Auto);
    assert!(config.ingest.inbox.is_absolute());
    let store = config.store.url.to_file_path().unwrap();
    assert_eq!(store, env::current_dir().unwrap().join("store"));
}

#[test]
fn a_missing_url_says_which_variable_to_set() {
    for (name, variable) in [
        ("postgres.url", "LAPIDARY__POSTGRES__URL"),
        ("rabbitmq.url", "LAPIDARY__RABBITMQ__URL"),
    ] {
        let error = with(&[(variable, "")]).unwrap_err().to_string();
        let expected = format!("setting `{name}` is missing: set {variable}, ");
        assert!(error.starts_with(&expected), "{error}");
    }
}

#[test]
fn a_variable_wins_over_the_file_and_the_file_over_the_default() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(
        file,
        "[training]\nkinds = [\"xgboost\"]\nseed = 7\n[api]\nlisten = \"0.0.0.0:80\""
    )
    .unwrap();
    let variables = environment(&[
        ("LAPIDARY__TRAINING__SEED", "8"),
        ("LAPIDARY_CONFIG", "elsewhere"),
    ]);
    let config = from_sources(Some(file.path()), variables).unwrap();
    assert_eq!(
        (config.training.seed, config.training.kinds.as_slice()),
        (8, ["xgboost".to_owned()].as_slice())
    );
    assert_eq!(config.api.listen.to_string(), "0.0.0.0:80");
    assert_eq!(config.api.body_limit_bytes, 4_194_304);
}

#[test]
fn a_list_in_a_variable_is_separated_by_commas() {
    let config = with(&[("LAPIDARY__TRAINING__KINDS", "linear, xgboost")]).unwrap();
    assert_eq!(config.training.kinds, ["linear", "xgboost"]);
}

#[test]
fn a_store_url_is_taken_as_it_is() {
    let config = with(&[("LAPIDARY__STORE__URL", "s3://bucket/prefix")]).unwrap();
    assert_eq!(config.store.url.as_str(), "s3://bucket/prefix");
}

/// Variable, value, the setting's name and a part of the reason.
const WRONG: [(&str, &str, &str, &str); 17] = [
    ("LAPIDARY__TRAINER__LEASE_MS", "soon", "trainer.lease_ms", "soon"),
    (
        "LAPIDARY__TRAINER__LEASE_MS",
        "0",
        "trainer.lease_ms",
        "within 1 to",
    ),
    (
        "LAPIDARY__API__LISTEN",
        "everywhere",
        "api.listen",
        "socket address",
    ),
    (
        "LAPIDARY__INGEST__MAX_REJECTED_SHARE",
        "1.5",
        "ingest.max_rejected_share",
        "within 0 to 1",
    ),
    (
        "LAPIDARY__INGEST__MAX_REJECTED_SHARE",
        "NaN",
        "ingest.max_rejected_share",
        "within 0 to 1",
    ),
    (
        "LAPIDARY__POSTGRES__MAX_CONNECTIONS",
        "0",
        "postgres.max_connections",
        "within 1 to 1000",
    ),
    (
        "LAPIDARY__POSTGRES__MAX_CONNECTIONS",
        "-1",
        "postgres.max_connections",
        "expected",
    ),
    (
        "LAPIDARY__POSTGRES__STATEMENT_TIMEOUT_MS",
        "999",
        "postgres.statement_timeout_ms",
        "within 1000 to 86400000",
    ),
    (
        "LAPIDARY__TRAINING__KINDS",
        "linear,,xgboost",
        "training.kinds",
        "\"\"",
    ),
    (
        "LAPIDARY__TRAINING__KINDS",
        "linear,linear",
        "training.kinds",
        "twice",
    ),
    ("LAPIDARY__PROMOTION__MIN_R2", "2", "promotion.min_r2", "to 1"),
    ("LAPIDARY__TELEMETRY__FORMAT", "xml", "telemetry.format", "xml"),
    (
        "LAPIDARY__TELEMETRY__LOG",
        "api=loudest",
        "telemetry.log",
        "loudest",
    ),
    ("LAPIDARY__STORE__URL", "s3://[", "store.url", "no URL"),
    (
        "LAPIDARY__API__CORS_ORIGINS",
        "https://shop.example/",
        "api.cors_origins",
        "no origin",
    ),
    ("LAPIDARY__API__KEY_RATE", "-1", "api.key_rate", "expected"),
    (
        "LAPIDARY__API__MAX_CONNECTIONS",
        "1",
        "api.max_connections",
        "within 16",
    ),
];

#[test]
fn a_wrong_value_is_named_with_its_variable_and_the_reason() {
    for (variable, value, name, reason) in WRONG {
        let error = complaint(variable, value);
        let good = error.contains(name) && error.contains(variable) && error.contains(reason);
        assert!(good, "{variable}={value}: {error}");
        assert!(!error.contains('\n'), "one sentence: {error}");
    }
}

#[test]
fn an_unknown_setting_is_named() {
    let error = complaint("LAPIDARY__TRAINER__LEESE_MS", "1");
    assert!(
        error.contains("`trainer.leese_ms`") && error.contains("no such setting"),
        "{error}"
    );
    let error = complaint("LAPIDARY__TRANER__LEASE_MS", "1");
    assert!(error.contains("traner"), "{error}");
}

#[test]
fn a_password_is_never_repeated() {
    for (variable, value) in [
        ("LAPIDARY__POSTGRES__URL", "sesame"),
        ("LAPIDARY__POSTGRES__URL", "mysql://u:sesame@db/x"),
        ("LAPIDARY__RABBITMQ__URL", "http://u:sesame@mq"),
        ("LAPIDARY__POSTGRES", "sesame"),
        ("LAPIDARY__RABBITMQ", "sesame"),
        ("LAPIDARY__STORE__URL", "s3://sesame@["),
    ] {
        let error = complaint(variable, value);
        assert!(!error.contains("sesame"), "{error}");
    }
    assert!(!format!("{:?}", with(&[]).unwrap()).contains("sesame"));
}

#[test]
fn a_file_that_is_missing_or_no_toml_is_named() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "[api").unwrap();
    for path in [file.path(), Path::new("/nowhere/lapidary.toml")] {
        let error = from_sources(Some(path), environment(&[]))
            .unwrap_err()
            .to_string();
        assert!(error.contains(path.to_str().unwrap()), "{error}");
    }
}
