//! Publishing: confirmed, returned, refused, blocked, reconnecting.

use anyhow::{Context, Result};
use broker::{BrokerError, DeadLetter, LinkState, Message, Published, Publisher};
use lapin::types::AMQPValue;
use reqwest::Method;
use serde_json::json;
use testkit::Proxy;
use tokio_util::sync::CancellationToken;

use crate::{
    support::{becomes, binding, is_down, is_up, message, ready, settings, soon},
    vhost::in_vhost,
};

#[tokio::test(flavor = "multi_thread")]
async fn each_message_of_a_batch_gets_its_own_answer() -> Result<()> {
    in_vhost(|vhost| async move {
        let publisher = Publisher::new(settings(&vhost));
        let batch: Vec<_> = (0..300)
            .map(|n| {
                if n % 7 == 3 {
                    message("to.nobody", "x")
                } else {
                    ready("x")
                }
            })
            .collect();
        let published = publisher.publish(&batch).await?;
        for (n, one) in published.iter().enumerate() {
            let expected = if n % 7 == 3 {
                Published::Returned
            } else {
                Published::Confirmed
            };
            assert_eq!(*one, expected, "message {n}");
        }
        assert_eq!(published.len(), batch.len());
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hint_that_reaches_nobody_counts_as_published() -> Result<()> {
    in_vhost(|vhost| async move {
        let publisher = Publisher::new(settings(&vhost));
        let hint = Message {
            must_route: false,
            ..message("run.started", "{}")
        };
        assert_eq!(publisher.publish(&[hint]).await?, [Published::Confirmed]);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_persistent_and_says_what_it_is() -> Result<()> {
    in_vhost(|vhost| async move {
        let event = ready(r#"{"specversion":"1.0"}"#);
        Publisher::new(settings(&vhost))
            .publish(std::slice::from_ref(&event))
            .await?;
        let got = vhost
            .observe()
            .await?
            .channel
            .basic_get("train.linear".into(), Default::default())
            .await?;
        let got = got.context("no message")?;
        assert_eq!(got.data, event.body);
        assert_eq!(got.properties.delivery_mode(), &Some(2));
        assert_eq!(
            got.properties.content_type().as_ref().map(|it| it.as_str()),
            Some("application/cloudevents+json")
        );
        assert_eq!(
            got.properties.message_id().as_ref().map(ToString::to_string),
            Some(event.id.to_string())
        );
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_rather_than_drops() -> Result<()> {
    in_vhost(|vhost| async move {
        let publisher = Publisher::new(settings(&vhost));
        publisher.connect().await?;
        let one_at_most =
            json!({"pattern": "^train.linear$", "definition": {"max-length": 1}, "apply-to": "queues"});
        vhost
            .call(Method::PUT, "policies/{vhost}/small", Some(one_at_most))
            .await?;
        let full = async {
            while publisher.publish(&[ready("x")]).await? != [Published::Refused] {}
            anyhow::Ok(())
        };
        soon(full).await?
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_makes_a_new_connection_after_the_broker_closed_its_own() -> Result<()> {
    in_vhost(|vhost| async move {
        let publisher = Publisher::new(settings(&vhost));
        let mut state = publisher.state();
        publisher.publish(&[ready("before")]).await?;
        becomes(&mut state, is_up).await?;
        vhost.close_connection("test publish").await?;
        becomes(&mut state, is_down).await?;
        assert_eq!(
            publisher.publish(&[ready("after")]).await?,
            [Published::Confirmed]
        );
        assert_eq!(*state.borrow(), LinkState::Up);
        vhost.observe().await?.becomes_ready("train.linear", 2).await
    })
    .await
}

/// W3: each of two trainers with different kinds unbound the queue of the other.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_leaves_the_bindings_of_kinds_that_it_does_not_train_as_they_are() -> Result<()> {
    in_vhost(|vhost| async move {
        for kind in ["linear", "xgboost"] {
            Publisher::new(binding(&vhost, &[kind])).connect().await?;
        }
        let relay = Publisher::new(binding(&vhost, &[]));
        assert_eq!(relay.publish(&[ready("both")]).await?, [Published::Confirmed]);
        let observer = vhost.observe().await?;
        observer.becomes_ready("train.linear", 1).await?;
        observer.becomes_ready("train.xgboost", 1).await?;

        broker::unbind_kind(&binding(&vhost, &[]), "xgboost").await?;
        relay.publish(&[ready("linear only")]).await?;
        observer.becomes_ready("train.linear", 2).await?;
        assert_eq!(observer.ready("train.xgboost").await?, 1, "what is in it stays");
        Ok(())
    })
    .await
}

/// W3: one bound queue is enough, and none at all is told.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_for_trainers_waits_until_one_has_bound_its_queue() -> Result<()> {
    in_vhost(|vhost| async move {
        let relay = Publisher::new(binding(&vhost, &[]));
        assert_eq!(relay.publish(&[ready("nobody")]).await?, [Published::Returned]);
        Publisher::new(binding(&vhost, &["linear"])).connect().await?;
        assert_eq!(relay.publish(&[ready("linear")]).await?, [Published::Confirmed]);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_of_work_says_what_it_is_about() -> Result<()> {
    in_vhost(|vhost| async move {
        let letter = DeadLetter {
            queue: "train.linear".into(),
            routing_key: "run.failed".into(),
            reason: "Postgres: permission denied".into(),
            about: vec![("run-id", "7".into())],
            body: b"{}".to_vec(),
        };
        let publisher = Publisher::new(settings(&vhost));
        soon(publisher.dead_letter(letter, &CancellationToken::new())).await?;
        let got = vhost
            .observe()
            .await?
            .channel
            .basic_get("dead-letters".into(), Default::default())
            .await?;
        let got = got.context("no message")?;
        let header = |name: &str| {
            let headers = got.properties.headers().as_ref()?;
            headers.inner().get(name).cloned()
        };
        for (name, value) in [
            ("x-lapidary-queue", "train.linear"),
            ("x-lapidary-reason", "Postgres: permission denied"),
            ("x-lapidary-run-id", "7"),
        ] {
            assert_eq!(header(name), Some(AMQPValue::LongString(value.into())), "{name}");
        }
        assert_eq!(got.routing_key.as_str(), "run.failed");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_publisher_answers_with_an_error_and_goes_on_when_unblocked() -> Result<()> {
    in_vhost(|vhost| async move {
        let proxy = Proxy::start(&vhost.url()).await?;
        let mut through_proxy = settings(&vhost);
        through_proxy.url = proxy.url().into();
        let publisher = Publisher::new(through_proxy);
        let mut state = publisher.state();
        publisher.connect().await?;

        // The broker takes nothing any more, as with an alarm; a message is under way when it says so.
        proxy.hold();
        let under_way = tokio::spawn({
            let publisher = publisher.clone();
            async move { publisher.publish(&[ready("under way")]).await }
        });
        soon(proxy.holds_something()).await?;
        proxy.block("low on disk");
        let refused = soon(under_way).await??;
        assert!(
            matches!(&refused, Err(BrokerError::Blocked(why)) if why == "low on disk"),
            "{refused:?}"
        );
        assert_eq!(*state.borrow(), LinkState::Blocked("low on disk".into()));
        let refused = publisher.publish(&[ready("meanwhile")]).await;
        assert!(matches!(refused, Err(BrokerError::Blocked(_))), "{refused:?}");
        assert_eq!(proxy.connections(), 1, "no connections are made in vain");

        proxy.restore();
        becomes(&mut state, is_up).await?;
        assert_eq!(
            publisher.publish(&[ready("after")]).await?,
            [Published::Confirmed]
        );
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_not_there_is_an_error_that_hides_the_password() -> Result<()> {
    in_vhost(|vhost| async move {
        for url in [
            "amqp://user:sesame@127.0.0.1:1/v",
            "amqps://user:sesame@127.0.0.1:1/v",
        ] {
            let mut nowhere = settings(&vhost);
            nowhere.url = url.to_owned().into();
            let publisher = Publisher::new(nowhere);
            let error = soon(publisher.publish(&[ready("x")])).await?.unwrap_err();
            let state = publisher.state().borrow().clone();
            assert!(
                matches!(error, BrokerError::Connect(_)) && is_down(&state),
                "{error:?}"
            );
            assert!(!format!("{error} {error:?} {state:?}").contains("sesame"));
        }
        Ok(())
    })
    .await
}
