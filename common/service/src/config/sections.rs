//! The settings as data; the documentation of each is in `config/default.toml`.

use std::{net::SocketAddr, num::NonZeroU32, path::PathBuf, time::Duration};

use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use super::values::{absolute_path, comma_separated, milliseconds, number_or_zero, store_url};

/// All settings of all services; each service uses its own sections and the shared ones.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The database.
    pub postgres: Postgres,
    /// The broker.
    pub rabbitmq: RabbitMq,
    /// The object store.
    pub store: Store,
    /// The inbox service.
    pub ingest: Ingest,
    /// The training worker.
    pub trainer: Trainer,
    /// What is trained.
    pub training: Training,
    /// When a challenger becomes champion.
    pub promotion: Promotion,
    /// The REST API.
    pub api: Api,
    /// The record of requests and responses.
    pub traffic: Traffic,
    /// The outbox relay.
    pub relay: Relay,
    /// Stopping.
    pub service: Service,
    /// Logging.
    pub telemetry: Telemetry,
}

/// The database.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Postgres {
    /// `postgres://…`, with the password.
    pub url: SecretString,
    /// Connections of one service at most.
    pub max_connections: u32,
    /// How long a statement of a service may take (`statement_timeout_ms`).
    #[serde(rename = "statement_timeout_ms", deserialize_with = "milliseconds")]
    pub statement_timeout: Duration,
}

/// The broker.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RabbitMq {
    /// `amqp://…` or `amqps://…`, with the password and the vhost.
    pub url: SecretString,
}

/// The object store.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// Where it is; a folder in the settings is an absolute `file://` URL here.
    #[serde(deserialize_with = "store_url")]
    pub url: Url,
}

/// The inbox service.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ingest {
    /// The folder where files are dropped, absolute.
    #[serde(deserialize_with = "absolute_path")]
    pub inbox: PathBuf,
    /// Where the probes listen.
    pub listen: SocketAddr,
    /// How long a file must have been still (`settle_ms`).
    #[serde(rename = "settle_ms", deserialize_with = "milliseconds")]
    pub settle: Duration,
    /// How often the inbox is looked through (`scan_interval_ms`).
    #[serde(rename = "scan_interval_ms", deserialize_with = "milliseconds")]
    pub scan_interval: Duration,
    /// After how long without progress readiness says so (`stall_after_ms`).
    #[serde(rename = "stall_after_ms", deserialize_with = "milliseconds")]
    pub stall_after: Duration,
    /// A file with a larger share of bad rows is rejected whole, 0 to 1.
    pub max_rejected_share: f64,
    /// The folder for unnamed temporary files, absolute.
    #[serde(deserialize_with = "absolute_path")]
    pub scratch: PathBuf,
    /// A file that holds more, unpacked, is rejected; in bytes.
    pub max_file_bytes: u64,
    /// A row with a larger weight, in carats, is rejected.
    pub max_carat: u32,
    /// A row with a larger depth, in percent, is rejected.
    pub max_depth: u32,
    /// A row with a larger table, in percent, is rejected.
    pub max_table: u32,
    /// A row with a larger x, y or z, in millimeters, is rejected.
    pub max_length_mm: u32,
    /// A row with a larger price, in US dollars, is rejected.
    pub max_price: u32,
    /// A feature whose population stability index is above this has drifted.
    pub max_psi: f64,
    /// What becomes of a file with such a feature.
    pub drift: Drift,
}

/// What becomes of a file that is unlike the dataset so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Drift {
    /// It is used, and its report and the log say so.
    Warn,
    /// It is held until an operator accepts or rejects it.
    Block,
}

/// The training worker.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trainer {
    /// Where the probes listen.
    pub listen: SocketAddr,
    /// How long a run belongs to a silent trainer (`lease_ms`).
    #[serde(rename = "lease_ms", deserialize_with = "milliseconds")]
    pub lease: Duration,
    /// Failures of one run with which it is given up.
    pub max_failures: u32,
    /// How long a run waits after its first failure (`retry_after_ms`).
    #[serde(rename = "retry_after_ms", deserialize_with = "milliseconds")]
    pub retry_after: Duration,
    /// Threads of a search; 0 for one per processor.
    pub threads: usize,
    /// How often missing runs are looked for (`sweep_interval_ms`).
    #[serde(rename = "sweep_interval_ms", deserialize_with = "milliseconds")]
    pub sweep_interval: Duration,
    /// A dataset version with fewer samples is not trained on.
    pub min_rows: u64,
    /// What all runs together may take; 0 for a share of what the machine allows.
    pub max_memory_bytes: u64,
}

/// What is trained.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// The model kinds that are switched on, at least one, each once.
    #[serde(deserialize_with = "comma_separated")]
    pub kinds: Vec<String>,
    /// The seed of every run.
    pub seed: u64,
    /// The kind `xgboost`.
    pub xgboost: Xgboost,
    /// The kind `elastic_net`.
    pub elastic_net: ElasticNet,
}

/// The kind `xgboost`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Xgboost {
    /// Sets of parameters that its search tries.
    pub trials: u32,
    /// When its search stops although trials are left (`time_limit_ms`).
    #[serde(rename = "time_limit_ms", deserialize_with = "milliseconds")]
    pub time_limit: Duration,
}

