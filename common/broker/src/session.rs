//! What a consumer and a wake-up subscription have in common: connect, work until it ends, connect again.

use std::{convert::Infallible, time::Duration};

use futures_util::StreamExt;
use lapin::{
    Consumer as Subscription,
    options::{BasicConsumeOptions, BasicQosOptions},
    types::{FieldTable, ShortString},
};
use service::error::chain;
use tokio_util::sync::CancellationToken;

use crate::{
    backoff::Backoff,
    connection::{BrokerSettings, Link},
    error::BrokerError,
    link_state::{LinkState, Reporter},
};

/// Why work on a connection ended.
pub(crate) enum Halt {
    /// This process was told to stop.
    Stopped,
    /// The connection or the subscription is no longer usable.
    Broken(BrokerError),
}

impl From<BrokerError> for Halt {
    fn from(error: BrokerError) -> Self {
        Self::Broken(error)
    }
}

/// What is done on one connection, until it ends or is stopped.
pub(crate) trait Session {
    /// Works on an open connection; reports it as usable and resets the backoff once it is subscribed.
    fn work(
        &self,
        link: &Link,
        backoff: &mut Backoff,
    ) -> impl Future<Output = Result<Infallible, Halt>> + Send;
}

/// Runs a session on one connection after another until `stop`.
pub(crate) async fn run(
    session: &impl Session,
    settings: &BrokerSettings,
    reporter: &Reporter,
    stop: &CancellationToken,
) {
    let mut backoff = Backoff::new();
    while let Halt::Broken(error) = once(session, settings, reporter, &mut backoff, stop).await {
        reporter.report(LinkState::Down(chain(&error)));
        if pause(backoff.next_delay(), stop).await.is_err() {
            break;
        }
    }
}

async fn once(
    session: &impl Session,
    settings: &BrokerSettings,
    reporter: &Reporter,
    backoff: &mut Backoff,
    stop: &CancellationToken,
) -> Halt {
    let opened = tokio::select! {
        opened = Link::open(settings, reporter) => opened,
        () = stop.cancelled() => return Halt::Stopped,
    };
    let link = match opened {
        Ok(link) => link,
        Err(error) => return error.into(),
    };
    let Err(halt) = session.work(&link, backoff).await;
    link.close().await;
    halt
}

/// Waits, unless told to stop.
pub(crate) async fn pause(delay: Duration, stop: &CancellationToken) -> Result<(), Halt> {
    tokio::select! {
        () = tokio::time::sleep(delay) => Ok(()),
        () = stop.cancelled() => Err(Halt::Stopped),
    }
}

/// Subscribes to a queue with a prefetch.
pub(crate) async fn subscribe(
    link: &Link,
    queue: ShortString,
    prefetch: u16,
) -> Result<Subscription, BrokerError> {
    let channel = link.channel();
    channel
        .basic_qos(prefetch, BasicQosOptions::default())
        .await
        .map_err(BrokerError::Lost)?;
    let subscribed = channel.basic_consume(
        queue,
        "".into(),
        BasicConsumeOptions::default(),
        FieldTable::default(),
    );
    subscribed.await.map_err(BrokerError::Subscribe)
}

/// The next message; an error when the broker cancelled the subscription or the connection ended.
pub(crate) async fn next(
    subscription: &mut Subscription,
    stop: &CancellationToken,
) -> Result<lapin::message::Delivery, Halt> {
    tokio::select! {
        biased;
        () = stop.cancelled() => Err(Halt::Stopped),
        delivery = subscription.next() => match delivery {
            Some(delivery) => delivery.map_err(|error| BrokerError::Lost(error).into()),
            None => Err(BrokerError::Cancelled.into()),
        },
    }
}

/// Acknowledges; an error when the channel that it came on is gone and the broker will deliver it again.
pub(crate) async fn acknowledge(delivery: &lapin::message::Delivery) -> Result<(), BrokerError> {
    match delivery.acker.ack(Default::default()).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(BrokerError::Down(
            "the channel ended before the acknowledgement".to_owned(),
        )),
        Err(error) => Err(BrokerError::Lost(error)),
    }
}
