//! How a service is, part by part.
//!
//! Whoever owns a connection or a task holds a [`Component`] and tells how it is; `/readyz` shows all of them.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::clock::Clock;

/// Whether a service can work without a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// It cannot: while this is down, the service is not ready (503).
    Essential,
    /// It can, with less: the service is ready but degraded (200).
    Useful,
}

/// All parts of a service; cheap to clone.
#[derive(Clone, Debug)]
pub struct Health {
    clock: Clock,
    parts: Arc<Mutex<BTreeMap<Cow<'static, str>, Part>>>,
}

#[derive(Debug)]
struct Part {
    need: Need,
    condition: Condition,
    /// By watchdog: several loops may work on behalf of one part.
    work: BTreeMap<u64, Work>,
}

/// A unit of work that a watched loop has started and not finished.
#[derive(Debug)]
struct Work {
    description: String,
    last_progress: Instant,
    limit: Duration,
}

/// One part, told about by its owner; cheap to clone. It is down ("starting") until told otherwise.
#[derive(Clone, Debug)]
pub struct Component {
    name: Cow<'static, str>,
    health: Health,
}

/// The whole, as `/readyz` says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// The worst that matters.
    pub status: Status,
    /// By name.
    pub components: BTreeMap<Cow<'static, str>, Condition>,
}

/// Whether a service works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// All parts are up.
    Ready,
    /// It works, but some part does not, or not fully.
    Degraded,
    /// An essential part is down.
    Unavailable,
}

/// How one part is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// Up, degraded or down.
    pub state: State,
    /// Why, unless it is up.
    pub detail: Option<String>,
    /// Since when it has been in this state.
    pub since: DateTime<Utc>,
}

/// Up, degraded or down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It works.
    Up,
    /// It works with less than it should.
    Degraded,
    /// It does not work.
    Down,
}

impl Health {
    /// No parts yet.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            parts: Arc::default(),
        }
    }

    /// Adds a part, down until its owner says otherwise.
    pub fn component(&self, name: impl Into<Cow<'static, str>>, need: Need) -> Component {
        let name = name.into();
        let condition = Condition {
            state: State::Down,
            detail: Some("starting".to_owned()),
            since: self.clock.now(),
        };
        let part = Part {
            need,
            condition,
            work: BTreeMap::new(),
        };
        self.lock().insert(name.clone(), part);
        Component {
            name,
            health: self.clone(),
        }
    }

    /// How everything is now.
    pub fn snapshot(&self) -> Snapshot {
        let parts = self.lock();
        let conditions: Vec<_> = parts
            .iter()
            .map(|(name, part)| (name.clone(), part.need, part.current(&self.clock)))
            .collect();
        Snapshot {
            status: status(
                conditions
                    .iter()
                    .map(|(_, need, condition)| (*need, condition.state)),
            ),
            components: conditions
                .into_iter()
                .map(|(name, _, condition)| (name, condition))
                .collect(),
        }
    }

    /// A panic while it was locked leaves it whole: parts are replaced, not changed in steps.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Cow<'static, str>, Part>> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Part {
    /// The condition that the owner reported, or degraded while its work makes no progress.
    fn current(&self, clock: &Clock) -> Condition {
        let stalled = self
            .work
            .values()
            .filter_map(|work| Some((work.stalled_for()?, work)))
            .max_by_key(|(silence, _)| *silence);
        match (self.condition.state, stalled) {
            (State::Up, Some((silence, work))) => Condition {
                state: State::Degraded,
                detail: Some(format!(
                    "no progress for {} s: {}",
                    silence.as_secs(),
                    work.description
                )),
                since: clock.now() - silence,
            },
            _ => self.condition.clone(),
        }
    }
}

impl Work {
    /// How long there has been no progress, once that is longer than the limit.
    fn stalled_for(&self) -> Option<Duration> {
        Some(self.last_progress.elapsed()).filter(|silence| *silence > self.limit)
    }
}

fn status(parts: impl Iterator<Item = (Need, State)>) -> Status {
    let severity = |(need, state): (Need, State)| match (state, need) {
        (State::Up, _) => Status::Ready,
        (State::Down, Need::Essential) => Status::Unavailable,
        (State::Down | State::Degraded, _) => Status::Degraded,
    };
    parts
        .map(severity)
        .max_by_key(|status| *status as u8)
        .unwrap_or(Status::Ready)
}

impl Component {
    /// It works.
    pub fn up(&self) {
        self.set(State::Up, None);
    }

    /// It works with less than it should.
    pub fn degraded(&self, reason: impl Into<String>) {
        self.set(State::Degraded, Some(reason.into()));
    }

    /// It does not work.
    pub fn down(&self, reason: impl Into<String>) {
        self.set(State::Down, Some(reason.into()));
    }

    /// Watches a loop that this component stands for: while a unit of its work makes no progress for longer than
    /// `limit`, readiness shows the component as degraded and names the work.
    #[must_use]
    pub fn watchdog(&self, limit: Duration) -> Watchdog {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Watchdog {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            component: self.clone(),
            limit,
        }
    }

