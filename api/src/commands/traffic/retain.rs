//! `api traffic retain`.

use ::service::clock::Clock;
use clap::Args;
use storage::traffic::{TrafficDay, days::expired};

#[derive(Args)]
#[group(required = true, multiple = true)]
pub(crate) struct Retain {
    /// Records of whole days that ended more than so many days ago go.
    #[arg(long)]
    days: Option<u64>,
    /// The oldest days go until the rest takes at most so many bytes.
    #[arg(long)]
    bytes: Option<u64>,
    /// Deletes them, for good; without it they are only listed.
    #[arg(long, group = "doing")]
    delete: bool,
}

impl Retain {
    pub(super) async fn run(&self) -> anyhow::Result<()> {
        let database = crate::commands::registry("api traffic").await?;
        let all = database.traffic_days().await?;
        let today = Clock::system().now().date_naive();
        let goes = expired(&all, today, self.days, self.bytes);
        for day in &goes {
            if self.delete {
                database.drop_traffic_day(day).await?;
            }
            println!("{}  {:>14} bytes  {}", day.day, day.bytes, self.fate());
        }
        println!("{}", summary(&all, &goes));
        Ok(())
    }

    fn fate(&self) -> &'static str {
        if self.delete { "deleted" } else { "would go" }
    }
}

fn summary(all: &[TrafficDay], goes: &[TrafficDay]) -> String {
    let bytes = |days: &[TrafficDay]| days.iter().map(|day| day.bytes).sum::<u64>();
    format!(
        "{} of {} days, {} of {} bytes",
        goes.len(),
        all.len(),
        bytes(goes),
        bytes(all)
    )
}
