//! File descriptors: each connection is one, and the system grants only so many.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tracing::warn;

/// Kept for everything but connections of clients: servers, files, the listener.
const KEPT: u64 = 256;

/// Asks the system for as many descriptors as `wanted` connections need; how many connections it grants.
pub(crate) fn allow_connections(wanted: usize) -> usize {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return wanted;
    };
    let needed = wanted as u64 + KEPT;
    let raised = needed.clamp(soft, hard.max(soft));
    let granted = match setrlimit(Resource::RLIMIT_NOFILE, raised, hard) {
        Ok(()) => raised,
        Err(_) => soft,
    };
    if granted >= needed {
        return wanted;
    }
    let connections = usize::try_from(granted.saturating_sub(KEPT).max(granted / 2)).unwrap_or(wanted);
    warn!(
        connections,
        wanted, "the system's limit of open files allows fewer connections than api.max_connections"
    );
    connections
}
