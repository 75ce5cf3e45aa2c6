//! The outbox.

use anyhow::Result;

use crate::support::{accept, over_registry};

#[tokio::test]
async fn an_acceptance_and_its_events_are_one_transaction() -> Result<()> {
    over_registry(|registry, raw| async move {
        raw.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no events today'; END $$; \
             CREATE TRIGGER refuse BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION refuse()",
        )
        .await?;
        assert!(accept(&registry, "a.csv").await.is_err());
        assert_eq!(raw.number("SELECT count(*) FROM datasets").await?, 0);
        raw.execute("DROP TRIGGER refuse ON events").await?;
        accept(&registry, "a.csv").await?;
        assert_eq!(registry.backlog().await?.waiting, 2);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn an_event_is_one_relays_until_it_is_marked_or_let_go() -> Result<()> {
    over_registry(|registry, _| async move {
        accept(&registry, "a.csv").await?;
        let mine = registry.take_unpublished(10, 10).await?;
        let names: Vec<_> = mine
            .events
            .iter()
            .map(|event| (event.name.as_str(), event.must_route))
            .collect();
        assert_eq!(names, [("file.accepted", false), ("dataset.ready", true)]);
        assert!(
            registry.take_unpublished(10, 10).await?.events.is_empty(),
            "another relay passes over them"
        );

        drop(mine);
        let mine = registry.take_unpublished(1, 0).await?;
        mine.mark(|_| true).await?;
        let left = registry.take_unpublished(10, 10).await?;
        assert_eq!(
            left.events
                .iter()
                .map(|event| event.name.as_str())
                .collect::<Vec<_>>(),
            ["dataset.ready"]
        );
        drop(left);
        assert_eq!(registry.backlog().await?.waiting, 1);
        Ok(())
    })
    .await
}

/// W3: refused events filled every batch, were published as fast as the broker could refuse them, and kept others
/// waiting.
#[tokio::test]
async fn an_event_that_is_refused_waits_longer_each_time_and_others_pass_it() -> Result<()> {
    over_registry(|registry, raw| async move {
        accept(&registry, "a.csv").await?;
        let taken = registry.take_unpublished(10, 10).await?;
        taken.mark(|event| event.name != "dataset.ready").await?;
        accept(&registry, "b.csv").await?;
        let others = registry.take_unpublished(10, 10).await?;
        assert_eq!(others.events.len(), 2, "the refused one is passed over");
        others.mark(|_| true).await?;

        let wait = "SELECT round(extract(epoch FROM not_before - clock_timestamp()))::bigint FROM events \
                    WHERE refusals > 0";
        let due = "UPDATE events SET not_before = clock_timestamp() WHERE refusals > 0";
        let mut waits = vec![raw.number(wait).await?];
        for _ in 0..7 {
            raw.execute(due).await?;
            let retried = registry.take_unpublished(10, 1).await?;
            assert_eq!(retried.events.len(), 1);
            retried.mark(|_| false).await?;
            waits.push(raw.number(wait).await?);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        let backlog = registry.backlog().await?;
        assert_eq!((backlog.waiting, backlog.refused), (1, 1));
        let oldest = backlog.oldest.unwrap();
        assert_eq!((oldest.name.as_str(), oldest.refusals), ("dataset.ready", 8));

        raw.execute(due).await?;
        assert!(registry.take_unpublished(10, 0).await?.events.is_empty());
        registry.take_unpublished(10, 1).await?.mark(|_| true).await?;
        assert_eq!(registry.backlog().await?.oldest, None);
        Ok(())
    })
    .await
}
