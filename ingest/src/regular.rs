//! Opening files in folders that others may write to: regular files only, no link followed, nobody waited for.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use nix::{errno::Errno, fcntl::OFlag};

/// What opening something else than a regular file may answer: a link, a socket, a device that is not there.
const NO_FILE: [Errno; 4] = [Errno::ELOOP, Errno::ENXIO, Errno::ENODEV, Errno::ENOENT];

/// Opens the regular file at `path`; none when there is no such file (any more), or it is something else.
pub(crate) fn open(path: &Path) -> io::Result<Option<File>> {
    match with_flags(path, OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK) {
        Ok(file) => Ok(file.metadata()?.is_file().then_some(file)),
        Err(error) if NO_FILE.iter().any(|no| error.raw_os_error() == Some(*no as i32)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Opens a folder, and nothing else.
pub(crate) fn open_folder(path: &Path) -> io::Result<File> {
    with_flags(path, OFlag::O_DIRECTORY | OFlag::O_NONBLOCK)
}

fn with_flags(path: &Path, flags: OFlag) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits())
        .open(path)
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::{fs::symlink, net::UnixListener},
    };

    use nix::{sys::stat::Mode, unistd::mkfifo};

    use super::*;

    /// F4: none of these may block, or be read.
    #[test]
    fn nothing_but_a_regular_file_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "x").unwrap();
        assert!(open(&at("file")).unwrap().is_some());
        mkfifo(&at("pipe"), Mode::S_IRWXU).unwrap();
        let _socket = UnixListener::bind(at("socket")).unwrap();
        fs::create_dir(at("folder")).unwrap();
        symlink(at("file"), at("link")).unwrap();
        symlink("/dev/zero", at("zeros")).unwrap();
        for name in ["pipe", "socket", "folder", "link", "zeros", "none"] {
            assert!(open(&at(name)).unwrap().is_none(), "{name}");
        }
        assert!(open(Path::new("/dev/zero")).unwrap().is_none());
        assert!(open_folder(folder.path()).is_ok());
        assert!(open_folder(&at("pipe")).is_err());
    }
}
