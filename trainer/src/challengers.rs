//! Tells readiness, and a gauge, whether training still comes to something.
//!
//! Whatever the reason (absurd rows, a setting, a bug), nothing else would say that the champion has long ceased to
//! learn: every run ends, every verdict is as it should be, and the same model serves.

use std::time::Duration;

use ::service::health::Component;
use storage::{Database, challengers::UnusableVersions};
use tokio_util::sync::CancellationToken;
use tracing::debug;

/// So many dataset versions in a row without a usable challenger are no accident.
const TOO_MANY: u64 = 3;

/// Looks every `interval`, until `stop` fires.
pub(crate) async fn watch(
    database: Database,
    component: Component,
    interval: Duration,
    stop: CancellationToken,
) {
    loop {
        match stop.run_until_cancelled(database.unusable_versions()).await {
            None => return,
            Some(Ok(unusable)) => tell(&component, &unusable),
            // Readiness says so of Postgres itself.
            Some(Err(error)) => {
                debug!(%error, "dataset versions without a usable challenger could not be counted");
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(interval) => {}
        }
    }
}

fn tell(component: &Component, unusable: &UnusableVersions) {
    metrics::gauge!("lapidary_dataset_versions_without_usable_challenger").set(unusable.count as f64);
    if unusable.count < TOO_MANY {
        return component.up();
    }
    let reason = unusable.reason.as_deref().unwrap_or("no reason is on record");
    component.degraded(format!(
        "the last {} dataset versions gave no model that could become champion: {reason}",
        unusable.count
    ));
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::service::{
        clock::Clock,
        health::{Health, Need, Status},
    };

    /// F9: training that comes to nothing is told once it is no accident, with the last reason.
    #[test]
    fn versions_without_a_usable_challenger_degrade_the_trainer() {
        let health = Health::new(Clock::system());
        let component = health.component("challengers", Need::Useful);
        let status = |count| {
            let reason = Some("it fails the check: r2 at least 0.5 (r2 is 0.1)".to_owned());
            tell(&component, &UnusableVersions { count, reason });
            health.snapshot()
        };
        assert_eq!(status(2).status, Status::Ready);
        let degraded = status(3);
        assert_eq!(degraded.status, Status::Degraded);
        assert_eq!(
            degraded.components["challengers"].detail.as_deref(),
            Some(
                "the last 3 dataset versions gave no model that could become champion: it fails the check: r2 at \
                 least 0.5 (r2 is 0.1)"
            )
        );
        assert_eq!(status(0).status, Status::Ready);
    }
}
