//! The object store: bytes under the SHA-256 of their content, written once, verified at every read.

use std::{path::Path as FilePath, sync::Arc};

use domain::Sha256;
use object_store::{
    ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, PutPayload, local::LocalFileSystem, path::Path,
    prefix::PrefixStore,
};
use url::Url;

use crate::StorageError;

/// What an object is; each kind has a folder of its own.
#[derive(Debug, Clone, Copy)]
enum ObjectKind {
    Batch,
    Artifact,
}

/// The object store; cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    objects: Arc<dyn ObjectStore>,
}

impl Store {
    /// Opens the store at `url`: `file:///folder` (made if need be, and synced at every write),
    /// `s3://…`, `gs://…` or `az://…` with the credentials in the environment.
    ///
    /// # Errors
    ///
    /// When the URL is of no known kind, or the folder cannot be made.
    pub fn open(url: &Url) -> Result<Self, StorageError> {
        if url.scheme() == "file" {
            let folder = url
                .to_file_path()
                .map_err(|()| setting(url, "is no local folder"))?;
            return Self::open_folder(&folder);
        }
        // An error means that a provider is installed already, which is as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let variables = std::env::vars().map(|(name, value)| (name.to_lowercase(), value));
        let (objects, prefix) =
            object_store::parse_url_opts(url, variables).map_err(|error| setting(url, &error.to_string()))?;
        Ok(Self {
            objects: Arc::new(PrefixStore::new(objects, prefix)),
        })
    }

    fn open_folder(folder: &FilePath) -> Result<Self, StorageError> {
        std::fs::create_dir_all(folder)?;
        let objects = LocalFileSystem::new_with_prefix(folder)?.with_fsync(true);
        Ok(Self {
            objects: Arc::new(objects),
        })
    }

    /// Keeps a Parquet batch; returns its digest.
    ///
    /// # Errors
    ///
    /// When the store does not take it.
    pub async fn put_batch(&self, bytes: Vec<u8>) -> Result<Sha256, StorageError> {
        self.put(ObjectKind::Batch, bytes).await
    }

    /// Keeps a model's artifact; returns its digest.
    ///
    /// # Errors
    ///
    /// When the store does not take it.
    pub async fn put_artifact(&self, bytes: Vec<u8>) -> Result<Sha256, StorageError> {
        self.put(ObjectKind::Artifact, bytes).await
    }

    /// A Parquet batch.
    ///
    /// # Errors
    ///
    /// When it is missing or damaged, or the store does not answer.
    pub async fn batch(&self, digest: Sha256) -> Result<Vec<u8>, StorageError> {
        self.get(ObjectKind::Batch, digest).await
    }

    /// A model's artifact.
    ///
    /// # Errors
    ///
    /// When it is missing or damaged, or the store does not answer.
    pub async fn artifact(&self, digest: Sha256) -> Result<Vec<u8>, StorageError> {
        self.get(ObjectKind::Artifact, digest).await
    }

    async fn put(&self, kind: ObjectKind, bytes: Vec<u8>) -> Result<Sha256, StorageError> {
        let digest = Sha256::of(&bytes);
        let once = PutOptions {
            mode: PutMode::Create,
            ..PutOptions::default()
        };
        match self
            .objects
            .put_opts(&location(kind, digest), PutPayload::from(bytes), once)
            .await
        {
            Ok(_) | Err(object_store::Error::AlreadyExists { .. }) => Ok(digest),
            Err(error) => Err(error.into()),
        }
    }

    async fn get(&self, kind: ObjectKind, digest: Sha256) -> Result<Vec<u8>, StorageError> {
        let path = location(kind, digest);
        let found = match self.objects.get(&path).await {
            Err(object_store::Error::NotFound { .. }) => {
                return Err(StorageError::MissingObject(path.to_string()));
            }
            found => found?,
        };
        let bytes = found.bytes().await?;
        match Sha256::of(&bytes) {
            same if same == digest => Ok(bytes.into()),
            found => Err(StorageError::DamagedObject {
                path: path.to_string(),
                found,
            }),
        }
    }
}

fn location(kind: ObjectKind, digest: Sha256) -> Path {
    let name = digest.to_string();
    let folder = &name[..2];
    match kind {
        ObjectKind::Batch => Path::from(format!("batches/{folder}/{name}.parquet")),
        ObjectKind::Artifact => Path::from(format!("artifacts/{folder}/{name}.json")),
    }
}

fn setting(url: &Url, reason: &str) -> StorageError {
    StorageError::Setting(format!("store.url {url} cannot be used: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(folder: &FilePath) -> Store {
        Store::open(&Url::from_directory_path(folder).unwrap()).unwrap()
    }

    #[tokio::test]
    async fn bytes_come_back_as_they_were_however_often_they_are_put() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        let digest = store.put_artifact(b"model".to_vec()).await.unwrap();
        assert_eq!(store.put_artifact(b"model".to_vec()).await.unwrap(), digest);
        assert_eq!(store.artifact(digest).await.unwrap(), b"model");
    }

    #[tokio::test]
    async fn a_damaged_object_is_never_handed_out() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        let digest = store.put_batch(b"rows".to_vec()).await.unwrap();
        std::fs::write(
            folder
                .path()
                .join(location(ObjectKind::Batch, digest).to_string()),
            b"rowz",
        )
        .unwrap();
        let error = store.batch(digest).await.unwrap_err();
        assert!(matches!(error, StorageError::DamagedObject { .. }), "{error}");
    }

    #[tokio::test]
    async fn a_missing_object_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = store(folder.path())
            .artifact(Sha256::of(b"never put"))
            .await
            .unwrap_err();
        assert!(matches!(error, StorageError::MissingObject(_)), "{error}");
    }
}
