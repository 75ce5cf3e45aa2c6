//! Who reigns, by hand and by the gate.

use std::time::Duration;

use anyhow::{Context as _, Result};
use domain::{ModelVersion, PromotionNumber, model::Action};
use storage::{
    Database, PageRequest,
    promoting::{ByHand, Decided},
    promotions::Reign,
    runs::finish::Finish,
};

use crate::support::{accept, claimed, clock, finish, finish_under, over_registry};

const LONG: Duration = Duration::from_secs(600);

fn decided(reason: &str) -> Decided<'_> {
    Decided { by: "ops", reason }
}

/// So many models, each promoted by the gate.
async fn models(registry: &Database, count: u32) -> Result<()> {
    let mut newest = None;
    for n in 0..count {
        accept(registry, &format!("{n}.csv")).await?;
        let lease = claimed(registry, LONG).await?;
        finish(registry, &lease, newest).await?;
        newest = Some(newest.map_or(PromotionNumber::FIRST, PromotionNumber::next));
    }
    Ok(())
}

async fn roll_back(registry: &Database) -> Result<Option<(u32, ByHand)>> {
    let Some((model, reign)) = registry.rollback_target().await? else {
        return Ok(None);
    };
    let done = registry.promote_by_hand(&model, Action::Rollback, reign, decided("worse"));
    Ok(Some((model.version.get(), done.await?)))
}

#[tokio::test]
async fn a_promotion_by_hand_is_in_the_same_history_with_its_reason() -> Result<()> {
    over_registry(|registry, raw| async move {
        models(&registry, 2).await?;
        let first = registry
            .model_ref(ModelVersion::FIRST)
            .await?
            .context("no model")?;
        let reign = registry.reign().await?;
        let done = registry.promote_by_hand(&first, Action::Promote, reign, decided("a fair\0"));
        assert!(matches!(done.await?, ByHand::Promoted(number) if number.get() == 3));

        let champion = registry.champion().await?.context("no champion")?;
        assert_eq!((champion.model.version.get(), champion.frozen), (1, false));
        assert_eq!(
            (champion.promoted_by.as_str(), champion.reason.as_str()),
            ("ops", "a fair\u{fffd}")
        );
        let page = PageRequest {
            limit: 10,
            cursor: None,
        };
        let actions: Vec<_> = registry
            .promotions(Default::default(), &page)
            .await?
            .items
            .iter()
            .map(|p| p.action)
            .collect();
        assert_eq!(actions, [Action::Promote, Action::Gate, Action::Gate]);
        let ready = "SELECT count(*) FROM events WHERE type = 'model.ready'";
        assert_eq!(raw.number(ready).await?, 3);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn rollbacks_go_back_one_champion_at_a_time_and_freeze() -> Result<()> {
    over_registry(|registry, raw| async move {
        models(&registry, 3).await?;
        assert!(matches!(
            roll_back(&registry).await?,
            Some((2, ByHand::Promoted(_)))
        ));
        assert!(registry.reign().await?.frozen);
        assert!(matches!(
            roll_back(&registry).await?,
            Some((1, ByHand::Promoted(_)))
        ));
        assert_eq!(
            roll_back(&registry).await?,
            None,
            "there is none before the first"
        );
        assert_eq!(raw.number("SELECT count(*) FROM freezes").await?, 1);
        assert!(registry.set_frozen(false, decided("go on")).await?);
        assert!(
            !registry.set_frozen(false, decided("go on")).await?,
            "it is so already"
        );
        assert!(!registry.reign().await?.frozen);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_decision_about_a_champion_that_moved_changes_nothing() -> Result<()> {
    over_registry(|registry, raw| async move {
        models(&registry, 2).await?;
        let (target, reign) = registry.rollback_target().await?.context("no target")?;
        registry.set_frozen(true, decided("holidays")).await?;
        let late = registry.promote_by_hand(&target, Action::Rollback, reign, decided("late"));
        assert_eq!(late.await?, ByHand::Moved);
        assert_eq!(raw.number("SELECT count(*) FROM promotions").await?, 2);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_verdict_from_before_a_freeze_is_not_committed() -> Result<()> {
    over_registry(|registry, raw| async move {
        models(&registry, 1).await?;
        accept(&registry, "b.csv").await?;
        let lease = claimed(&registry, LONG).await?;
        let judged = registry.reign().await?;
        registry.set_frozen(true, decided("holidays")).await?;
        assert_eq!(
            finish_under(&registry, &lease, judged).await?,
            Finish::ChampionMoved
        );
        assert_eq!(raw.number("SELECT count(*) FROM models").await?, 1);
        let again = Reign {
            frozen: true,
            ..judged
        };
        assert!(matches!(
            finish_under(&registry, &lease, again).await?,
            Finish::Committed(_)
        ));
        Ok(())
    })
    .await
}

/// W13: promotions by the gate and by hand have their times from one clock, the database's.
#[tokio::test]
async fn who_was_champion_at_a_moment_can_be_told() -> Result<()> {
    over_registry(|registry, raw| async move {
        let at = async |moment| anyhow::Ok(registry.champion_at(moment).await?);
        let beginning = clock(&raw).await?;
        models(&registry, 2).await?;
        let moment = clock(&raw).await?;
        roll_back(&registry).await?;
        assert!(at(beginning).await?.is_none());
        let before = at(moment).await?.context("no champion")?;
        assert_eq!((before.model.version.get(), before.frozen), (2, false));
        let after = at(clock(&raw).await?).await?.context("no champion")?;
        assert_eq!((after.model.version.get(), after.frozen), (1, true));
        Ok(())
    })
    .await
}
