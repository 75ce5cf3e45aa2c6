//! Everything hostile at once, for a few seconds; `make check-hostile` does it for minutes, and looks at times as well.

use std::time::Duration;

use anyhow::{Result, ensure};
use testkit::{allow_open_files, hostile::System, in_world};

/// S1 to S16: an honest client is answered, memory and the database stay within their bounds, and the attacks took place.
#[tokio::test]
async fn an_honest_client_is_answered_while_everything_is_against_it() -> Result<()> {
    allow_open_files(4096)?;
    in_world(|world| async move {
        let system = System::start(&world, Duration::from_secs(1)).await?;
        let (calm, attacked) = (Duration::from_millis(500), Duration::from_secs(5));
        let outcome = system.attack(&world, calm, attacked).await?;
        println!("{outcome}");
        let missed = outcome.missed(attacked);
        ensure!(missed.is_empty(), "{missed:?}\n{outcome}");
        // In so short a time, and on a busy machine, a few are still waiting for their first answer.
        let (missing, attacks) = outcome.missing();
        ensure!(missing.len() * 2 < attacks, "{missing:?}\n{outcome}");
        Ok(())
    })
    .await
}
