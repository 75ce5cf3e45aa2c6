//! Files that are whole or not there, as far as a process can see: written aside, then renamed.
//!
//! They are not synced: that would hold up the records' commits, on the same disk, at every swap of a model. After a
//! loss of power one of them may be torn, so whoever reads them has to notice.
//!
//! What is in memory is written in small pieces, with pauses between: a kernel that cannot be interrupted copies megabytes
//! in one go, and whoever waits for that processor waits for all of it.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
};

use model::pauses::pause;
use serde::{Serialize, de::DeserializeOwned};

/// What is written in one go.
const PIECE: usize = 1 << 14;

/// Writes a file in one step.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_with(path, |file| {
        bytes.chunks(PIECE).try_for_each(|piece| {
            pause();
            file.write_all(piece)
        })
    })
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
    use std::cell::Cell;

    use model::pauses;

    use super::*;

    #[test]
    fn a_file_is_written_in_pieces_with_a_pause_before_each() {
        thread_local! {
            static PAUSES: Cell<usize> = const { Cell::new(0) };
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let bytes: Vec<u8> = (0..3 * PIECE + 5).map(|place| (place / 7) as u8).collect();
        pauses::on_this_thread(|| PAUSES.set(PAUSES.get() + 1));
        write(&path, &bytes).unwrap();
        assert!(fs::read(&path).unwrap() == bytes, "another file was written");
        assert_eq!(PAUSES.get(), 4);
    }

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
