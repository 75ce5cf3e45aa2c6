//! What intake counts and measures.

use std::time::Duration;

use domain::file::DataFile;

/// How long a step of an intake took.
pub(crate) fn step(name: &'static str, took: Duration) {
    metrics::histogram!("lapidary_intake_step_seconds", "step" => name).record(took.as_secs_f64());
}

/// From the moment that a file was closed, or found still, until it was put away.
pub(crate) fn taken(since_closed: Duration) {
    metrics::histogram!("lapidary_intake_seconds").record(since_closed.as_secs_f64());
}

/// A file was judged.
pub(crate) fn judged(file: &DataFile) {
    metrics::counter!("lapidary_files_total", "status" => file.status.name()).increment(1);
    metrics::counter!("lapidary_file_bytes_total").increment(file.bytes);
    let rows = [
        ("accepted", file.rows.rows_accepted - file.rows.rows_known),
        ("known", file.rows.rows_known),
        ("rejected", file.rows.rows_rejected),
    ];
    for (outcome, count) in rows {
        metrics::counter!("lapidary_file_rows_total", "outcome" => outcome).increment(count);
    }
}

/// What waits in the inbox.
pub(crate) fn waiting(files: usize, oldest: Duration) {
    metrics::gauge!("lapidary_files_waiting").set(files as f64);
    metrics::gauge!("lapidary_oldest_file_waiting_seconds").set(oldest.as_secs_f64());
}

/// What lies in the inbox and is left there.
pub(crate) fn left(files: usize) {
    metrics::gauge!("lapidary_files_left").set(files as f64);
}
