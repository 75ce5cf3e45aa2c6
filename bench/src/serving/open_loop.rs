//! The open loop: requests go out by a plan whatever the answers do, and times count from the planned moment.
//!
//! Threads that block, for they wake more exactly than timers of an async runtime.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use super::BODY;

/// More than can be under way at once at the rates and times measured here.
const CONNECTIONS: u64 = 128;
/// One in so many is explained, another a batch of ten.
const SPECIAL: u64 = 200;

/// What was measured.
#[derive(Clone)]
pub(crate) struct Outcome {
    /// Times from the planned moments, in milliseconds, in rising order.
    pub(crate) times_ms: Vec<f64>,
    /// Requests that were not answered with 200.
    pub(crate) failures: u64,
    /// Answers a second that were reached.
    pub(crate) per_second: f64,
    /// What one failure looked like.
    pub(crate) example: Option<String>,
}

impl Outcome {
    pub(crate) fn at(&self, share: f64) -> f64 {
        let last = self.times_ms.len().saturating_sub(1) as f64;
        self.times_ms
            .get((last * share).round() as usize)
            .copied()
            .unwrap_or(f64::NAN)
    }
}

struct Plan {
    address: SocketAddr,
    start: Instant,
    gap: Duration,
    total: u64,
    next: AtomicU64,
    requests: [Vec<u8>; 3],
}

/// Sends `rate` requests a second for so many seconds.
pub(crate) async fn run(address: SocketAddr, rate: f64, seconds: u32) -> Result<Outcome> {
    tokio::task::spawn_blocking(move || blocking(address, rate, seconds)).await?
}

fn blocking(address: SocketAddr, rate: f64, seconds: u32) -> Result<Outcome> {
    let plan = Arc::new(Plan {
        address,
        start: Instant::now() + Duration::from_millis(300),
        gap: Duration::from_secs_f64(1.0 / rate),
        total: (rate * f64::from(seconds)) as u64,
        next: AtomicU64::new(0),
        requests: requests(address)?,
    });
    let threads: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let plan = Arc::clone(&plan);
            thread::spawn(move || work(&plan))
        })
        .collect();
    let (mut times_ms, mut failures, mut example) = (Vec::new(), 0, None);
    for thread in threads {
        let (times, failed, seen) = thread.join().ok().context("a client broke down")??;
        times_ms.extend(times);
        failures += failed;
        example = example.or(seen);
    }
    times_ms.sort_by(f64::total_cmp);
    let per_second = times_ms.len() as f64 / plan.start.elapsed().as_secs_f64();
    Ok(Outcome {
        times_ms,
        failures,
        per_second,
        example,
    })
}

/// The usual request, and those special ones that this API answers; otherwise the usual one in their place.
fn requests(address: SocketAddr) -> Result<[Vec<u8>; 3]> {
    let usual = request("/v1/predictions", BODY);
    let batch = format!(r#"{{"diamonds":[{}]}}"#, [BODY; 10].join(","));
    let mut special = [
        request("/v1/predictions?explain=true", BODY),
        request("/v1/predictions/batch", &batch),
    ];
    for request in &mut special {
        let mut connection = TcpStream::connect(address)?;
        if !exchange(&mut connection, request)?.starts_with("HTTP/1.1 200") {
            *request = usual.clone();
        }
    }
    let [explained, batch] = special;
    Ok([usual, explained, batch])
}

fn request(path: &str, body: &str) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body.as_bytes()].concat()
}

fn work(plan: &Plan) -> Result<(Vec<f64>, u64, Option<String>)> {
    let mut connection = TcpStream::connect(plan.address)?;
    connection.set_nodelay(true)?;
    let (mut times, mut failures, mut example) = (Vec::new(), 0, None);
    loop {
        let number = plan.next.fetch_add(1, Ordering::Relaxed);
        if number >= plan.total {
            return Ok((times, failures, example));
        }
        let planned = plan.start + plan.gap.mul_f64(number as f64);
        thread::sleep(planned.saturating_duration_since(Instant::now()));
        let request = match number % SPECIAL {
            1 => &plan.requests[1],
            2 => &plan.requests[2],
            _ => &plan.requests[0],
        };
        match exchange(&mut connection, request) {
            Ok(answer) if answer.starts_with("HTTP/1.1 200") => {}
            failed => {
                failures += 1;
                example = Some(failed.unwrap_or_else(|error| format!("{error:#}")));
                connection = TcpStream::connect(plan.address)?;
            }
        }
        times.push(planned.elapsed().as_secs_f64() * 1000.0);
    }
}

/// One request, and the answer to its last byte.
fn exchange(connection: &mut TcpStream, request: &[u8]) -> Result<String> {
    connection.write_all(request)?;
    let (mut answer, mut buffer) = (Vec::new(), [0; 16384]);
    loop {
        let read = connection.read(&mut buffer)?;
        anyhow::ensure!(read > 0, "the connection was closed");
        answer.extend_from_slice(&buffer[..read]);
        if let Some(length) = whole_length(&answer)
            && answer.len() >= length
        {
            return Ok(String::from_utf8_lossy(&answer).into_owned());
        }
    }
}

/// How long head and body are together, once the head is there.
fn whole_length(answer: &[u8]) -> Option<usize> {
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&answer[..head]).ok()?;
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    Some(head + length.map_or(Ok(0), str::parse).ok()?)
}
