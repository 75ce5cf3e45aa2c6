//! How far a search is: a bar on a terminal, lines elsewhere.

use std::io::IsTerminal as _;

use domain::run::Progress;
use indicatif::{ProgressBar, ProgressStyle};

/// The display, on standard error.
pub(super) struct Bar {
    bar: Option<ProgressBar>,
}

impl Bar {
    pub(super) fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{bar:30} trial {pos} of {len}{msg}  {elapsed}");
            ProgressBar::no_length().with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Self { bar }
    }

    pub(super) fn show(&self, progress: Progress) {
        let best = progress
            .best_mae
            .map_or_else(String::new, |mae| format!(", best MAE {mae:.2} USD"));
        match &self.bar {
            Some(bar) => {
                bar.set_length(progress.total.into());
                bar.set_position(progress.done.into());
                bar.set_message(best);
            }
            None => eprintln!("trial {} of {}{best}", progress.done, progress.total),
        }
    }

    pub(super) fn done(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
