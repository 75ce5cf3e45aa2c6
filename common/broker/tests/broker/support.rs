//! What the tests share: settings, messages, a scripted handler, and waiting on facts.

use std::{future::Future, time::Duration};

use anyhow::{Context, Result};
use broker::{BrokerSettings, Consumer, Delivery, LinkState, Message, Outcome, Publisher, Topology};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
    time::{interval, timeout},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::vhost::Vhost;

/// Longer than anything here takes; a test that needs it has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for something that must happen.
pub async fn soon<T>(what: impl Future<Output = T>) -> Result<T> {
    timeout(PATIENCE, what).await.context("it did not happen")
}

/// Asks again and again until there is an answer.
pub async fn until<T, F>(ask: impl Fn() -> F) -> Result<T>
where
    F: Future<Output = Result<Option<T>>>,
{
    let mut again = interval(Duration::from_millis(20));
    let asking = async {
        loop {
            again.tick().await;
            if let Some(answer) = ask().await? {
                return Ok(answer);
            }
        }
    };
    soon(asking).await?
}

/// Waits until a connection is in a state.
pub async fn becomes(
    state: &mut watch::Receiver<LinkState>,
    wanted: fn(&LinkState) -> bool,
) -> Result<LinkState> {
    Ok(soon(state.wait_for(wanted)).await??.clone())
}

pub fn is_up(state: &LinkState) -> bool {
    *state == LinkState::Up
}

pub fn is_down(state: &LinkState) -> bool {
    matches!(state, LinkState::Down(_))
}

/// Settings with `linear` and `xgboost` known and bound.
pub fn settings(vhost: &Vhost) -> BrokerSettings {
    binding(vhost, &["linear", "xgboost"])
}

/// Settings with `linear` and `xgboost` known, of a process that binds these.
pub fn binding(vhost: &Vhost, kinds: &[&str]) -> BrokerSettings {
    let mut topology = Topology::new(&["linear", "xgboost"]);
    topology.bind(&kinds.iter().map(|kind| (*kind).to_owned()).collect::<Vec<_>>());
    BrokerSettings {
        url: vhost.url().into(),
        service: "test".to_owned(),
        topology,
    }
}

/// A must-route event with this body.
pub fn message(routing_key: &str, body: &str) -> Message {
    Message {
        id: Uuid::now_v7(),
        routing_key: routing_key.into(),
        body: body.into(),
        must_route: true,
    }
}

pub fn ready(body: &str) -> Message {
    message("dataset.ready", body)
}

/// One call of a handler: the test sees the delivery and gives the answer.
pub struct Called {
    pub delivery: Delivery,
    answer: oneshot::Sender<Outcome>,
}

impl Called {
    pub fn body(&self) -> String {
        String::from_utf8_lossy(&self.delivery.body).into_owned()
    }

    pub fn answer(self, outcome: Outcome) {
        // Nobody listens when the consumer has been dropped; then the test fails elsewhere.
        let _ = self.answer.send(outcome);
    }
}

/// A consumer, of `train.linear` unless another is asked for, whose handler asks the test.
pub struct Running {
    calls: mpsc::UnboundedReceiver<Called>,
    pub state: watch::Receiver<LinkState>,
    pub stop: CancellationToken,
    pub task: JoinHandle<()>,
}

impl Running {
    pub fn start(settings: BrokerSettings) -> Self {
        Self::of("linear", settings)
    }

    /// The same for the queue of any kind.
    pub fn of(kind: &str, settings: BrokerSettings) -> Self {
        let (sender, calls) = mpsc::unbounded_channel();
        let publisher = Publisher::new(settings.clone());
        let consumer = Consumer::new(settings, kind, publisher);
        let (state, stop) = (consumer.state(), CancellationToken::new());
        let handler = move |delivery| {
            let (answer, answered) = oneshot::channel();
            let _ = sender.send(Called { delivery, answer });
            async move { answered.await.unwrap_or(Outcome::Done) }
        };
        let task = tokio::spawn(consumer.run(handler, stop.clone()));
        Self {
            calls,
            state,
            stop,
            task,
        }
    }

    /// The next call of the handler.
    pub async fn call(&mut self) -> Result<Called> {
        soon(self.calls.recv()).await?.context("the consumer has ended")
    }

    /// Whether the handler has been called and the test has not looked.
    pub fn is_called(&self) -> bool {
        !self.calls.is_empty()
    }

    /// Stops and waits for the end.
    pub async fn stop(self) -> Result<()> {
        self.stop.cancel();
        Ok(soon(self.task).await??)
    }
}
