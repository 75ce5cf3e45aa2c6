//! Whether memory stays where it is: resident memory at full rate, minute by minute.

use std::time::Duration;

use anyhow::Result;
use testkit::World;

use super::{system::System, wrk};
use crate::usage;

/// Puts full load on for so many minutes; the resident memory after each, in MiB.
pub(super) async fn run(world: &World, system: &System, minutes: u32, connections: u32) -> Result<Vec<f64>> {
    let mut mib = Vec::new();
    for _ in 0..minutes {
        wrk::run(&system.server, 60, connections)?;
        mib.push(usage::resident_mib(system.server.pid()?)?);
        // Records of a minute take a gigabyte, and nobody reads them.
        empty(world).await?;
    }
    Ok(mib)
}

pub(super) fn told(mib: &[f64]) -> String {
    let list: Vec<_> = mib.iter().map(|mib| format!("{mib:.0}")).collect();
    let (first, last) = (mib.first().unwrap_or(&f64::NAN), mib.last().unwrap_or(&f64::NAN));
    format!(
        "\nResident memory of the API after each minute at full rate, MiB: {}; the last ÷ the first: {:.2} (at most \
         1.10 wanted).\n",
        list.join(", "),
        last / first
    )
}

async fn empty(world: &World) -> Result<()> {
    tokio::time::timeout(
        Duration::from_secs(60),
        world.database.execute("TRUNCATE traffic"),
    )
    .await?
}
