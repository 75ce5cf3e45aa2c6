//! `trainer kinds`: what can be trained, and what is.

use ::service::config::{self, Config};
use anyhow::{Context as _, bail};
use backend::Backend;
use broker::train_queue;
use clap::{Args, Subcommand};
use domain::ModelKind;

/// What to do with the kinds; nothing lists them.
#[derive(Args)]
pub(super) struct Kinds {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Subcommand)]
enum Action {
    /// Unbinds the queue of a kind that no trainer trains any more, so that it does not fill with messages that nobody
    /// takes; what is in it stays.
    Unbind {
        /// The kind of model.
        kind: ModelKind,
    },
}

impl Kinds {
    /// Prints the kinds, or unbinds the queue of one.
    #[expect(clippy::print_stdout, reason = "this is what the command is for")]
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let config = config::load()?;
        let Some(Action::Unbind { kind }) = self.action else {
            print!("{}", table(&config));
            return Ok(());
        };
        unbind(kind, &config).await?;
        let queue = train_queue(kind.name());
        println!("{queue} is unbound: new dataset versions do not go there any more");
        Ok(())
    }
}

async fn unbind(kind: ModelKind, config: &Config) -> anyhow::Result<()> {
    if config.training.kinds.iter().any(|name| name == kind.name()) {
        bail!("{kind} is in training.kinds, and a trainer would bind it again: take it out there first");
    }
    let backend = Backend::connect_lazily(config, "trainer command").await?;
    broker::unbind_kind(&backend.broker, kind.name())
        .await
        .with_context(|| format!("{} cannot be unbound", train_queue(kind.name())))
}

fn table(config: &Config) -> String {
    let mut lines = vec![format!(
        "{:<12} {:<4} {:<20} {}",
        "KIND", "", "QUEUE", "WHAT IT IS"
    )];
    lines.extend(ModelKind::ALL.iter().map(|kind| {
        let name = kind.name();
        let on = if config.training.kinds.iter().any(|kind| kind == name) {
            "on"
        } else {
            "off"
        };
        let queue = train_queue(name);
        format!("{name:<12} {on:<4} {queue:<20} {}", kind.description())
    }));
    lines.push("Switch kinds on and off with training.kinds in the settings.\n".to_owned());
    lines.join("\n")
}
