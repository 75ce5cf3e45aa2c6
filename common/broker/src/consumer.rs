//! Consuming the queue of one model kind, one message at a time.

use std::convert::Infallible;

use lapin::{Consumer as Subscription, options::BasicCancelOptions};
use service::error::chain;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::{
    backoff::Backoff,
    connection::{BrokerSettings, Link},
    error::{BrokerError, name},
    link_state::{LinkState, Reporter},
    message::{DeadLetter, Delivery, Outgoing},
    outcome::Outcome,
    publisher::Publisher,
    session::{self, Halt, Session},
    topology::train_queue,
};

/// Training takes minutes: a second message in hand would be kept from other trainers.
const PREFETCH: u16 = 1;

/// Consumes `train.<kind>` on a connection of its own.
pub struct Consumer {
    settings: BrokerSettings,
    queue: String,
    publisher: Publisher,
    reporter: Reporter,
}

impl Consumer {
    /// A consumer of one kind's queue; dead letters go out through `publisher`.
    pub fn new(settings: BrokerSettings, kind: &str, publisher: Publisher) -> Self {
        let reporter = Reporter::new(&format!("{} consume {kind}", settings.service));
        Self {
            settings,
            queue: train_queue(kind),
            publisher,
            reporter,
        }
    }

    /// The state of its connection, for readiness. A connection that is lost while a handler works is made again
    /// when the handler has answered.
    pub fn state(&self) -> watch::Receiver<LinkState> {
        self.reporter.watch()
    }

    /// Hands each delivery to `handler` and obeys its answer, reconnecting for ever, until `stop`. Then it takes
    /// no more, waits for the handler in hand, obeys its answer and closes.
    ///
    /// A delivery whose connection is lost while its handler works comes again, here or elsewhere.
    pub async fn run<H, F>(self, handler: H, stop: CancellationToken)
    where
        H: Fn(Delivery) -> F + Send + Sync,
        F: Future<Output = Outcome> + Send,
    {
        let work = Work {
            consumer: &self,
            handler: &handler,
            stop: &stop,
        };
        session::run(&work, &self.settings, &self.reporter, &stop).await;
    }
}

struct Work<'a, H> {
    consumer: &'a Consumer,
    handler: &'a H,
    stop: &'a CancellationToken,
}

/// A handler's final answer, and what has to be confirmed before the acknowledgement.
enum Verdict {
    Acknowledge,
    Forward(Outgoing),
}

impl<H, F> Session for Work<'_, H>
where
    H: Fn(Delivery) -> F + Send + Sync,
    F: Future<Output = Outcome> + Send,
{
    async fn work(&self, link: &Link, backoff: &mut Backoff) -> Result<Infallible, Halt> {
        link.check_queue(&self.consumer.queue)?;
        let mut subscription = session::subscribe(link, name(&self.consumer.queue)?, PREFETCH).await?;
        link.report_usable();
        backoff.reset();
        loop {
            let received = session::next(&mut subscription, self.stop).await?;
            let delivery = Delivery::from(&received);
            let call = Call {
                work: self,
                link,
                subscription: &subscription,
            };
            if let Verdict::Forward(outgoing) = call.decide(&delivery).await? {
                call.forward(outgoing).await?;
            }
            session::acknowledge(&received).await?;
        }
    }
}

/// One delivery in hand.
struct Call<'a, H> {
    work: &'a Work<'a, H>,
    link: &'a Link,
    subscription: &'a Subscription,
}

impl<H, F> Call<'_, H>
where
    H: Fn(Delivery) -> F + Send + Sync,
    F: Future<Output = Outcome> + Send,
{
    /// Calls the handler until it answers something other than "wait".
    async fn decide(&self, delivery: &Delivery) -> Result<Verdict, Halt> {
        let mut backoff = Backoff::new();
        let mut waiting_for = None;
        loop {
            let outcome = self.handle(delivery.clone()).await;
            self.count(&outcome);
            let reason = match outcome {
                Outcome::Done => return Ok(Verdict::Acknowledge),
                Outcome::DeadLetter { reason } => return Ok(self.dead_letter(delivery, reason)?),
                Outcome::Wait { reason } => reason,
            };
            if waiting_for.as_ref() != Some(&reason) {
                warn!(
                    queue = self.queue(),
                    reason, "waiting, consuming nothing meanwhile"
                );
                waiting_for = Some(reason);
            }
            self.pause(&mut backoff).await?;
        }
    }

    /// Calls the handler once; a stop meanwhile ends the subscription but not the handler.
    async fn handle(&self, delivery: Delivery) -> Outcome {
        let mut work = std::pin::pin!((self.work.handler)(delivery));
        tokio::select! {
            outcome = &mut work => return outcome,
            () = self.work.stop.cancelled() => {}
        }
        let cancelled = self
            .link
            .channel()
            .basic_cancel(self.subscription.tag(), BasicCancelOptions::default())
            .await;
        debug!(?cancelled, "stopped consuming, waiting for the handler");
        work.await
    }

    fn dead_letter(&self, delivery: &Delivery, reason: String) -> Result<Verdict, BrokerError> {
        warn!(queue = self.queue(), reason, "dead-lettering the message");
        let letter = DeadLetter {
            queue: self.queue().to_owned(),
            routing_key: delivery.routing_key.clone(),
            reason,
            about: Vec::new(),
            body: delivery.body.clone(),
        };
        Outgoing::dead_letter(letter).map(Verdict::Forward)
    }

    /// Publishes until the broker has it. Stopping or losing the connection gives up: unacknowledged, the delivery
    /// comes again.
    async fn forward(&self, outgoing: Outgoing) -> Result<(), Halt> {
        let batch = [outgoing];
        let mut backoff = Backoff::new();
        let mut logged = false;
        while let Err(error) = self.work.consumer.publisher.put_aside(&batch).await {
            if !logged {
                warn!(
                    queue = self.queue(),
                    reason = chain(&error),
                    "cannot put the message aside, trying again"
                );
                logged = true;
            }
            self.pause(&mut backoff).await?;
        }
        Ok(())
    }

    async fn pause(&self, backoff: &mut Backoff) -> Result<(), Halt> {
        tokio::select! {
            paused = session::pause(backoff.next_delay(), self.work.stop) => paused,
            gone = self.link.down() => Err(gone.into()),
        }
    }

    fn queue(&self) -> &str {
        &self.work.consumer.queue
    }

    fn count(&self, outcome: &Outcome) {
        let outcome = match outcome {
            Outcome::Done => "done",
            Outcome::DeadLetter { .. } => "dead_letter",
            Outcome::Wait { .. } => "wait",
        };
        let queue = self.queue().to_owned();
        metrics::counter!("broker_deliveries_total", "queue" => queue, "outcome" => outcome).increment(1);
    }
}
