//! The settings: `config/default.toml`, then the file that `LAPIDARY_CONFIG` names, then `LAPIDARY__SECTION__KEY`.
//!
//! [`load`] gives settings that have been checked, or one sentence that names the setting and says what is wrong;
//! it never repeats the value of one that may hold a password. What each setting means is written in
//! `config/default.toml`, once. No other code reads the environment.

mod check;
mod error;
mod load;
mod sections;
mod values;

pub use error::SettingError;
pub use load::load;
pub use sections::{
    Api, Config, Drift, ElasticNet, Ingest, LogFormat, Postgres, Promotion, RabbitMq, Relay, Service, Store,
    Telemetry, Traffic, Trainer, Training, Xgboost,
};
