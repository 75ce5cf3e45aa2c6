//! How fast one thread splits and parses, over generated files of 64 MiB, in CPU time (Linux), so that
//! other work on the machine disturbs little:
//! `cargo run --release -p datafile --example throughput`.

use std::{fs, time::Duration};

use datafile::{Limits, ReadError, Splitter, Tally, read_block};

const MIB: usize = 1 << 20;
const BYTES: usize = 64 * MIB;

fn main() -> Result<(), ReadError> {
    for quoting in [Quoting::None, Quoting::Texts] {
        measure(quoting, "\n", |_| false)?;
    }
    measure(Quoting::None, "\r\n", |_| false)?;
    measure(Quoting::None, "\n", |row| row % 5 == 0)
}

#[derive(Debug, Clone, Copy)]
enum Quoting {
    None,
    /// As R writes it: an index, and quotes around every text.
    Texts,
}

fn measure(quoting: Quoting, line_end: &str, bad: impl Fn(usize) -> bool) -> Result<(), ReadError> {
    let file = file(quoting, line_end, bad);
    let (mut splitting, mut parsing) = (Duration::MAX, Duration::MAX);
    let mut tally = Tally::default();
    for _ in 0..5 {
        let start = cpu_time();
        let mut splitter = Splitter::open(file.as_bytes(), Limits::default())?;
        let mut blocks = Vec::new();
        while let Some(block) = splitter.next_block()? {
            blocks.push(block);
        }
        splitting = splitting.min(cpu_time() - start);
        tally = Tally::default();
        let start = cpu_time();
        for block in &blocks {
            tally.add(&read_block(block, splitter.header())?);
        }
        parsing = parsing.min(cpu_time() - start);
    }
    let speed = |time: Duration| file.len() as f64 / MIB as f64 / time.as_secs_f64();
    let counts = tally.counts();
    println!(
        "quotes {quoting:?}, line end {line_end:?}, {} of {} rows bad: Splitter {:.0} MiB/s, read_block {:.0} MiB/s",
        counts.rows_rejected,
        counts.rows_read,
        speed(splitting),
        speed(parsing)
    );
    Ok(())
}

/// What this thread spent on a CPU so far.
fn cpu_time() -> Duration {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = stat.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.unwrap_or_default())
}

fn file(quoting: Quoting, line_end: &str, bad: impl Fn(usize) -> bool) -> String {
    const CUTS: [&str; 5] = ["Ideal", "Premium", "Very Good", "Good", "Fair"];
    const COLORS: [&str; 7] = ["D", "E", "F", "G", "H", "I", "J"];
    const CLARITIES: [&str; 8] = ["IF", "VVS1", "VVS2", "VS1", "VS2", "SI1", "SI2", "I1"];
    let mut text = match quoting {
        Quoting::None => "carat,cut,color,clarity,depth,table,price,x,y,z",
        Quoting::Texts => r#""","carat","cut","color","clarity","depth","table","price","x","y","z""#,
    }
    .to_owned();
    for row in 0.. {
        if text.len() >= BYTES {
            break;
        }
        // Multiplied by an odd number, the row number is as good as random here, and every run the same.
        let random = (row as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        let pick = |shift: u32, of: u64| (random >> shift) % of;
        let size = 3.0 + pick(3, 500) as f64 / 100.0;
        let (cut, color) = (CUTS[pick(5, 5) as usize], COLORS[pick(9, 7) as usize]);
        let clarity = CLARITIES[pick(13, 8) as usize];
        let (carat, depth) = (
            0.2 + pick(1, 200) as f64 / 100.0,
            58.0 + pick(17, 60) as f64 / 10.0,
        );
        let price = if bad(row) {
            -5
        } else {
            300 + pick(11, 18_000) as i64
        };
        let (table, z) = (53 + pick(7, 10), size * 0.61);
        text.push_str(line_end);
        text.push_str(&match quoting {
            Quoting::None => format!(
                "{carat:.2},{cut},{color},{clarity},{depth:.1},{table},{price},{size:.2},{size:.2},{z:.2}"
            ),
            Quoting::Texts => format!(
                r#""{row}",{carat:.2},"{cut}","{color}","{clarity}",{depth:.1},{table},{price},{size:.2},{size:.2},{z:.2}"#
            ),
        });
    }
    text.push_str(line_end);
    text
}
