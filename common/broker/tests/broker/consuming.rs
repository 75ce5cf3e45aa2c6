//! Consuming: every answer is obeyed, and nothing is lost when a connection is.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use broker::{Outcome, Publisher};
use lapin::types::AMQPValue;
use reqwest::Method;

use crate::{
    support::{Running, becomes, is_down, is_up, ready, settings, soon},
    vhost::in_vhost,
};

fn retry(attempt: u32) -> Outcome {
    Outcome::Retry {
        reason: "the learner failed".into(),
        attempt,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_comes_back_after_its_delay_and_a_short_one_overtakes_a_long_one() -> Result<()> {
    in_vhost(|vhost| async move {
        let (short, long) = (Duration::from_millis(300), Duration::from_millis(2500));
        let mut settings = settings(&vhost);
        settings.topology.retry_delays = vec![short, long];
        Publisher::new(settings.clone())
            .publish(&[ready("long"), ready("short")])
            .await?;
        let mut consumer = Running::start(settings);

        let mut put_aside = Vec::new();
        for (body, attempt) in [("long", 2), ("short", 1)] {
            let call = consumer.call().await?;
            assert_eq!(call.body(), body);
            put_aside.push(Instant::now());
            call.answer(retry(attempt));
        }
        for (body, put_aside, delay) in [("short", put_aside[1], short), ("long", put_aside[0], long)] {
            let call = consumer.call().await?;
            assert_eq!(
                (call.body().as_str(), call.delivery.routing_key.as_str()),
                (body, "dataset.ready")
            );
            let waited = put_aside.elapsed();
            assert!(waited >= delay, "{body} came back after {waited:?}");
            call.answer(Outcome::Done);
        }
        let observer = vhost.observe().await?;
        assert_eq!(
            observer.ready("train.xgboost").await?,
            2,
            "another kind is not woken by a retry"
        );
        consumer.stop().await?;
        observer.becomes_ready("train.linear", 0).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_keeps_body_reason_and_routing_key() -> Result<()> {
    in_vhost(|vhost| async move {
        Publisher::new(settings(&vhost))
            .publish(&[ready("not an event")])
            .await?;
        let mut consumer = Running::start(settings(&vhost));
        consumer.call().await?.answer(Outcome::DeadLetter {
            reason: "no JSON".into(),
        });
        let observer = vhost.observe().await?;
        observer.becomes_ready("dead-letters", 1).await?;
        let dead = observer
            .channel
            .basic_get("dead-letters".into(), Default::default())
            .await?;
        let dead = dead.context("no message")?;
        assert_eq!(
            (dead.data.as_slice(), dead.routing_key.as_str()),
            (b"not an event".as_slice(), "dataset.ready")
        );
        let reason = dead
            .properties
            .headers()
            .as_ref()
            .and_then(|it| it.inner().get("x-lapidary-reason").cloned());
        assert_eq!(reason, Some(AMQPValue::LongString("no JSON".into())));
        consumer.stop().await?;
        observer.becomes_ready("train.linear", 0).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_keeps_the_message_in_hand_and_takes_no_other() -> Result<()> {
    in_vhost(|vhost| async move {
        Publisher::new(settings(&vhost))
            .publish(&[ready("first"), ready("second")])
            .await?;
        let mut consumer = Running::start(settings(&vhost));
        let observer = vhost.observe().await?;
        for _ in 0..3 {
            let call = consumer.call().await?;
            assert_eq!(
                (call.body().as_str(), call.delivery.redelivered),
                ("first", false)
            );
            assert_eq!(
                observer.ready("train.linear").await?,
                1,
                "the first in hand, the second in the queue"
            );
            call.answer(Outcome::Wait {
                reason: "Postgres is down".into(),
            });
        }
        consumer.call().await?.answer(Outcome::Done);
        let call = consumer.call().await?;
        assert_eq!(call.body(), "second");
        call.answer(Outcome::Done);
        consumer.stop().await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_comes_again_when_its_connection_was_closed_before_the_answer() -> Result<()> {
    in_vhost(|vhost| async move {
        Publisher::new(settings(&vhost)).publish(&[ready("work")]).await?;
        let mut consumer = Running::start(settings(&vhost));
        let call = consumer.call().await?;
        vhost.close_connection("test consume linear").await?;
        becomes(&mut consumer.state, is_down).await?;
        call.answer(Outcome::Done);
        let again = consumer.call().await?;
        assert_eq!(
            (again.body().as_str(), again.delivery.redelivered),
            ("work", true)
        );
        again.answer(Outcome::Done);
        consumer.stop().await?;
        vhost.observe().await?.becomes_ready("train.linear", 0).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_ends_when_the_connection_does() -> Result<()> {
    in_vhost(|vhost| async move {
        Publisher::new(settings(&vhost)).publish(&[ready("work")]).await?;
        let mut consumer = Running::start(settings(&vhost));
        consumer.call().await?.answer(Outcome::Wait {
            reason: "Postgres is down".into(),
        });
        vhost.close_connection("test consume linear").await?;
        // Far fewer calls are needed: the connection is gone after the first or second.
        for _ in 0..8 {
            let call = consumer.call().await?;
            let redelivered = call.delivery.redelivered;
            call.answer(if redelivered {
                Outcome::Done
            } else {
                Outcome::Wait {
                    reason: "still".into(),
                }
            });
            if redelivered {
                return consumer.stop().await;
            }
        }
        anyhow::bail!("the handler is called again and again with a delivery that is no longer ours")
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_whose_queue_was_deleted_makes_it_anew_and_subscribes_again() -> Result<()> {
    in_vhost(|vhost| async move {
        let mut consumer = Running::start(settings(&vhost));
        let publisher = Publisher::new(settings(&vhost));
        publisher.publish(&[ready("before")]).await?;
        consumer.call().await?.answer(Outcome::Done);
        vhost
            .call(Method::DELETE, "queues/{vhost}/train.linear", None)
            .await?;
        becomes(&mut consumer.state, is_down).await?;
        becomes(&mut consumer.state, is_up).await?;
        publisher.publish(&[ready("after")]).await?;
        let call = consumer.call().await?;
        assert_eq!(call.body(), "after");
        call.answer(Outcome::Done);
        consumer.stop().await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_whose_queue_was_deleted_is_not_lost() -> Result<()> {
    in_vhost(|vhost| async move {
        let mut settings = settings(&vhost);
        settings.topology.retry_delays = vec![Duration::from_millis(50)];
        Publisher::new(settings.clone()).publish(&[ready("work")]).await?;
        let mut consumer = Running::start(settings);
        let call = consumer.call().await?;
        // The first retry makes the consumer's publisher connect and declare; the second finds the queue gone.
        call.answer(retry(1));
        let call = consumer.call().await?;
        vhost
            .call(Method::DELETE, "queues/{vhost}/train.linear.retry.50", None)
            .await?;
        call.answer(retry(2));
        let call = consumer.call().await?;
        assert_eq!(call.body(), "work");
        call.answer(Outcome::Done);
        consumer.stop().await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_waits_for_the_handler_in_hand_and_takes_no_further_message() -> Result<()> {
    in_vhost(|vhost| async move {
        Publisher::new(settings(&vhost))
            .publish(&[ready("in hand"), ready("further")])
            .await?;
        let mut consumer = Running::start(settings(&vhost));
        let call = consumer.call().await?;
        consumer.stop.cancel();
        assert!(!consumer.task.is_finished());
        call.answer(Outcome::Done);
        soon(&mut consumer.task).await??;
        assert!(!consumer.is_called());
        vhost.observe().await?.becomes_ready("train.linear", 1).await
    })
    .await
}
