//! Reading the samples of a dataset version into what they are read for.

use backend::Backend;
use domain::{DatasetVersion, Sample};
use model::{Split, split};
use storage::StorageError;

/// Every sample, on its side.
pub(crate) async fn by_side(backend: &Backend, version: DatasetVersion) -> Result<Split, StorageError> {
    let mut reader = backend.database.read_dataset(&backend.store, version).await?;
    let mut sides = Split::default();
    while let Some(some) = reader.next().await? {
        sides.extend(some);
    }
    Ok(sides)
}

/// The samples that the gate compares models on.
pub(crate) async fn judged_on(
    backend: &Backend,
    version: DatasetVersion,
) -> Result<Vec<Sample>, StorageError> {
    let mut reader = backend.database.read_dataset(&backend.store, version).await?;
    let mut judged_on = Vec::new();
    while let Some(some) = reader.next().await? {
        judged_on.extend(some.into_iter().filter(split::is_judged_on));
    }
    Ok(judged_on)
}
