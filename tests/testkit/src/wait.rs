//! Waiting for facts.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

const LIMIT: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Looks until there is something to see; gives up after a minute, naming `what`.
///
/// # Errors
///
/// When looking fails, or a minute has passed.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
    let started = Instant::now();
    loop {
        if let Some(seen) = look().await? {
            return Ok(seen);
        }
        if started.elapsed() > LIMIT {
            bail!("waited a minute in vain for {what}");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
