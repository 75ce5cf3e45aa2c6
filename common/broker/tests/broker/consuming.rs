//! Consuming: every answer is obeyed, and nothing is lost when a connection is.

use anyhow::{Context, Result};
use broker::{LinkState, Outcome, Publisher};
use lapin::types::AMQPValue;
use reqwest::Method;
use serde_json::json;

use crate::{
    support::{Running, becomes, is_down, is_up, ready, settings, soon},
    vhost::in_vhost,
};

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

/// W4: with the right to read withdrawn, consumers were dead and shown as up.
#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_may_not_read_its_queue_is_down_and_says_why_and_another_one_works() -> Result<()> {
    in_vhost(|vhost| async move {
        let user = vhost.user("train\\.linear").await?;
        let mut forbidden = settings(&vhost);
        forbidden.url = user.url.clone().into();
        let mut consumer = Running::of("linear", forbidden.clone());
        let mut state = consumer.state.clone();
        let ever_up = tokio::spawn(async move { state.wait_for(is_up).await.is_ok() });
        let why = soon(consumer.state.wait_for(is_down)).await??.clone();
        assert!(
            matches!(&why, LinkState::Down(why) if why.contains("ACCESS_REFUSED") && why.contains("train.linear")),
            "{why:?}"
        );
        let mut other = Running::of("xgboost", forbidden);
        becomes(&mut other.state, is_up).await?;
        Publisher::new(settings(&vhost)).publish(&[ready("work")]).await?;
        other.call().await?.answer(Outcome::Done);
        assert!(!ever_up.is_finished(), "it was shown as up in between");
        ever_up.abort();
        other.stop().await?;
        consumer.stop().await?;
        user.delete(&vhost).await
    })
    .await
}

/// W4: a queue of another type kept every consumer and publisher of the process from working.
#[tokio::test(flavor = "multi_thread")]
async fn a_queue_of_another_type_stops_its_own_kind_only() -> Result<()> {
    in_vhost(|vhost| async move {
        let classic = json!({"durable": true, "arguments": {"x-queue-type": "classic"}});
        vhost
            .call(Method::PUT, "queues/{vhost}/train.linear", Some(classic))
            .await?;
        let mut consumer = Running::of("linear", settings(&vhost));
        let why = soon(consumer.state.wait_for(is_down)).await??.clone();
        assert!(
            matches!(&why, LinkState::Down(why) if why.contains("PRECONDITION_FAILED") && why.contains("train.linear")),
            "{why:?}"
        );
        let mut other = Running::of("xgboost", settings(&vhost));
        becomes(&mut other.state, is_up).await?;
        let publisher = Publisher::new(settings(&vhost));
        publisher.publish(&[ready("work")]).await?;
        publisher.redeclare().await?;
        other.call().await?.answer(Outcome::Done);
        publisher.publish(&[ready("more work")]).await?;
        other.call().await?.answer(Outcome::Done);
        for state in [&other.state, &publisher.state()] {
            assert!(is_up(&state.borrow()), "{:?}", state.borrow());
        }
        other.stop().await?;
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
