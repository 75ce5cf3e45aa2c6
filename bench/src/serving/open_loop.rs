//! The open loop: requests go out by a plan whatever the answers do, and times count from the planned moment.
//!
//! Two threads: one sends what is due, and sleeps between, for that wakes more exactly than timers of an async runtime;
//! the other takes the answers of all connections. More threads, or waking up for each request, would compete with what
//! they measure.

use std::{
    io::Write as _,
    net::{SocketAddr, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net,
    sync::oneshot,
};

use super::BODY;
use crate::usage;

/// How long the sender sleeps at the least; what is due meanwhile goes out late, and counts from when it was due.
const SLEEP: Duration = Duration::from_micros(500);
/// More than can be under way at once at the rates and times measured here.
const CONNECTIONS: usize = 128;
/// One in so many is explained, another a batch of ten.
const SPECIAL: u64 = 200;
/// More than most answers have.
const ANSWER_BYTES: usize = 4096;
/// How long the last answers may take.
const LAST: Duration = Duration::from_secs(30);

/// What was measured.
#[derive(Clone)]
pub(crate) struct Outcome {
    /// Times from the planned moments, in milliseconds, in rising order.
    pub(crate) times_ms: Vec<f64>,
    /// Requests that were not answered with 200.
    pub(crate) failures: u64,
    /// Answers a second that were reached.
    pub(crate) per_second: f64,
    /// CPU time of the whole machine for an answer, load and Postgres included, in microseconds.
    pub(crate) machine_us: f64,
    /// What one failure looked like.
    pub(crate) example: Option<String>,
}

impl Outcome {
    pub(crate) fn at(&self, share: f64) -> f64 {
        quantile(&self.times_ms, share)
    }
}

/// The time within which so many came, of times in rising order.
pub(crate) fn quantile(times_ms: &[f64], share: f64) -> f64 {
    let last = times_ms.len().saturating_sub(1) as f64;
    let place = (last * share).round() as usize;
    times_ms.get(place).copied().unwrap_or(f64::NAN)
}

/// When what is sent.
struct Plan {
    start: Instant,
    gap: Duration,
    requests: [Vec<u8>; 3],
}

impl Plan {
    fn moment(&self, number: u64) -> Instant {
        self.start + self.gap.mul_f64(number as f64)
    }

    fn request(&self, number: u64) -> &[u8] {
        match number % SPECIAL {
            1 => &self.requests[1],
            2 => &self.requests[2],
            _ => &self.requests[0],
        }
    }
}

/// What both threads share.
struct Shared {
    address: SocketAddr,
    start: Instant,
    /// Of each connection, when its request was planned: nanoseconds from `start`.
    planned: [AtomicU64; CONNECTIONS],
    seen: Mutex<Seen>,
    idle: mpsc::Sender<Idle>,
}

/// What the answers were.
#[derive(Default)]
struct Seen {
    times_ms: Vec<f64>,
    failures: u64,
    example: Option<String>,
}

/// A connection that can be sent on; with its sending end when it was opened anew.
struct Idle {
    connection: usize,
    opened: Option<TcpStream>,
}

/// Sends `rate` requests a second for so many seconds.
pub(crate) async fn run(address: SocketAddr, rate: f64, seconds: u32) -> Result<Outcome> {
    let requests = requests(address).await?;
    tokio::task::spawn_blocking(move || blocking(address, rate, seconds, requests)).await?
}

fn blocking(address: SocketAddr, rate: f64, seconds: u32, requests: [Vec<u8>; 3]) -> Result<Outcome> {
    let (idle, ready) = mpsc::channel();
    let plan = Plan {
        start: Instant::now() + Duration::from_millis(300),
        gap: Duration::from_secs_f64(1.0 / rate),
        requests,
    };
    let shared = Arc::new(Shared {
        address,
        start: plan.start,
        planned: [const { AtomicU64::new(0) }; CONNECTIONS],
        seen: Mutex::default(),
        idle,
    });
    let before = usage::machine_cpu_us()?;
    let (stop, stopped) = oneshot::channel();
    let taking = {
        let shared = Arc::clone(&shared);
        thread::spawn(move || take(&shared, stopped))
    };
    let sent = send(&plan, (rate * f64::from(seconds)) as u64, &shared, &ready);
    let (elapsed, after) = (plan.start.elapsed(), usage::machine_cpu_us()?);
    // Nobody listens only if that thread broke down, which it then says.
    let _ = stop.send(());
    taking.join().ok().context("taking the answers broke down")??;
    sent?;
    let mut seen = std::mem::take(&mut *shared.seen.lock().unwrap_or_else(PoisonError::into_inner));
    seen.times_ms.sort_by(f64::total_cmp);
    Ok(Outcome {
        per_second: seen.times_ms.len() as f64 / elapsed.as_secs_f64(),
        machine_us: (after - before) / seen.times_ms.len() as f64,
        times_ms: seen.times_ms,
        failures: seen.failures,
        example: seen.example,
    })
}

/// Sends by the plan, and comes back with the last answer.
fn send(plan: &Plan, total: u64, shared: &Shared, ready: &mpsc::Receiver<Idle>) -> Result<()> {
    let mut ends: [Option<TcpStream>; CONNECTIONS] = [const { None }; CONNECTIONS];
    for number in 0..total {
        let moment = plan.moment(number);
        let early = moment.saturating_duration_since(Instant::now());
        if !early.is_zero() {
            thread::sleep(early.max(SLEEP));
        }
        let Idle { connection, opened } = ready.recv_timeout(LAST).context("no connection is free")?;
        let nanoseconds = moment.duration_since(plan.start).as_nanos() as u64;
        shared.planned[connection].store(nanoseconds, Ordering::Release);
        if opened.is_some() {
            ends[connection] = opened;
        }
        let end = ends[connection]
            .as_mut()
            .context("a connection that was never opened")?;
        // When it fails, so does taking the answer.
        let _ = end.write_all(plan.request(number));
    }
    for _ in 0..CONNECTIONS {
        ready.recv_timeout(LAST).context("an answer is missing")?;
    }
    Ok(())
}

/// Takes the answers of all connections until told to stop.
fn take(shared: &Arc<Shared>, stopped: oneshot::Receiver<()>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    for connection in 0..CONNECTIONS {
        runtime.spawn(take_from(connection, Arc::clone(shared)));
    }
    // It also comes when the sender has given up.
    let _ = runtime.block_on(stopped);
    Ok(())
}

/// Takes the answers of one connection, which is opened anew when one fails.
async fn take_from(connection: usize, shared: Arc<Shared>) -> Result<()> {
    loop {
        let stream = net::TcpStream::connect(shared.address).await?.into_std()?;
        stream.set_nodelay(true)?;
        let mut opened = Some(stream.try_clone()?);
        let mut from = net::TcpStream::from_std(stream)?;
        let mut bytes = Vec::new();
        loop {
            let opened = opened.take();
            shared.idle.send(Idle { connection, opened })?;
            let answered = answer(&mut from, &mut bytes).await;
            let planned = Duration::from_nanos(shared.planned[connection].load(Ordering::Acquire));
            let took = shared.start.elapsed().saturating_sub(planned);
            let mut seen = shared.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.times_ms.push(took.as_secs_f64() * 1000.0);
            let failure = match answered {
                Ok(()) if is_success(&bytes) => continue,
                Ok(()) => String::from_utf8_lossy(&bytes).into_owned(),
                Err(error) => format!("{error:#}"),
            };
            seen.failures += 1;
            seen.example = Some(failure);
            break;
        }
    }
}

/// The usual request, and those special ones that this API answers; otherwise the usual one in their place.
async fn requests(address: SocketAddr) -> Result<[Vec<u8>; 3]> {
    let usual = request("/v1/predictions", BODY);
    let batch = format!(r#"{{"diamonds":[{}]}}"#, [BODY; 10].join(","));
    let mut special = [
        request("/v1/predictions?explain=true", BODY),
        request("/v1/predictions/batch", &batch),
    ];
    for request in &mut special {
        let mut connection = net::TcpStream::connect(address).await?;
        connection.write_all(request).await?;
        let mut bytes = Vec::new();
        answer(&mut connection, &mut bytes).await?;
        if !is_success(&bytes) {
            *request = usual.clone();
        }
    }
    let [explained, batch] = special;
    Ok([usual, explained, batch])
}

fn request(path: &str, body: &str) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body.as_bytes()].concat()
}

/// Takes one answer, to its last byte, in the place of what `bytes` held.
async fn answer(connection: &mut net::TcpStream, bytes: &mut Vec<u8>) -> Result<()> {
    bytes.clear();
    bytes.reserve(ANSWER_BYTES);
    loop {
        ensure!(connection.read_buf(bytes).await? > 0, "the connection was closed");
        if whole_length(bytes).is_some_and(|length| bytes.len() >= length) {
            return Ok(());
        }
    }
}

fn is_success(answer: &[u8]) -> bool {
    answer.starts_with(b"HTTP/1.1 200")
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
