//! The model being served, and its swap: model, neighbours and dataset version change in one atomic step,
//! loaded and checked off the request path. A bad artifact leaves the old model serving.

mod gather;
mod kept;
mod loading;

use std::{path::PathBuf, sync::Arc, time::Duration};

use ::service::{
    clock::Clock,
    error::chain,
    health::{Component, Watchdog},
};
use arc_swap::ArcSwapOption;
use backend::Backend;
use chrono::{DateTime, Utc};
use domain::{PromotionNumber, Sha256};
use model::{Artifact, Predictor, ranges::Ranges};
use storage::{
    promotions::{ChampionRef, ModelRef},
    store::Store,
};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{neighbours::Neighbours, service::App, work::aside};
pub(crate) use gather::{export, index_of};
use kept::Kept;
pub(crate) use loading::LoadError;
use loading::Loading;

/// Everything that one answer is made from.
pub(crate) struct Served {
    pub(crate) champion: ChampionRef,
    pub(crate) predictor: Predictor,
    /// How far the predictor may be off.
    pub(crate) ranges: Ranges,
    /// Those of the dataset version that the model was trained on; models of the same one share them.
    pub(crate) neighbours: Arc<Neighbours>,
    /// When it began to serve here.
    since: DateTime<Utc>,
}

impl Served {
    /// A model of any time, with the neighbours that its answers are to have.
    pub(crate) fn again(model: &ModelRef, artifact: Artifact, neighbours: Neighbours) -> Self {
        let (predictor, ranges, _) = artifact.into_parts();
        Self {
            champion: ChampionRef {
                promotion: PromotionNumber::FIRST,
                version: model.version,
                kind: model.kind,
                dataset_version: model.dataset_version,
                artifact: model.artifact,
            },
            predictor,
            ranges,
            neighbours: Arc::new(neighbours),
            since: DateTime::UNIX_EPOCH,
        }
    }
}

/// The slot that requests read and swaps write.
pub(crate) struct Serving {
    served: ArcSwapOption<Served>,
    component: Component,
    kept: Kept,
    loading: Loading,
    clock: Clock,
}

impl Serving {
    /// Serves what was kept in the folder `cache` before, if anything.
    pub(crate) async fn open(cache: PathBuf, component: Component, clock: Clock) -> Arc<Self> {
        component.down("no model yet: drop a data file into the inbox");
        let serving = Arc::new(Self {
            served: ArcSwapOption::empty(),
            component,
            kept: Kept::new(cache),
            loading: Loading::new(),
            clock,
        });
        if let Err(error) = serving.restore().await {
            let error = format!("{error:#}");
            warn!(error, "the kept model cannot be used; waiting for the registry's");
        }
        serving
    }

    /// What is served now; none before the first model.
    pub(crate) fn current(&self) -> Option<Arc<Served>> {
        self.served.load_full()
    }

    /// Loads and checks a model that is about to become champion.
    pub(crate) async fn check(&self, store: &Store, artifact: Sha256) -> Result<Artifact, LoadError> {
        self.loading.load(store, artifact).await
    }

    /// Holds a checked model ready, so that it need not be loaded again when it is champion.
    pub(crate) fn hold(&self, artifact: Sha256, checked: Artifact) {
        self.loading.checked.put(artifact, checked);
    }

    /// Follows the registry: looks when woken and every `interval`, until told to stop.
    pub(crate) async fn follow(app: App, interval: Duration, watchdog: Watchdog, stop: CancellationToken) {
        loop {
            if app.registry().is_ok() {
                watchdog.working_on("looking up the champion, and loading it when it is new");
                app.serving.reconcile(&app.backend).await;
                watchdog.idle();
            }
            app.serving.measure();
            tokio::select! {
                () = stop.cancelled() => return,
                () = app.look.notified() => {}
                () = tokio::time::sleep(interval) => {}
            }
        }
    }

    async fn restore(self: &Arc<Self>) -> anyhow::Result<()> {
        let serving = Arc::clone(self);
        let Some((champion, artifact, neighbours)) = spawn_blocking(move || serving.kept.load()).await??
        else {
            return Ok(());
        };
        self.swap(champion, artifact, Arc::new(neighbours));
        Ok(())
    }

    /// Serves the registry's champion; what is served goes on when that is not possible.
    async fn reconcile(self: &Arc<Self>, backend: &Backend) {
        let champion = match backend.database.champion_ref().await {
            Ok(champion) => champion,
            Err(error) => {
                warn!(error = chain(&error), "the champion cannot be looked up");
                return;
            }
        };
        let Some(champion) = champion else { return };
        let served = self.current().map(|served| served.champion.promotion);
        let lag =
            champion.promotion.get() - served.map_or(0, |served| served.get().min(champion.promotion.get()));
        metrics::gauge!("lapidary_model_lag_promotions").set(f64::from(lag));
        if served >= Some(champion.promotion) {
            return;
        }
        match self.load(backend, champion).await {
            Ok(()) => metrics::gauge!("lapidary_model_lag_promotions").set(0.0),
            Err(error) => {
                let error = format!("{error:#}");
                self.tell_failure(champion, &error);
                warn!(
                    model.version = champion.version.get(),
                    error, "the champion cannot be loaded; the old model goes on serving"
                );
            }
        }
    }

    async fn load(self: &Arc<Self>, backend: &Backend, champion: ChampionRef) -> anyhow::Result<()> {
        let artifact = match self.loading.checked.take(champion.artifact) {
            Some(checked) => checked,
            None => self.loading.load(&backend.store, champion.artifact).await?,
        };
        let neighbours = match self.current() {
            Some(served) if served.champion.dataset_version == champion.dataset_version => {
                Arc::clone(&served.neighbours)
            }
            _ => Arc::new(gather::neighbours(backend, champion.dataset_version, &self.kept).await?),
        };
        let json = self.swap(champion, artifact, neighbours);
        let serving = Arc::clone(self);
        let kept = aside(move || serving.kept.keep(champion, &json)).await?;
        if let Err(error) = kept {
            warn!(%error, "the model cannot be kept on disk; without servers the API would start with the one before");
        }
        Ok(())
    }

    /// Serves a model from now on; its artifact comes back, as it is kept.
    fn swap(&self, champion: ChampionRef, artifact: Artifact, neighbours: Arc<Neighbours>) -> Vec<u8> {
        let (predictor, ranges, json) = artifact.into_parts();
        self.served.store(Some(Arc::new(Served {
            champion,
            predictor,
            ranges,
            neighbours,
            since: self.clock.now(),
        })));
        self.component.up();
        self.measure();
        info!(
            model.version = champion.version.get(),
            promotion = champion.promotion.get(),
            "serving a new model"
        );
        json
    }

    fn tell_failure(&self, champion: ChampionRef, error: &str) {
        let wanted = champion.version;
        match self.current() {
            Some(served) => {
                let serving = served.champion.version;
                let detail = format!("model {wanted} cannot be loaded, {serving} goes on serving: {error}");
                self.component.degraded(detail);
            }
            None => self
                .component
                .down(format!("model {wanted} cannot be loaded: {error}")),
        }
    }

    fn measure(&self) {
        if let Some(served) = self.current() {
            let age = self.clock.now() - served.since;
            metrics::gauge!("lapidary_model_version").set(f64::from(served.champion.version.get()));
            metrics::gauge!("lapidary_model_age_seconds").set(age.as_seconds_f64());
            metrics::gauge!("lapidary_samples").set(served.neighbours.len() as f64);
            metrics::gauge!("lapidary_samples_bytes").set(served.neighbours.bytes() as f64);
        }
    }
}
