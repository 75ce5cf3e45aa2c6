//! Open files: a test that opens thousands of connections needs more of them than is usual.

use anyhow::{Result, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Lets this process open so many files.
///
/// # Errors
///
/// When the system does not allow it: raise `ulimit -Hn`.
pub fn allow_open_files(wanted: u64) -> Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    ensure!(
        hard >= wanted,
        "the system allows {hard} open files, and {wanted} are needed: raise `ulimit -Hn`"
    );
    Ok(setrlimit(Resource::RLIMIT_NOFILE, soft.max(wanted), hard)?)
}
