//! Writing a group to Postgres: as one, unless something in it is refused; then without that.

use std::time::Duration;

use domain::traffic::TrafficRecord;
use storage::traffic::{TrafficWriter, WriteError};
use tokio::time::timeout;

/// A record that Postgres refuses, and why.
pub(super) struct Refused<'r> {
    pub(super) record: &'r TrafficRecord,
    pub(super) why: String,
}

/// Why nothing, or not everything, was written; what was does no harm when it is written again.
#[derive(Debug)]
pub(super) struct Away(pub(super) String);

/// Writes all of `records` but those that Postgres refuses whenever they come. Halves are tried until each of these
/// is alone, so that one of them costs the others a few transactions and no more.
pub(super) async fn write<'r>(
    writer: &mut TrafficWriter,
    records: &[&'r TrafficRecord],
    patience: Duration,
) -> Result<Vec<Refused<'r>>, Away> {
    let mut refused = Vec::new();
    let mut parts = vec![records];
    while let Some(part) = parts.pop() {
        match timeout(patience, writer.write(part)).await {
            Ok(Ok(_)) => {}
            Ok(Err(WriteError::Refused(why))) => match part {
                [record] => refused.push(Refused {
                    record,
                    why: format!("{:#}", anyhow::Error::new(why)),
                }),
                _ => parts.extend(<[_; 2]>::from(part.split_at(part.len() / 2))),
            },
            Ok(Err(WriteError::Away(why))) => return Err(Away(format!("{:#}", anyhow::Error::new(why)))),
            Err(_) => {
                return Err(Away(format!(
                    "Postgres did not commit within {} ms",
                    patience.as_millis()
                )));
            }
        }
    }
    Ok(refused)
}
