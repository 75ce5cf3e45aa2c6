//! Processor time, as Linux accounts for it: in microseconds, by hundredths of a second.

use std::fs;

use anyhow::{Context as _, Result};

const TICK_US: f64 = 10_000.0;

/// What a process has used.
pub(super) fn of_process(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, fields) = stat.rsplit_once(')').context("no name in /proc")?;
    sum(fields.split_whitespace().skip(11).take(2))
}

/// What all processors were busy: user, nice, system, and interrupts.
pub(super) fn of_all() -> Result<f64> {
    let stat = fs::read_to_string("/proc/stat")?;
    let line = stat.lines().next().context("no /proc/stat")?;
    let fields: Vec<_> = line.split_whitespace().skip(1).collect();
    sum([0, 1, 2, 5, 6]
        .iter()
        .filter_map(|place| fields.get(*place).copied()))
}

fn sum<'t>(ticks: impl Iterator<Item = &'t str>) -> Result<f64> {
    let ticks: Vec<f64> = ticks.map(str::parse).collect::<Result<_, _>>()?;
    Ok(ticks.iter().sum::<f64>() * TICK_US)
}
