//! Files that are whole or not there, as far as a process can see: written aside, then renamed.
//!
//! They are not synced: that would hold up the records' commits, on the same disk, at every swap of a model. After a
//! loss of power one of them may be torn, so whoever reads them has to notice.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
};

use serde::{Serialize, de::DeserializeOwned};

/// Writes a file in one step.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_with(path, |file| file.write_all(bytes))
}

/// Writes a file in one step, whatever `fill` puts into it.
pub(crate) fn write_with(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut aside = path.as_os_str().to_owned();
    aside.push(".part");
    let mut file = File::create(&aside)?;
    fill(&mut file)?;
    fs::rename(&aside, path)
}

/// Writes JSON in one step.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> io::Result<()> {
    write(path, &serde_json::to_vec_pretty(value)?)
}

/// Reads JSON; none when there is no such file.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_written_whole_stays_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("made/file");
        write(&path, b"before").unwrap();
        let filled = write_with(&path, |file| {
            file.write_all(b"half")?;
            Err(io::Error::other("on purpose"))
        });
        assert!(filled.is_err());
        assert_eq!(fs::read(&path).unwrap(), b"before");
    }

    #[test]
    fn what_a_loss_of_power_leaves_of_json_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.json");
        assert_eq!(read_json::<Vec<u32>>(&path).unwrap(), None);
        write_json(&path, &[1, 23]).unwrap();
        assert_eq!(read_json(&path).unwrap(), Some(vec![1, 23]));
        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(read_json::<Vec<u32>>(&path).is_err(), "{length} bytes of it");
        }
        fs::write(&path, vec![0; whole.len()]).unwrap();
        assert!(read_json::<Vec<u32>>(&path).is_err());
    }
}
