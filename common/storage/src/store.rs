//! The object store: bytes under the SHA-256 of their content, written once, verified at every read.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _},
    path::Path as FilePath,
    sync::Arc,
};

use bytes::{Bytes, BytesMut};
use chrono::{DateTime, Utc};
use domain::Sha256;
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::{
    GetResult, GetResultPayload, ObjectMeta, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions,
    PutPayload, buffered::BufWriter, local::LocalFileSystem, path::Path, prefix::PrefixStore,
};
use sha2::Digest as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _},
    task::spawn_blocking,
};
use tracing::warn;
use url::Url;

use crate::{StorageError, batch::Written, error::unavailable, installation::Owner};

/// Bytes of one part of an upload.
const PART: usize = 1 << 20;
/// Bytes that are read and hashed in one go.
const PIECE: usize = 1 << 14;

/// The faults of objects, as they are counted.
const MISSING: &str = "missing";
const DAMAGED: &str = "damaged";

/// A batch, or hashes, in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptBatch {
    /// Its name.
    pub sha256: Sha256,
    /// Its size.
    pub bytes: u64,
    /// When it was written.
    pub since: DateTime<Utc>,
}

/// What an object is; each kind has a folder of its own.
#[derive(Debug, Clone, Copy)]
enum ObjectKind {
    Batch,
    Hashes,
    Artifact,
}

/// An object that was found, and is yet to be read.
#[derive(Debug)]
pub struct Found {
    path: Path,
    digest: Sha256,
    content: Content,
}

#[derive(Debug)]
enum Content {
    File { file: File, bytes: usize },
    Whole(Bytes),
}

impl Found {
    /// Reads and hashes it on this thread, in small pieces, with a `pause` after each.
    ///
    /// # Errors
    ///
    /// When it is damaged or cannot be read.
    pub fn read(self, pause: impl Fn()) -> Result<Vec<u8>, StorageError> {
        let mut hasher = sha2::Sha256::new();
        let all = match self.content {
            Content::File { mut file, bytes } => {
                let mut all = Vec::with_capacity(bytes);
                loop {
                    let before = all.len();
                    if file.by_ref().take(PIECE as u64).read_to_end(&mut all)? == 0 {
                        break;
                    }
                    hasher.update(&all[before..]);
                    pause();
                }
                all
            }
            Content::Whole(bytes) => {
                for piece in bytes.chunks(PIECE) {
                    hasher.update(piece);
                    pause();
                }
                bytes.into()
            }
        };
        verified(&self.path, self.digest, Sha256::finish(hasher))?;
        Ok(all)
    }
}

/// The object store; cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) objects: Arc<dyn ObjectStore>,
    pub(crate) owner: Arc<Owner>,
    /// Whether it is a local folder.
    pub(crate) is_folder: bool,
}

