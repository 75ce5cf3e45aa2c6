//! Whose the object store is.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use storage::{StorageError, Store};
use testkit::TestDatabase;
use url::Url;

use crate::support::{accept, connect, over_registry};

fn open(folder: &Path) -> Result<Store> {
    let url = Url::from_directory_path(folder).ok().context("no folder")?;
    let store = Store::open(&url)?;
    store.require_claim();
    Ok(store)
}

fn says(result: Result<(), StorageError>, words: &str) -> Result<()> {
    let error = result.err().context("the store is taken for this system's")?;
    assert!(error.is_unavailable());
    let told = format!("{:#}", anyhow::Error::new(error));
    assert!(told.contains(words), "{told}");
    Ok(())
}

/// F8: without its marker a store is not written into, once it had one.
#[tokio::test]
async fn a_store_is_marked_once_and_refused_without_its_marker() -> Result<()> {
    over_registry(|registry, _| async move {
        let folder = tempfile::tempdir()?;
        let store = open(folder.path())?;
        let unclaimed = store.put_artifact(b"model".to_vec()).await;
        assert!(unclaimed.is_err_and(|error| error.is_unavailable()));
        let other = open(folder.path())?;
        let (one, two) = tokio::join!(registry.claim_store(&store), registry.claim_store(&other));
        one.and(two)?;
        store.put_artifact(b"model".to_vec()).await?;

        let marker = folder.path().join("lapidary-system");
        fs::rename(&marker, folder.path().join("aside"))?;
        says(
            store.put_artifact(b"another".to_vec()).await.map(drop),
            "is its disk mounted?",
        )?;
        says(store.check_marker().await, "is its disk mounted?")?;
        says(
            registry.claim_store(&open(folder.path())?).await,
            "is its disk mounted?",
        )?;
        fs::rename(folder.path().join("aside"), &marker)?;
        store.put_artifact(b"another".to_vec()).await?;
        Ok(())
    })
    .await
}

/// F8: a store and a database of two systems do not go together.
#[tokio::test]
async fn the_store_of_another_system_is_refused() -> Result<()> {
    over_registry(|registry, _| async move {
        let folder = tempfile::tempdir()?;
        registry.claim_store(&open(folder.path())?).await?;
        let raw = TestDatabase::migrated().await?;
        let other = connect(&raw).await?;
        let refused = other.claim_store(&open(folder.path())?).await;
        raw.delete().await?;
        says(refused, "is not this system's")?;
        Ok(())
    })
    .await
}

/// F8: a system from before there were markers takes its store over, unless that is empty.
#[tokio::test]
async fn a_store_from_before_is_marked_unless_its_objects_are_not_there() -> Result<()> {
    over_registry(|registry, _| async move {
        accept(&registry, "a.csv").await?;
        let folder = tempfile::tempdir()?;
        let store = open(folder.path())?;
        says(registry.claim_store(&store).await, "is its disk mounted?")?;
        fs::create_dir(folder.path().join("batches"))?;
        fs::write(folder.path().join("batches/1"), "rows")?;
        registry.claim_store(&store).await?;
        assert!(store.is_claimed());
        Ok(())
    })
    .await
}
