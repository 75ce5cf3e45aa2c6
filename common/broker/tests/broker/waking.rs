//! Wake-ups: heard once bound, and bound anew on every connection.

use anyhow::Result;
use broker::{Message, Publisher, WakeUp, WakeUps};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    support::{message, settings, soon},
    vhost::in_vhost,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_is_made_anew_after_its_connection_was_closed_and_says_so() -> Result<()> {
    in_vhost(|vhost| async move {
        let (sender, mut heard) = mpsc::unbounded_channel();
        let wake_ups = WakeUps::new(settings(&vhost), &["model.*", "dataset.ready"]);
        let stop = CancellationToken::new();
        let listener = move |wake_up| {
            let _ = sender.send(wake_up);
            async {}
        };
        let task = tokio::spawn(wake_ups.run(listener, stop.clone()));
        let publisher = Publisher::new(settings(&vhost));
        for round in ["first", "second"] {
            assert_eq!(soon(heard.recv()).await?, Some(WakeUp::Connected), "{round}");
            // The hint that nobody asked for must not be heard; the other one must.
            let batch = [message("run.started", round), message("model.ready", round)];
            publisher
                .publish(&batch.map(|one| Message {
                    must_route: false,
                    ..one
                }))
                .await?;
            let event = WakeUp::Event {
                routing_key: "model.ready".into(),
                body: round.into(),
            };
            assert_eq!(soon(heard.recv()).await?, Some(event));
            if round == "first" {
                vhost.close_connection("test wake-ups").await?;
            }
        }
        stop.cancel();
        Ok(soon(task).await??)
    })
    .await
}
