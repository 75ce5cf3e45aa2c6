//! API keys.

use anyhow::{Context as _, Result};
use domain::{
    Sha256,
    key::{ApiKey, Role},
};
use serde_json::json;
use storage::keys::Added;
use uuid::Uuid;

use crate::support::{clock, now, over_registry};

fn key(name: &str, role: Role) -> ApiKey {
    ApiKey {
        id: Uuid::now_v7(),
        name: name.to_owned(),
        role,
        created_at: now(),
        revoked_at: None,
    }
}

#[tokio::test]
async fn a_key_is_found_by_its_hash_until_it_is_revoked() -> Result<()> {
    over_registry(|registry, raw| async move {
        let (anna, hash) = (key("anna", Role::Operator), Sha256::of(b"secret"));
        let before = clock(&raw).await?;
        assert_eq!(registry.add_key(&anna, hash).await?, Added::New);
        let there = registry.working_key(hash).await?.context("no key")?;
        assert!(there.created_at >= before, "{there:?}");
        let created_at = there.created_at;
        assert_eq!(there, ApiKey { created_at, ..anna });
        assert_eq!(registry.working_key(Sha256::of(b"other")).await?, None);

        let gone = registry.revoke_keys("anna").await?;
        let [revoked] = <[ApiKey; 1]>::try_from(gone).ok().context("not one key")?;
        assert!(revoked.revoked_at >= Some(created_at), "{revoked:?}");
        assert_eq!(registry.working_key(hash).await?, None);
        assert_eq!(registry.keys().await?, [revoked]);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn adding_a_key_again_changes_nothing_and_never_revives_it() -> Result<()> {
    over_registry(|registry, raw| async move {
        let (first, hash) = (key("local", Role::Operator), Sha256::of(b"secret"));
        registry.add_key(&first, hash).await?;
        let first = registry.working_key(hash).await?.context("no key")?;
        assert_eq!(
            registry.add_key(&key("local", Role::Operator), hash).await?,
            Added::Before(first.clone())
        );
        assert_eq!(
            registry.add_key(&key("local", Role::Client), hash).await?,
            Added::Unfit(first)
        );
        let revoked = registry.revoke_keys("local").await?;
        assert_eq!(
            registry.add_key(&key("local", Role::Operator), hash).await?,
            Added::Unfit(revoked[0].clone())
        );
        assert_eq!(registry.working_key(hash).await?, None);
        let rows = raw.query("SELECT role FROM api_keys").await?;
        assert_eq!(rows, [json!({"role": "operator"})]);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn keys_are_revoked_by_name_or_id_once_and_others_are_left_alone() -> Result<()> {
    over_registry(|registry, _| async move {
        let names = ["web", "desk", "shop"];
        let keys = names.map(|name| key(name, Role::Client));
        for key in &keys {
            let hash = Sha256::of(key.id.as_bytes());
            registry.add_key(key, hash).await?;
        }
        assert_eq!(registry.revoke_keys("web").await?.len(), 1);
        assert_eq!(registry.revoke_keys(&keys[1].id.to_string()).await?.len(), 1);
        assert_eq!(registry.revoke_keys("web").await?, []);
        assert_eq!(registry.revoke_keys("nobody").await?, []);
        let revoked: Vec<_> = registry
            .keys()
            .await?
            .into_iter()
            .map(|key| (key.name, key.revoked_at.is_some()))
            .collect();
        let expected = [("web", true), ("desk", true), ("shop", false)];
        assert_eq!(revoked, expected.map(|(name, gone)| (name.to_owned(), gone)));
        Ok(())
    })
    .await
}

/// S12: what is decided with a key is on record by its name, so no two working keys have the same.
#[tokio::test]
async fn a_name_belongs_to_one_working_key_and_is_free_again_once_that_is_revoked() -> Result<()> {
    over_registry(|registry, _| async move {
        let (web, other) = (key("web", Role::Client), key("web", Role::Operator));
        let hash = |key: &ApiKey| Sha256::of(key.id.as_bytes());
        assert_eq!(registry.add_key(&web, hash(&web)).await?, Added::New);
        assert_eq!(registry.add_key(&other, hash(&other)).await?, Added::NameTaken);
        assert_eq!(registry.keys().await?.len(), 1);
        registry.revoke_keys("web").await?;
        assert_eq!(registry.add_key(&other, hash(&other)).await?, Added::New);
        Ok(())
    })
    .await
}
