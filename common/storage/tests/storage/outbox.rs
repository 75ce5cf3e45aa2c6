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
        assert_eq!(registry.count_unpublished().await?, 2);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn an_event_is_one_relays_until_it_is_marked_or_let_go() -> Result<()> {
    over_registry(|registry, _| async move {
        accept(&registry, "a.csv").await?;
        let mine = registry.take_unpublished(10).await?;
        let names: Vec<_> = mine
            .events
            .iter()
            .map(|event| (event.name.as_str(), event.must_route))
            .collect();
        assert_eq!(names, [("file.accepted", false), ("dataset.ready", true)]);
        assert!(
            registry.take_unpublished(10).await?.events.is_empty(),
            "another relay passes over them"
        );

        mine.mark(|event| !event.must_route).await?;
        let left = registry.take_unpublished(10).await?;
        assert_eq!(
            left.events
                .iter()
                .map(|event| event.name.as_str())
                .collect::<Vec<_>>(),
            ["dataset.ready"]
        );
        drop(left);
        assert_eq!(registry.count_unpublished().await?, 1);
        Ok(())
    })
    .await
}