/// The kind `elastic_net`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ElasticNet {
    /// How strongly coefficients are pulled towards 0.
    pub penalty: f64,
    /// The share of the pull that makes them 0 altogether, 0 to 1.
    pub l1_ratio: f64,
}

/// When a challenger becomes champion.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Promotion {
    /// How much closer than the champion's its prices must be, in US dollars on a diamond of the median price.
    pub min_gain: f64,
    /// Its R² on the logarithm of the holdout's prices, at least.
    pub min_r2: f64,
}

/// The REST API.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Api {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The largest request body, in bytes.
    pub body_limit_bytes: usize,
    /// How often the champion is looked up in Postgres (`reconcile_interval_ms`).
    #[serde(rename = "reconcile_interval_ms", deserialize_with = "milliseconds")]
    pub reconcile_interval: Duration,
    /// The folder of what it takes to start without servers, absolute.
    #[serde(deserialize_with = "absolute_path")]
    pub cache: PathBuf,
    /// Whether clients' routes need a key too.
    pub require_key: bool,
    /// How often keys are read anew (`keys_interval_ms`).
    #[serde(rename = "keys_interval_ms", deserialize_with = "milliseconds")]
    pub keys_interval: Duration,
    /// How long clients' keys are believed after they were last read (`keys_max_age_ms`).
    #[serde(rename = "keys_max_age_ms", deserialize_with = "milliseconds")]
    pub keys_max_age: Duration,
    /// Names that the API is called by where no key is required, beside localhost and IP addresses; `*` for any.
    #[serde(deserialize_with = "comma_separated")]
    pub hosts: Vec<String>,
    /// Requests a second with one key; none for any number (`key_rate`).
    #[serde(deserialize_with = "number_or_zero")]
    pub key_rate: Option<NonZeroU32>,
    /// Requests a second from one address; none for any number (`address_rate`).
    #[serde(deserialize_with = "number_or_zero")]
    pub address_rate: Option<NonZeroU32>,
    /// Whether this machine's own addresses have the limits of one address too.
    pub limit_loopback: bool,
    /// What one address may hold of connections, requests in hand and their bytes; 0.0001 to 1.
    pub address_share: f64,
    /// The origins whose pages may call; `*` for all.
    #[serde(deserialize_with = "comma_separated")]
    pub cors_origins: Vec<String>,
    /// Connections at a time.
    pub max_connections: usize,
    /// Event streams at a time.
    pub max_streams: usize,
    /// Event streams at a time of one address without a key, and of one key.
    pub max_streams_per_address: u64,
    /// For a request's head (`header_timeout_ms`).
    #[serde(rename = "header_timeout_ms", deserialize_with = "milliseconds")]
    pub header_timeout: Duration,
    /// For a request's body (`body_timeout_ms`).
    #[serde(rename = "body_timeout_ms", deserialize_with = "milliseconds")]
    pub body_timeout: Duration,
    /// For an answer to be made (`request_timeout_ms`).
    #[serde(rename = "request_timeout_ms", deserialize_with = "milliseconds")]
    pub request_timeout: Duration,
    /// Without a client taking anything of an answer (`write_timeout_ms`).
    #[serde(rename = "write_timeout_ms", deserialize_with = "milliseconds")]
    pub write_timeout: Duration,
}

/// The record of requests and responses.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Traffic {
    /// The folder of spools, absolute.
    #[serde(deserialize_with = "absolute_path")]
    pub spool: PathBuf,
    /// What one process's spool may hold, in bytes.
    pub spool_max_bytes: u64,
    /// How long Postgres may take to commit before records go to the spool (`commit_timeout_ms`).
    #[serde(rename = "commit_timeout_ms", deserialize_with = "milliseconds")]
    pub commit_timeout: Duration,
    /// The most requests in hand.
    pub max_requests: usize,
    /// The most bytes of their large bodies and answers.
    pub max_bytes: u64,
    /// What goes on record of one key, in bytes a minute; none for any number (`key_bytes_per_minute`).
    #[serde(deserialize_with = "number_or_zero")]
    pub key_bytes_per_minute: Option<NonZeroU32>,
    /// What goes on record of one address, in bytes a minute; none for any number (`address_bytes_per_minute`).
    #[serde(deserialize_with = "number_or_zero")]
    pub address_bytes_per_minute: Option<NonZeroU32>,
    /// How long excess waits before it is turned away (`wait_ms`).
    #[serde(rename = "wait_ms", deserialize_with = "milliseconds")]
    pub wait: Duration,
}

/// The outbox relay.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relay {
    /// How often the outbox is looked through (`poll_interval_ms`).
    #[serde(rename = "poll_interval_ms", deserialize_with = "milliseconds")]
    pub poll_interval: Duration,
}

/// Stopping.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// How long work in hand may take after SIGTERM (`drain_timeout_ms`).
    #[serde(rename = "drain_timeout_ms", deserialize_with = "milliseconds")]
    pub drain_timeout: Duration,
}

/// Logging.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telemetry {
    /// Directives as in `RUST_LOG`.
    pub log: String,
    /// How log lines look.
    pub format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    Auto,
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}
