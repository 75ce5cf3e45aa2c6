//! The closed loop: wrk, the same for every server.

use std::{fs, process::Command};

use anyhow::{Context as _, Result, ensure};

use super::{BODY, peers::Server};
use crate::usage;

/// What one run of wrk measured.
#[derive(Clone, Copy)]
pub(super) struct Measured {
    pub(super) per_second: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    /// CPU time of the server's process for a request, in microseconds.
    pub(super) server_us: f64,
    /// CPU time of the whole machine for a request, load and Postgres included, in microseconds.
    pub(super) machine_us: f64,
}

/// How to get it.
const MISSING: &str = "cannot run wrk: `scripts/install.sh bench` installs it";

/// Whether it is there, before anything takes time.
pub(super) fn check() -> Result<()> {
    // It tells its version with another exit code than 0.
    Command::new("wrk").arg("-v").output().context(MISSING)?;
    Ok(())
}

pub(super) fn run(server: &Server, seconds: u32, connections: u32) -> Result<Measured> {
    let script = testkit::checkout()?.join(".local/bench/post.lua");
    fs::create_dir_all(script.parent().context("no folder")?)?;
    let lua = format!(
        "wrk.method = 'POST'\nwrk.body = '{BODY}'\nwrk.headers['content-type'] = 'application/json'\n"
    );
    fs::write(&script, lua)?;
    let before = (usage::cpu_us(server.pid()?)?, usage::machine_cpu_us()?);
    let output = Command::new("wrk")
        .args(["-t2", "--latency", "--timeout", "10s"])
        .arg(format!("-c{connections}"))
        .arg(format!("-d{seconds}s"))
        .arg("-s")
        .arg(&script)
        .arg(format!("http://{}/v1/predictions", server.address))
        .output()
        .context(MISSING)?;
    let after = (usage::cpu_us(server.pid()?)?, usage::machine_cpu_us()?);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "wrk: {text}");
    ensure!(
        !text.contains("Non-2xx"),
        "{} answered errors: {text}",
        server.name
    );
    let requests: f64 = field(&text, "requests in")?.parse()?;
    Ok(Measured {
        per_second: field(&text, "Requests/sec:")?.parse()?,
        p50_ms: milliseconds(field(&text, "50%")?)?,
        p99_ms: milliseconds(field(&text, "99%")?)?,
        server_us: (after.0 - before.0) / requests,
        machine_us: (after.1 - before.1) / requests,
    })
}

/// The word after a label, or before `requests in`.
fn field<'t>(text: &'t str, label: &str) -> Result<&'t str> {
    // `68.50%` is no `50%`.
    let is_it = |line: &&str| {
        line.trim_start().starts_with(label) || (label == "requests in" && line.contains(label))
    };
    let line = text.lines().find(is_it);
    let line = line.with_context(|| format!("wrk said no {label:?}: {text}"))?;
    let words = match label {
        "requests in" => line.trim(),
        _ => line.split(label).nth(1).unwrap_or_default().trim(),
    };
    words.split_whitespace().next().context("wrk said nothing")
}

fn milliseconds(text: &str) -> Result<f64> {
    for (unit, factor) in [("us", 0.001), ("ms", 1.0), ("s", 1000.0)] {
        if let Some(number) = text.strip_suffix(unit) {
            return Ok(number.parse::<f64>()? * factor);
        }
    }
    anyhow::bail!("{text} is no time")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wrk_says_is_read() {
        let text = "  Latency  1.3ms  2.1ms  29.3ms  68.50%\n  Latency Distribution\n     50%  950.00us\n     99%    1.20s \n  1234 requests in 5.00s, 3MB read\n\
                    Requests/sec:  246.8\n";
        assert_eq!(field(text, "requests in").unwrap(), "1234");
        assert_eq!(field(text, "Requests/sec:").unwrap(), "246.8");
        assert!((milliseconds(field(text, "50%").unwrap()).unwrap() - 0.95).abs() < 1e-9);
        assert_eq!(milliseconds(field(text, "99%").unwrap()).unwrap(), 1200.0);
    }
}
