//! What processes use, as Linux accounts for it: processor time by hundredths of a second, and memory.

use std::fs;

use anyhow::{Context as _, Result};

const TICK_US: f64 = 10_000.0;

/// Processor time that a process has had in user and system mode, in microseconds.
pub(crate) fn cpu_us(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, fields) = stat.rsplit_once(')').context("no name in /proc")?;
    sum_us(fields.split_whitespace().skip(11).take(2))
}

/// How long all processors together were busy, in microseconds: user, nice, system, and interrupts.
pub(crate) fn machine_cpu_us() -> Result<f64> {
    let stat = fs::read_to_string("/proc/stat")?;
    let line = stat.lines().next().context("no /proc/stat")?;
    let fields: Vec<_> = line.split_whitespace().skip(1).collect();
    let busy = [0, 1, 2, 5, 6];
    sum_us(busy.iter().filter_map(|place| fields.get(*place).copied()))
}

fn sum_us<'t>(ticks: impl Iterator<Item = &'t str>) -> Result<f64> {
    let ticks: Vec<f64> = ticks.map(str::parse).collect::<Result<_, _>>()?;
    Ok(ticks.iter().sum::<f64>() * TICK_US)
}

/// Memory that a process has resident, in MiB.
pub(crate) fn resident_mib(pid: u32) -> Result<f64> {
    memory_mib(pid, "VmRSS:")
}

/// The most memory that a process has had resident, in MiB.
pub(crate) fn peak_mib(pid: u32) -> Result<f64> {
    memory_mib(pid, "VmHWM:")
}

fn memory_mib(pid: u32, name: &str) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line
        .and_then(|line| line.trim().strip_suffix("kB"))
        .with_context(|| format!("no {name} in /proc"))?;
    Ok(kib.trim().parse::<f64>()? / 1024.0)
}

#[cfg(test)]
mod tests {
    use std::{
        hint::black_box,
        process,
        time::{Duration, Instant},
    };

    use super::*;

    #[test]
    fn what_a_process_works_the_machine_has_worked_too() {
        let usage = || (cpu_us(process::id()).unwrap(), machine_cpu_us().unwrap());
        let (start, before) = (Instant::now(), usage());
        let mut now = before;
        while now.0 < before.0 + 10.0 * TICK_US {
            assert!(start.elapsed() < Duration::from_secs(60), "{before:?} {now:?}");
            now = usage();
        }
        // The kernel counts in ticks, each by itself.
        assert!(
            now.1 - before.1 >= now.0 - before.0 - 4.0 * TICK_US,
            "{before:?} {now:?}"
        );
    }

    #[test]
    fn memory_that_is_given_back_stays_in_the_peak() {
        const MIB: usize = 64;
        let room = black_box(vec![1_u8; MIB << 20]);
        let resident = resident_mib(process::id()).unwrap();
        assert!(resident >= MIB as f64, "{resident}");
        drop(room);
        let (resident, peak) = (
            resident_mib(process::id()).unwrap(),
            peak_mib(process::id()).unwrap(),
        );
        assert!(peak >= MIB as f64 && resident < MIB as f64, "{resident} {peak}");
    }
}
