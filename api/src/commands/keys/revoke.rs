//! `api keys revoke`.

use anyhow::bail;
use clap::Args;

/// Which key.
#[derive(Args)]
pub(crate) struct Revoke {
    /// Its name, or its id.
    #[arg(value_name = "NAME|ID")]
    key: String,
}

impl Revoke {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let revoked = super::registry().await?.revoke_keys(&self.key).await?;
        if revoked.is_empty() {
            // What was asked for is not repeated, since it may be a key.
            bail!("no working key has this name or id; `api keys list` shows them all");
        }
        for key in revoked {
            println!("revoked the {} key {:?} ({})", key.role, key.name, key.id);
        }
        Ok(())
    }
}
