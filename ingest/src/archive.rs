//! Where files go afterwards: `accepted/` or `rejected/`, each beside its report.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use domain::file::{DataFile, FileStatus};

use crate::reading::RejectedRow;

/// Moves `path` into its folder, beside its report; nothing there is overwritten. Another ingest may be at it too:
/// whoever comes late leaves nothing behind.
pub(crate) fn store(path: &Path, file: &DataFile, rejected: &[RejectedRow]) -> io::Result<()> {
    let folder = match file.status {
        FileStatus::Accepted => "accepted",
        FileStatus::Rejected => "rejected",
    };
    let folder = path.parent().unwrap_or(Path::new(".")).join(folder);
    let target = free_name(&folder, path, file);
    let mut reports = vec![(beside(&target, "report.json"), serde_json::to_vec_pretty(file)?)];
    if !rejected.is_empty() {
        reports.push((beside(&target, "rejected.csv"), rejected_csv(rejected)));
    }
    if !path.exists() {
        return Ok(());
    }
    for (name, bytes) in &reports {
        write(&folder, name, bytes)?;
    }
    match fs::rename(path, &target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => forget(&target, &reports)?,
        moved => moved?,
    }
    File::open(&folder)?.sync_all()
}

/// Takes back reports beside which no file came to stand.
fn forget(target: &Path, reports: &[(PathBuf, Vec<u8>)]) -> io::Result<()> {
    if target.exists() {
        return Ok(());
    }
    reports.iter().try_for_each(|(name, _)| fs::remove_file(name))
}

fn free_name(folder: &Path, path: &Path, file: &DataFile) -> PathBuf {
    let plain = folder.join(path.file_name().unwrap_or_default());
    let stem = path
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let numbered = (1..).map(|n| folder.join(format!("{stem}~{}-{n}.csv", file.sha256.short())));
    std::iter::once(plain.clone())
        .chain(numbered)
        .find(|name| !name.exists())
        .unwrap_or(plain)
}

fn beside(target: &Path, ending: &str) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

/// A reader sees all of it, or nothing.
fn write(folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

fn rejected_csv(rows: &[RejectedRow]) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    // Writing into memory cannot fail.
    let _ = writer.write_record(["line", "reasons", "row"]);
    for row in rows {
        let reasons: Vec<_> = row.faults.iter().map(ToString::to_string).collect();
        let line = row.line.to_string();
        let _ = writer.write_record([line.as_bytes(), reasons.join("; ").as_bytes(), &row.text]);
    }
    writer.into_inner().unwrap_or_default()
}