impl Store {
    /// Opens the store at `url`: `file:///folder` (made if need be, and synced at every write),
    /// `s3://…`, `gs://…` or `az://…` with the credentials in the environment.
    ///
    /// # Errors
    ///
    /// When the URL is of no known kind, or the folder cannot be made.
    pub fn open(url: &Url) -> Result<Self, StorageError> {
        count_faults_from_zero();
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
            owner: Arc::default(),
            is_folder: false,
        })
    }

    fn open_folder(folder: &FilePath) -> Result<Self, StorageError> {
        std::fs::create_dir_all(folder)?;
        let objects = LocalFileSystem::new_with_prefix(folder)?.with_fsync(true);
        Ok(Self {
            objects: Arc::new(objects),
            owner: Arc::default(),
            is_folder: true,
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

    /// Keeps a Parquet batch of any size under its digest; one that is there is replaced, for it may be damaged.
    ///
    /// # Errors
    ///
    /// When the store does not take it.
    pub async fn put_batch_file(&self, batch: &Written) -> Result<(), StorageError> {
        self.put_file(ObjectKind::Batch, batch).await
    }

    /// Keeps the hashes of a file's rows, as [`put_batch_file`](Self::put_batch_file) does a batch.
    ///
    /// # Errors
    ///
    /// When the store does not take them.
    pub async fn put_hashes_file(&self, hashes: &Written) -> Result<(), StorageError> {
        self.put_file(ObjectKind::Hashes, hashes).await
    }

    /// Writes a batch again if it is missing or damaged; whether it was.
    ///
    /// # Errors
    ///
    /// When the store does not answer, or does not take it.
    pub async fn heal_batch(&self, batch: &Written) -> Result<bool, StorageError> {
        self.heal(ObjectKind::Batch, batch).await
    }

    /// Writes the hashes of a file's rows again if they are missing or damaged; whether they were.
    ///
    /// # Errors
    ///
    /// When the store does not answer, or does not take them.
    pub async fn heal_hashes(&self, hashes: &Written) -> Result<bool, StorageError> {
        self.heal(ObjectKind::Hashes, hashes).await
    }

    async fn heal(&self, kind: ObjectKind, content: &Written) -> Result<bool, StorageError> {
        if self.is_whole(kind, content.sha256).await? {
            return Ok(false);
        }
        self.put_file(kind, content).await?;
        healed(&location(kind, content.sha256));
        Ok(true)
    }

    /// Whether a batch is there as it was written: it is read.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub async fn is_batch_whole(&self, digest: Sha256) -> Result<bool, StorageError> {
        self.is_whole(ObjectKind::Batch, digest).await
    }

    /// Whether the hashes of a file's rows are there as they were written: they are read.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub async fn are_hashes_whole(&self, digest: Sha256) -> Result<bool, StorageError> {
        self.is_whole(ObjectKind::Hashes, digest).await
    }

    async fn is_whole(&self, kind: ObjectKind, digest: Sha256) -> Result<bool, StorageError> {
        let path = location(kind, digest);
        let mut parts = match self.objects.get(&path).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(false),
            object => object?.into_stream(),
        };
        let mut hasher = sha2::Sha256::new();
        while let Some(part) = parts.next().await {
            hasher.update(&part?);
        }
        Ok(Sha256::finish(hasher) == digest)
    }

    async fn put_file(&self, kind: ObjectKind, content: &Written) -> Result<(), StorageError> {
        self.check_marker().await?;
        let mut file = tokio::fs::File::from_std(content.file.try_clone()?);
        file.rewind().await?;
        let mut upload = BufWriter::new(Arc::clone(&self.objects), location(kind, content.sha256));
        loop {
            let mut part = BytesMut::with_capacity(PART);
            if file.read_buf(&mut part).await? == 0 {
                break;
            }
            upload.put(part.freeze()).await?;
        }
        upload.shutdown().await.map_err(unavailable)
    }

    /// A Parquet batch of any size as a local file, at its beginning: the store's own or an unnamed copy.
    ///
    /// # Errors
    ///
    /// When it is missing or damaged, or the store does not answer, or the copy cannot be written.
    pub async fn batch_file(&self, digest: Sha256) -> Result<File, StorageError> {
        let path = location(ObjectKind::Batch, digest);
        let object = self.open_object(&path).await?;
        if let GetResultPayload::File(file, _) = object.payload {
            let hashed = spawn_blocking(move || verified_file(&path, digest, file));
            return hashed.await.map_err(io::Error::other)?;
        }
        self.copy_batch(digest, tempfile::tempfile()?).await
    }

    /// Copies a Parquet batch of any size into a local file, and rewinds it.
    ///
    /// # Errors
    ///
    /// When it is missing or damaged, or the store does not answer, or the file cannot be written.
    pub async fn copy_batch(&self, digest: Sha256, into: File) -> Result<File, StorageError> {
        self.copy(ObjectKind::Batch, digest, into).await
    }

    /// Copies the hashes of a file's rows into a local file, and rewinds it.
    ///
    /// # Errors
    ///
    /// When they are missing or damaged, or the store does not answer, or the file cannot be written.
    pub async fn copy_hashes(&self, digest: Sha256, into: File) -> Result<File, StorageError> {
        self.copy(ObjectKind::Hashes, digest, into).await
    }

    async fn copy(&self, kind: ObjectKind, digest: Sha256, into: File) -> Result<File, StorageError> {
        let path = location(kind, digest);
        let mut parts = self.open_object(&path).await?.into_stream();
        let mut file = tokio::fs::File::from_std(into);
        let mut hasher = sha2::Sha256::new();
        while let Some(part) = parts.next().await {
            let part = part?;
            hasher.update(&part);
            file.write_all(&part).await?;
        }
        verified(&path, digest, Sha256::finish(hasher))?;
        // A full disk shows here, not as a damaged object.
        file.flush().await?;
        file.rewind().await?;
        Ok(file.into_std().await)
    }

    /// The batches that are kept, each with its age's beginning and its size in bytes.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub async fn batches(&self) -> Result<Vec<KeptBatch>, StorageError> {
        self.list(ObjectKind::Batch).await
    }

    /// The hashes of files' rows that are kept, as [`batches`](Self::batches) are told.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub async fn hashes(&self) -> Result<Vec<KeptBatch>, StorageError> {
        self.list(ObjectKind::Hashes).await
    }

    async fn list(&self, kind: ObjectKind) -> Result<Vec<KeptBatch>, StorageError> {
        let folder = Path::from(kind.folder());
        let objects: Vec<_> = self.objects.list(Some(&folder)).try_collect().await?;
        Ok(objects.iter().filter_map(kept).collect())
    }

    /// What is known of a batch without reading it; none when it is not kept.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub async fn kept_batch(&self, digest: Sha256) -> Result<Option<KeptBatch>, StorageError> {
        self.head(ObjectKind::Batch, digest).await
    }

    /// What is known of the hashes of a file's rows without reading them; none when they are not kept.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub async fn kept_hashes(&self, digest: Sha256) -> Result<Option<KeptBatch>, StorageError> {
        self.head(ObjectKind::Hashes, digest).await
    }

    async fn head(&self, kind: ObjectKind, digest: Sha256) -> Result<Option<KeptBatch>, StorageError> {
        match self.objects.head(&location(kind, digest)).await {
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            object => Ok(kept(&object?)),
        }
    }

    /// Deletes a batch.
    ///
    /// # Errors
    ///
    /// When the store does not do so.
    pub async fn delete_batch(&self, digest: Sha256) -> Result<(), StorageError> {
        let path = location(ObjectKind::Batch, digest);
        Ok(self.objects.delete(&path).await?)
    }

    /// Deletes the hashes of a file's rows.
    ///
    /// # Errors
    ///
    /// When the store does not do so.
    pub async fn delete_hashes(&self, digest: Sha256) -> Result<(), StorageError> {
        let path = location(ObjectKind::Hashes, digest);
        Ok(self.objects.delete(&path).await?)
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

    /// A model's artifact, found but not read.
    ///
    /// # Errors
    ///
    /// When it is missing, or the store does not answer.
    pub async fn open_artifact(&self, digest: Sha256) -> Result<Found, StorageError> {
        self.find(ObjectKind::Artifact, digest).await
    }

    async fn put(&self, kind: ObjectKind, bytes: Vec<u8>) -> Result<Sha256, StorageError> {
        self.check_marker().await?;
        let digest = Sha256::of(&bytes);
        let (path, content) = (location(kind, digest), PutPayload::from(bytes));
        let once = PutOptions {
            mode: PutMode::Create,
            ..PutOptions::default()
        };
        match self.objects.put_opts(&path, content.clone(), once).await {
            Ok(_) => return Ok(digest),
            Err(object_store::Error::AlreadyExists { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        // What is there under this name may be cut off or damaged.
        match self.get(kind, digest).await {
            Ok(_) => {}
            Err(StorageError::DamagedObject { .. } | StorageError::MissingObject(_)) => {
                self.objects.put(&path, content).await?;
                healed(&path);
            }
            Err(error) => return Err(error),
        }
        Ok(digest)
    }

    async fn get(&self, kind: ObjectKind, digest: Sha256) -> Result<Vec<u8>, StorageError> {
        let found = self.find(kind, digest).await?;
        // Megabytes: not on the threads that answer.
        let read = spawn_blocking(move || found.read(|| ()));
        read.await.map_err(io::Error::other)?
    }

    async fn find(&self, kind: ObjectKind, digest: Sha256) -> Result<Found, StorageError> {
        let path = location(kind, digest);
        let object = self.open_object(&path).await?;
        let bytes = object.meta.size as usize;
        let content = match object.payload {
            GetResultPayload::File(file, _) => Content::File { file, bytes },
            GetResultPayload::Stream(_) => Content::Whole(object.bytes().await?),
        };
        Ok(Found {
            path,
            digest,
            content,
        })
    }

    async fn open_object(&self, path: &Path) -> Result<GetResult, StorageError> {
        match self.objects.get(path).await {
            Err(object_store::Error::NotFound { .. }) => Err(self.missing(path).await),
            found => Ok(found?),
        }
    }

    /// An object that is not there is lost, unless nothing at all is there: then the store itself is away, such as a
    /// folder whose disk is not mounted.
    async fn missing(&self, path: &Path) -> StorageError {
        if let Err(error) = self.check_marker().await {
            return error;
        }
        match self.objects.list_with_delimiter(None).await {
            Ok(top) if top.common_prefixes.is_empty() => {
                unavailable(std::io::Error::other("it is empty: is its disk mounted?"))
            }
            Ok(_) => {
                broken(MISSING);
                StorageError::MissingObject(path.to_string())
            }
            Err(error) => unavailable(error),
        }
    }
}

fn kept(object: &ObjectMeta) -> Option<KeptBatch> {
    let (name, _) = object.location.filename()?.split_once('.')?;
    Some(KeptBatch {
        sha256: name.parse().ok()?,
        bytes: object.size,
        since: object.last_modified,
    })
}

fn verified(path: &Path, expected: Sha256, found: Sha256) -> Result<(), StorageError> {
    if found == expected {
        return Ok(());
    }
    broken(DAMAGED);
    Err(StorageError::DamagedObject {
        path: path.to_string(),
        found,
    })
}

/// Hashes a file, and rewinds it.
fn verified_file(path: &Path, expected: Sha256, mut file: File) -> Result<File, StorageError> {
    let mut hasher = sha2::Sha256::new();
    let mut piece = vec![0; PART];
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            break;
        }
        hasher.update(&piece[..read]);
    }
    verified(path, expected, Sha256::finish(hasher))?;
    file.rewind()?;
    Ok(file)
}

impl ObjectKind {
    fn folder(self) -> &'static str {
        match self {
            Self::Batch => "batches",
            Self::Hashes => "hashes",
            Self::Artifact => "artifacts",
        }
    }

    fn extension(self) -> &'static str {
        match self {
            Self::Batch => "parquet",
            Self::Hashes => "hashes",
            Self::Artifact => "json",
        }
    }
}

