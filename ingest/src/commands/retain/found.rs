//! What was found, and how it is shown.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use domain::Sha256;

const HEADINGS: [&str; 4] = ["WHAT", "SIZE", "DAYS", "NAME"];
const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];

/// Something that is no longer kept.
#[derive(Debug, PartialEq)]
pub(super) struct Found {
    /// Such as `accepted file`.
    pub(super) what: String,
    /// On one line.
    pub(super) name: String,
    pub(super) bytes: u64,
    /// Where its age begins.
    pub(super) since: DateTime<Utc>,
    pub(super) target: Target,
}

/// What is to be deleted.
#[derive(Debug, PartialEq)]
pub(super) enum Target {
    /// In this order.
    Files(Vec<PathBuf>),
    Batch(Sha256),
    /// The hashes of a file's rows.
    Hashes(Sha256),
}

/// One line each, and one for all of it.
pub(super) fn table(found: &[Found], now: DateTime<Utc>) -> String {
    let mut lines = vec![HEADINGS.map(str::to_owned)];
    lines.extend(found.iter().map(|found| cells(found, now)));
    lines.push([
        "total".to_owned(),
        size(found.iter().map(|found| found.bytes).sum()),
        String::new(),
        format!("{} in all", found.len()),
    ]);
    let width = |column: usize| {
        let widths = lines.iter().map(|line| line[column].chars().count());
        widths.max().unwrap_or_default()
    };
    let (what_width, size_width, days_width) = (width(0), width(1), width(2));
    let line = |[what, size, days, name]: &[String; 4]| {
        format!("{what:<what_width$}  {size:>size_width$}  {days:>days_width$}  {name}\n")
    };
    lines.iter().map(line).collect()
}

fn cells(found: &Found, now: DateTime<Utc>) -> [String; 4] {
    [
        found.what.clone(),
        size(found.bytes),
        (now - found.since).num_days().to_string(),
        found.name.clone(),
    ]
}

/// A number of bytes as people read it.
pub(super) fn size(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut scaled = bytes as f64 / 1024.0;
    let mut units = UNITS.iter();
    let mut unit = units.next();
    // From here on one decimal would read 1024.0.
    while scaled >= 1023.95
        && let Some(next) = units.next()
    {
        scaled /= 1024.0;
        unit = Some(next);
    }
    format!("{scaled:.1} {}", unit.copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn the_columns_are_aligned_and_the_last_line_is_the_sum() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(400);
        let found = |what: &str, bytes, days, name: &str| Found {
            what: what.to_owned(),
            name: name.to_owned(),
            bytes,
            since: now - TimeDelta::days(days),
            target: Target::Files(Vec::new()),
        };
        let found = [
            found("accepted file", 3 << 20, 365, "inbox/accepted/a.csv"),
            found("batch", 512, 2, "1a2b"),
        ];
        let expected = "\
WHAT              SIZE  DAYS  NAME
accepted file  3.0 MiB   365  inbox/accepted/a.csv
batch            512 B     2  1a2b
total          3.0 MiB        2 in all
";
        assert_eq!(table(&found, now), expected);
    }

    #[test]
    fn sizes_have_the_unit_that_suits_them() {
        let sizes = [0, 1023, 1024, 1536, 1 << 20, (1 << 20) - 1, 5 << 40, u64::MAX];
        let expected = [
            "0 B",
            "1023 B",
            "1.0 KiB",
            "1.5 KiB",
            "1.0 MiB",
            "1.0 MiB",
            "5.0 TiB",
            "16384.0 PiB",
        ];
        assert_eq!(sizes.map(size), expected);
    }
}
