//! The load under which the API and the echo write down what they do most; `scripts/profile.sh` has them built for that.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use testkit::in_world;

use super::{CONNECTIONS, open_loop, peers, swaps, system::System, wrk};

/// Where LLVM's runtime writes to when the process ends.
/// <https://doc.rust-lang.org/rustc/profile-guided-optimization.html>
const WRITTEN_TO: &str = "LLVM_PROFILE_FILE";
/// Requests a second of the open loop, explained ones and batches among them: such a build is slow.
const RATE: f64 = 5000.0;
/// Swaps under that load.
const SWAPS: usize = 8;

#[derive(Args)]
pub(crate) struct Options {
    /// An empty folder: api.profraw and echo.profraw come to be there.
    folder: PathBuf,
    /// How long each is under full load.
    #[arg(long, default_value_t = 15)]
    seconds: u32,
}

pub(crate) async fn run(options: Options) -> Result<()> {
    wrk::check()?;
    let file = |name: &str| {
        let path = options.folder.join(name);
        path.to_str()
            .map(str::to_owned)
            .context("the folder's name is no text")
    };
    let (of_api, of_echo) = (file("api.profraw")?, file("echo.profraw")?);
    in_world(|world| async move {
        let echo = peers::echo(&[(WRITTEN_TO, of_echo)]).await?;
        let system = System::start_with(&world, &[(WRITTEN_TO, &of_api)]).await?;
        for server in [&echo, &system.server] {
            wrk::run(server, options.seconds, CONNECTIONS)?;
        }
        let load = |seconds| open_loop::run(system.address(), RATE, seconds);
        swaps::during(&world, &system, SWAPS, load).await?;
        echo.end().await?;
        system.server.end().await
    })
    .await
}
