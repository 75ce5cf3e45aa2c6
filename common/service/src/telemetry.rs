//! Logging and counting.
//!
//! Logs go to stderr: text on a terminal, one JSON object a line otherwise. Panics are log lines as well. Metrics
//! are recorded in this process and given out as Prometheus text by whoever holds [`Metrics`].

use std::{io, io::IsTerminal, panic, time::Duration};

use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use tracing::{error, info};
use tracing_subscriber::{
    EnvFilter, Layer, Registry, filter::ParseError, fmt, layer::SubscriberExt, util::SubscriberInitExt,
};

use crate::config::{LogFormat, Telemetry};

/// Bounds of histograms that measure seconds, from half a millisecond to a minute.
const SECONDS: [f64; 16] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];
/// Histograms collect their samples until they are looked at; this bounds how many when nobody scrapes.
const UPKEEP: Duration = Duration::from_secs(5);
/// lapin logs what the broker crate logs again, returned messages with their whole body and, at `trace`, the
/// password: it is heard only where the setting names it.
const UNLESS_NAMED: &str = "lapin";

/// Why there is no logging or counting.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The log setting is no filter.
    #[error("setting `telemetry.log` is no log filter")]
    Filter(#[from] ParseError),
    /// Something in this process logs already.
    #[error("cannot set up logging")]
    Log(#[from] tracing_subscriber::util::TryInitError),
    /// Something in this process counts already.
    #[error("cannot set up metrics")]
    Metrics(#[from] BuildError),
}

/// The metrics of this process; cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
}

impl Metrics {
    /// All metrics in Prometheus' text format.
    pub fn render(&self) -> String {
        self.handle.render()
    }
}

/// Sets up logging and counting for the whole process; once, within the runtime, before anything else.
///
/// # Errors
/// When the filter is wrong, or it was set up before.
pub fn init(settings: &Telemetry, service: &'static str) -> Result<Metrics, TelemetryError> {
    let lines = lines(settings.format, io::stderr().is_terminal());
    tracing_subscriber::registry()
        .with(lines.with_filter(filter(&settings.log)?))
        .try_init()?;
    panic::set_hook(Box::new(|panic| error!(%panic, "panicked")));
    let metrics = record(service)?;
    info!(service, version = env!("CARGO_PKG_VERSION"), "starting");
    Ok(metrics)
}

fn filter(directives: &str) -> Result<EnvFilter, ParseError> {
    match directives.contains(UNLESS_NAMED) {
        true => EnvFilter::try_new(directives),
        false => EnvFilter::try_new(format!("{directives},{UNLESS_NAMED}=off")),
    }
}

fn lines(format: LogFormat, terminal: bool) -> Box<dyn Layer<Registry> + Send + Sync> {
    let json = match format {
        LogFormat::Auto => !terminal,
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    let lines = fmt::layer().with_writer(io::stderr).with_ansi(terminal);
    match json {
        true => lines.json().flatten_event(true).with_span_list(false).boxed(),
        false => lines.boxed(),
    }
}

fn record(service: &'static str) -> Result<Metrics, BuildError> {
    let builder = PrometheusBuilder::new()
        .set_buckets(&SECONDS)?
        .add_global_label("service", service);
    let handle = builder.install_recorder()?;
    tokio::spawn(keep_up(handle.clone()));
    Ok(Metrics { handle })
}

async fn keep_up(handle: PrometheusHandle) {
    let mut again = tokio::time::interval(UPKEEP);
    loop {
        again.tick().await;
        handle.run_upkeep();
    }
}

#[cfg(test)]
impl Metrics {
    /// Metrics of one test, not of the process.
    pub(crate) fn for_test() -> (metrics_exporter_prometheus::PrometheusRecorder, Self) {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        (recorder, Self { handle })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lapin_is_silent_unless_it_is_named() {
        for directives in ["trace", "info,api=debug", ""] {
            assert!(
                filter(directives).unwrap().to_string().contains("lapin=off"),
                "{directives:?}"
            );
        }
        assert!(
            !filter("info,lapin=trace")
                .unwrap()
                .to_string()
                .contains("lapin=off")
        );
    }
}
