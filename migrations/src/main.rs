//! `migrations up|down|status`: brings the database's schema to this version, or back.

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use migrations::{Migrator, MigratorTrait as _};
use sea_orm_migration::{MigrationStatus, sea_orm::Database};

#[derive(Parser)]
#[command(about = "Brings the database's schema to this version, or back")]
struct Arguments {
    /// The database, as postgres://USER:PASSWORD@HOST:PORT/DATABASE.
    #[arg(long, env = "LAPIDARY__POSTGRES__URL", hide_env_values = true)]
    url: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Applies what is missing.
    Up,
    /// Takes back the newest migrations; the rows of their tables are lost.
    Down {
        /// How many.
        #[arg(long, default_value_t = 1)]
        steps: u32,
    },
    /// Lists every migration, and whether it is applied.
    Status,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let database = Database::connect(&arguments.url)
        .await
        .context("cannot connect to Postgres; is it running, and is the URL right?")?;
    match arguments.command {
        Command::Up => Migrator::up(&database, None).await?,
        Command::Down { steps } => Migrator::down(&database, Some(steps)).await?,
        Command::Status => {}
    }
    for migration in Migrator::get_migration_with_status(&database).await? {
        let applied = migration.status() == MigrationStatus::Applied;
        println!(
            "{:<8} {}",
            if applied { "applied" } else { "pending" },
            migration.name()
        );
    }
    Ok(())
}
