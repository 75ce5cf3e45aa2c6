//! `trainer kinds`: what can be trained, and what is.

use ::service::config::{self, Config};
use domain::ModelKind;

/// Prints the kinds.
#[expect(clippy::print_stdout, reason = "this is what the command is for")]
pub(super) fn run() -> anyhow::Result<()> {
    let config = config::load()?;
    print!("{}", table(&config));
    Ok(())
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
        let queue = format!("train.{name}");
        format!("{name:<12} {on:<4} {queue:<20} {}", kind.description())
    }));
    lines.push("Switch kinds on and off with training.kinds in the settings.\n".to_owned());
    lines.join("\n")
}
