//! What it takes to serve without servers, in a folder: the champion's reference, its artifact and its samples.
//!
//! The artifact and the samples are named by their SHA-256 and in place before `champion.json` names them, each
//! written in one step; what it does not name is deleted after. All of it is checked when it is read.

use std::{
    fs::{self, File},
    io::{self, Read as _, Seek as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context as _;
use domain::{DatasetVersion, ModelKind, ModelVersion, PromotionNumber, Sha256};
use model::Artifact;
use serde::{Deserialize, Serialize};
use storage::{batch::Written, promotions::ChampionRef};

use super::gather;
use crate::{disk, neighbours::Neighbours};

const REFERENCE: &str = "champion.json";

/// The folder; cheap to clone.
#[derive(Clone)]
pub(super) struct Kept {
    folder: PathBuf,
    /// The samples that are in place.
    samples: Arc<Mutex<Option<Samples>>>,
}

/// Samples in the folder.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Samples {
    dataset_version: DatasetVersion,
    sha256: Sha256,
}

/// `champion.json`.
#[derive(Serialize, Deserialize)]
struct Reference {
    promotion: PromotionNumber,
    model_version: ModelVersion,
    kind: ModelKind,
    artifact: Sha256,
    samples: Samples,
}

impl Kept {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            samples: Arc::default(),
        }
    }

    /// What is kept, checked; none when nothing is.
    pub(super) fn load(&self) -> anyhow::Result<Option<(ChampionRef, Artifact, Neighbours)>> {
        let Some(reference) = disk::read_json::<Reference>(&self.folder.join(REFERENCE))? else {
            return Ok(None);
        };
        let json = fs::read(self.artifact(reference.artifact))?;
        check(reference.artifact, Sha256::of(&json))?;
        let artifact = Artifact::load(json).context("the kept artifact is not usable")?;
        let samples = self.checked_samples(reference.samples.sha256)?;
        let neighbours = gather::index(samples)?;
        *self.samples.lock().unwrap_or_else(PoisonError::into_inner) = Some(reference.samples);
        let champion = ChampionRef {
            promotion: reference.promotion,
            version: reference.model_version,
            kind: reference.kind,
            dataset_version: reference.samples.dataset_version,
            artifact: reference.artifact,
        };
        Ok(Some((champion, artifact, neighbours)))
    }

    /// An unnamed temporary file in the folder.
    pub(super) fn scratch(&self) -> io::Result<File> {
        tempfile::tempfile_in(self.folder()?)
    }

    /// The folder, which is made if need be.
    pub(super) fn folder(&self) -> io::Result<&Path> {
        fs::create_dir_all(&self.folder)?;
        Ok(&self.folder)
    }

    /// Puts samples in place, for a reference to come.
    pub(super) fn keep_samples(&self, dataset_version: DatasetVersion, written: Written) -> io::Result<()> {
        let Written { mut file, sha256 } = written;
        disk::write_with(&self.samples_file(sha256), |into| {
            io::copy(&mut file, into).map(drop)
        })?;
        *self.samples.lock().unwrap_or_else(PoisonError::into_inner) = Some(Samples {
            dataset_version,
            sha256,
        });
        Ok(())
    }

    /// Keeps a champion whose samples are in place.
    pub(super) fn keep(&self, champion: ChampionRef, json: &[u8]) -> io::Result<()> {
        let samples = *self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let samples = samples.filter(|samples| samples.dataset_version == champion.dataset_version);
        let samples = samples.ok_or_else(|| io::Error::other("its samples are not kept"))?;
        if !self.artifact(champion.artifact).exists() {
            disk::write(&self.artifact(champion.artifact), json)?;
        }
        let reference = Reference {
            promotion: champion.promotion,
            model_version: champion.version,
            kind: champion.kind,
            artifact: champion.artifact,
            samples,
        };
        disk::write_json(&self.folder.join(REFERENCE), &reference)?;
        self.delete_others(&[
            self.artifact(champion.artifact),
            self.samples_file(samples.sha256),
        ])
    }

    fn delete_others(&self, named: &[PathBuf]) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if is_kept_object(&path) && !named.contains(&path) {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    /// The kept samples' file, if its content is what its name says.
    fn checked_samples(&self, sha256: Sha256) -> anyhow::Result<File> {
        let mut file = File::open(self.samples_file(sha256))?;
        let mut hasher = sha2::Sha256::default();
        let mut part = vec![0; 1 << 16];
        loop {
            match file.read(&mut part)? {
                0 => break,
                read => sha2::Digest::update(&mut hasher, &part[..read]),
            }
        }
        check(sha256, Sha256::finish(hasher))?;
        file.rewind()?;
        Ok(file)
    }

    fn artifact(&self, sha256: Sha256) -> PathBuf {
        self.folder.join(format!("artifact-{sha256}.json"))
    }

    fn samples_file(&self, sha256: Sha256) -> PathBuf {
        self.folder.join(format!("samples-{sha256}.parquet"))
    }
}

fn is_kept_object(path: &Path) -> bool {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    name.starts_with("artifact-") || name.starts_with("samples-")
}

fn check(expected: Sha256, found: Sha256) -> anyhow::Result<()> {
    anyhow::ensure!(
        found == expected,
        "a kept file is damaged: {found} is not {expected}"
    );
    Ok(())
}