fn location(kind: ObjectKind, digest: Sha256) -> Path {
    let name = digest.to_string();
    let (folder, part, extension) = (kind.folder(), &name[..2], kind.extension());
    Path::from(format!("{folder}/{part}/{name}.{extension}"))
}

/// Shows both counters from the start: an alert sees an increase, and a series that begins with 1 has none.
fn count_faults_from_zero() {
    for fault in [MISSING, DAMAGED] {
        metrics::counter!("lapidary_store_broken_objects_total", "fault" => fault).increment(0);
    }
}

/// Counts an object that should be there as it was written, and is not.
fn broken(fault: &'static str) {
    metrics::counter!("lapidary_store_broken_objects_total", "fault" => fault).increment(1);
}

/// Tells of an object that was missing or damaged, and is there again.
pub(crate) fn healed(path: &Path) {
    metrics::counter!("lapidary_store_healed_objects_total").increment(1);
    warn!(object = %path, "an object that was missing or damaged was written again");
}

fn setting(url: &Url, reason: &str) -> StorageError {
    StorageError::Setting(format!("store.url {url} cannot be used: {reason}"))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

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
    async fn an_artifact_is_read_in_pieces_with_a_pause_after_each() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        let artifact: Vec<u8> = (0..3 * PIECE + 5).map(|place| (place / 7) as u8).collect();
        let digest = store.put_artifact(artifact.clone()).await.unwrap();
        let in_a_file = store.open_artifact(digest).await.unwrap();
        assert!(matches!(in_a_file.content, Content::File { .. }));
        // As a store in the cloud hands it out.
        let whole = Found {
            path: location(ObjectKind::Artifact, digest),
            digest,
            content: Content::Whole(artifact.clone().into()),
        };
        for found in [in_a_file, whole] {
            let pauses = Cell::new(0);
            let read = found.read(|| pauses.set(pauses.get() + 1)).unwrap();
            assert!(read == artifact, "{} bytes", read.len());
            assert_eq!(pauses.get(), 4);
        }
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

    /// F13: what stands under an object's name is verified before it is taken for the object.
    #[tokio::test]
    async fn an_object_that_is_damaged_is_whole_again_when_it_is_put_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        let digest = store.put_artifact(b"model".to_vec()).await.unwrap();
        let path = folder
            .path()
            .join(location(ObjectKind::Artifact, digest).to_string());
        for damaged in [&b""[..], b"modem"] {
            std::fs::write(&path, damaged).unwrap();
            assert_eq!(store.put_artifact(b"model".to_vec()).await.unwrap(), digest);
            assert_eq!(store.artifact(digest).await.unwrap(), b"model");
        }
    }

    #[tokio::test]
    async fn a_batch_is_listed_until_it_is_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        assert_eq!(store.batches().await.unwrap(), []);
        let digest = store.put_batch(b"rows".to_vec()).await.unwrap();
        let kept = store.kept_batch(digest).await.unwrap().unwrap();
        assert_eq!((kept.sha256, kept.bytes), (digest, 4));
        assert_eq!(store.batches().await.unwrap(), [kept]);
        store.delete_batch(digest).await.unwrap();
        assert_eq!(store.kept_batch(digest).await.unwrap(), None);
        assert_eq!(store.batches().await.unwrap(), []);
    }

    #[tokio::test]
    async fn a_missing_object_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        store.put_batch(b"rows".to_vec()).await.unwrap();
        let error = store.artifact(Sha256::of(b"never put")).await.unwrap_err();
        assert!(matches!(error, StorageError::MissingObject(_)), "{error}");
    }

    #[tokio::test]
    async fn a_folder_with_nothing_in_it_is_a_store_that_is_away() {
        let folder = tempfile::tempdir().unwrap();
        let missing = store(folder.path()).artifact(Sha256::of(b"put elsewhere")).await;
        assert!(missing.unwrap_err().is_unavailable());
    }
}