    fn set_work(&self, watchdog: u64, work: Option<Work>) {
        if let Some(part) = self.health.lock().get_mut(&self.name) {
            match work {
                Some(work) => part.work.insert(watchdog, work),
                None => part.work.remove(&watchdog),
            };
        }
    }

    fn set(&self, state: State, detail: Option<String>) {
        let up = f64::from(u8::from(state == State::Up));
        metrics::gauge!("lapidary_component_up", "component" => self.name.clone()).set(up);
        let now = self.health.clock.now();
        if let Some(part) = self.health.lock().get_mut(&self.name) {
            let since = if part.condition.state == state {
                part.condition.since
            } else {
                now
            };
            part.condition = Condition { state, detail, since };
        }
    }
}

/// Notices when a loop makes no progress; cheap to clone. Clones watch the same loop.
#[derive(Clone, Debug)]
pub struct Watchdog {
    id: u64,
    component: Component,
    limit: Duration,
}

impl Watchdog {
    /// Notes that the loop has started, or made progress with, the work that `description` names ("reading a.csv").
    pub fn working_on(&self, description: impl Into<String>) {
        self.component.set_work(
            self.id,
            Some(Work {
                description: description.into(),
                last_progress: Instant::now(),
                limit: self.limit,
            }),
        );
    }

    /// Notes that the loop has nothing to do.
    pub fn idle(&self) {
        self.component.set_work(self.id, None);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use serde_json::json;

    use super::*;

    /// A clock that is a second later each time.
    fn ticking() -> Clock {
        let seconds = AtomicI64::new(0);
        Clock::from_fn(move || DateTime::from_timestamp(seconds.fetch_add(1, Ordering::SeqCst), 0).unwrap())
    }

    #[test]
    fn a_service_is_unavailable_until_its_essential_parts_are_up() {
        let health = Health::new(ticking());
        assert_eq!(health.snapshot().status, Status::Ready);
        let (model, broker) = (
            health.component("model", Need::Essential),
            health.component("broker", Need::Useful),
        );
        assert_eq!(health.snapshot().status, Status::Unavailable);
        model.up();
        assert_eq!(health.snapshot().status, Status::Degraded, "the broker is down");
        broker.up();
        assert_eq!(health.snapshot().status, Status::Ready);
        model.degraded("old");
        assert_eq!(health.snapshot().status, Status::Degraded);
        model.down("bad");
        assert_eq!(health.snapshot().status, Status::Unavailable);
    }

    #[test]
    fn the_snapshot_says_why_and_since_when() {
        let health = Health::new(ticking());
        let postgres = health.component("postgres", Need::Useful);
        postgres.down("refused");
        postgres.down("timed out");
        let expected = json!({"status": "degraded", "components": {"postgres":
            {"state": "down", "detail": "timed out", "since": "1970-01-01T00:00:00Z"}}});
        assert_eq!(serde_json::to_value(health.snapshot()).unwrap(), expected);
        postgres.up();
        let expected = json!({"status": "ready", "components": {"postgres":
            {"state": "up", "detail": null, "since": "1970-01-01T00:00:03Z"}}});
        assert_eq!(serde_json::to_value(health.snapshot()).unwrap(), expected);
    }

    #[test]
    fn one_loop_that_is_idle_does_not_hide_another_of_the_same_component_that_is_stalled() {
        let health = Health::new(ticking());
        let postgres = health.component("postgres", Need::Useful);
        postgres.up();
        let [stalled, busy] = [(); 2].map(|()| postgres.watchdog(Duration::ZERO));
        stalled.working_on("claiming a linear run");
        busy.working_on("reading the API keys");
        busy.idle();
        while health.snapshot().status == Status::Ready {}
        let detail = health.snapshot().components["postgres"].detail.clone();
        assert!(detail.unwrap_or_default().ends_with("claiming a linear run"));
    }

    #[test]
    fn work_without_progress_degrades_a_component_that_is_up_until_the_work_is_done() {
        let health = Health::new(ticking());
        let inbox = health.component("inbox", Need::Useful);
        inbox.up();
        let (patient, impatient) = (inbox.watchdog(Duration::MAX), inbox.watchdog(Duration::ZERO));
        patient.working_on("reading a.csv");
        assert_eq!(health.snapshot().status, Status::Ready);
        impatient.working_on("reading b.csv");
        patient.idle();
        while health.snapshot().status == Status::Ready {}
        let condition = health.snapshot().components["inbox"].clone();
        assert_eq!(condition.state, State::Degraded);
        assert_eq!(
            condition.detail.as_deref(),
            Some("no progress for 0 s: reading b.csv")
        );
        inbox.down("the folder is gone");
        assert_eq!(
            health.snapshot().components["inbox"].detail.as_deref(),
            Some("the folder is gone")
        );
        inbox.up();
        impatient.idle();
        assert_eq!(health.snapshot().status, Status::Ready);
    }
}
