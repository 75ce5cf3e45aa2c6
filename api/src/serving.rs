//! The model being served, and its swap: model, neighbours and dataset version change in one atomic step,
//! loaded and checked off the request path. A bad artifact leaves the old model serving.

use std::{sync::Arc, time::Duration};

use ::service::health::Component;
use anyhow::Context as _;
use arc_swap::ArcSwapOption;
use backend::Backend;
use model::{Artifact, Predictor};
use storage::promotions::ChampionRef;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::neighbours::Neighbours;

/// Everything that one answer is made from.
pub(crate) struct Served {
    pub(crate) champion: ChampionRef,
    pub(crate) predictor: Predictor,
    pub(crate) neighbours: Neighbours,
}

/// The slot that requests read and swaps write.
pub(crate) struct Serving {
    served: ArcSwapOption<Served>,
    component: Component,
}

impl Serving {
    pub(crate) fn new(component: Component) -> Self {
        component.down("no model yet: drop a data file into the inbox");
        Self {
            served: ArcSwapOption::empty(),
            component,
        }
    }

    /// What is served now; none before the first model.
    pub(crate) fn current(&self) -> Option<Arc<Served>> {
        self.served.load_full()
    }

    /// Follows the registry: looks when woken and every `interval`, until told to stop.
    pub(crate) async fn follow(
        &self,
        backend: Backend,
        woken: Arc<Notify>,
        interval: Duration,
        stop: CancellationToken,
    ) {
        loop {
            if let Err(error) = self.reconcile(&backend).await {
                warn!(
                    error = format!("{error:#}"),
                    "the champion cannot be loaded; the old model goes on serving"
                );
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = woken.notified() => {}
                () = tokio::time::sleep(interval) => {}
            }
        }
    }

    async fn reconcile(&self, backend: &Backend) -> anyhow::Result<()> {
        let Some(champion) = backend.database.champion_ref().await? else {
            return Ok(());
        };
        let newest = self
            .served
            .load()
            .as_ref()
            .map(|served| served.champion.promotion);
        if newest >= Some(champion.promotion) {
            return Ok(());
        }
        let served = load(backend, champion).await?;
        self.served.store(Some(Arc::new(served)));
        self.component.up();
        metrics::gauge!("lapidary_model_version").set(f64::from(champion.version.get()));
        info!(
            model.version = champion.version.get(),
            promotion = champion.promotion.get(),
            "serving a new model"
        );
        Ok(())
    }
}

async fn load(backend: &Backend, champion: ChampionRef) -> anyhow::Result<Served> {
    let bytes = backend.store.artifact(champion.artifact).await?;
    let artifact = Artifact::load(&bytes).context("the artifact is not usable")?;
    let samples = backend
        .database
        .samples(&backend.store, champion.dataset_version)
        .await?;
    let neighbours = tokio::task::spawn_blocking(move || Neighbours::of(&samples)).await?;
    Ok(Served {
        champion,
        predictor: artifact.into_predictor(),
        neighbours,
    })
}
