//! The honest client: it asks for prices steadily, whatever the answers do, and times count from the planned moment.
//!
//! Its connections are threads of their own, so that it does not wait for attackers in this very process.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use tokio::task::spawn_blocking;

use crate::until;

const CONNECTIONS: u32 = 8;
/// Between two requests of one connection: 100 a second together.
const EVERY: Duration = Duration::from_millis(80);
/// An answer that takes longer is none.
const LONGEST: Duration = Duration::from_secs(10);
const DIAMOND: &str = r#"{"carat":1.1,"cut":"Ideal","color":"H","clarity":"SI2"}"#;

/// How long answers took.
#[derive(Debug, Default)]
pub struct Times {
    /// In milliseconds, in rising order.
    ms: Vec<f64>,
    /// Requests that were not answered with a price.
    pub refused: u64,
    /// What one of them looked like.
    pub example: Option<String>,
}

impl Times {
    /// Answers there were.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ms.len()
    }

    /// Whether there were none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ms.is_empty()
    }

    /// The time that this share of all answers took at the most, in milliseconds.
    #[must_use]
    pub fn at(&self, share: f64) -> f64 {
        let place = (self.ms.len() as f64 * share).ceil() as usize;
        let time = self.ms.get(place.saturating_sub(1));
        time.copied().unwrap_or(f64::NAN)
    }

    fn add(&mut self, other: Self) {
        self.ms.extend(other.ms);
        self.refused += other.refused;
        self.example = self.example.take().or(other.example);
    }
}

/// Waits for the first price.
pub(super) async fn wait_until_served(address: SocketAddr) -> Result<()> {
    until("a price", async || {
        let asked = spawn_blocking(move || ask(&mut connect(address)?)).await?;
        Ok(asked.is_ok().then_some(()))
    })
    .await
}

/// Asks for a while.
pub(super) async fn measure(address: SocketAddr, time: Duration) -> Result<Times> {
    spawn_blocking(move || {
        let begin = Instant::now();
        let clients: Vec<_> = (0..CONNECTIONS)
            .map(|number| {
                let begin = begin + EVERY * number / CONNECTIONS;
                thread::spawn(move || client(address, begin, time))
            })
            .collect();
        let mut times = Times::default();
        for client in clients {
            let own = client.join().ok().context("a client broke down")?;
            times.add(own);
        }
        times.ms.sort_by(f64::total_cmp);
        ensure!(
            !times.is_empty(),
            "the honest client got no answer at all: {:?}",
            times.example
        );
        Ok(times)
    })
    .await?
}

fn client(address: SocketAddr, begin: Instant, time: Duration) -> Times {
    let (mut times, mut connection, mut due) = (Times::default(), None, begin);
    while due < begin + time {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let asked = match connection.take().map_or_else(|| connect(address), Ok) {
            Ok(mut stream) => ask(&mut stream).map(|()| stream),
            Err(error) => Err(error),
        };
        match asked {
            Ok(stream) => {
                times.ms.push(ms_since(due));
                connection = Some(stream);
            }
            Err(error) => {
                times.refused += 1;
                times.example.get_or_insert(format!("{error:#}"));
            }
        }
        due += EVERY;
        // What was due meanwhile is not sent late, all at once, which would be one request too many for an address; it
        // would have waited at least until now.
        while due < Instant::now() {
            times.ms.push(ms_since(due));
            due += EVERY;
        }
    }
    times
}

fn ms_since(due: Instant) -> f64 {
    due.elapsed().as_secs_f64() * 1000.0
}

fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, LONGEST)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(LONGEST))?;
    Ok(stream)
}

/// Asks for a price, and takes it.
fn ask(stream: &mut TcpStream) -> Result<()> {
    let length = DIAMOND.len();
    let request = format!(
        "POST /v1/predictions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{DIAMOND}"
    );
    stream.write_all(request.as_bytes())?;
    let (mut answer, mut part) = (Vec::new(), [0; 4096]);
    // A price is small, and its JSON ends the answer.
    while !answer.ends_with(b"}") {
        let read = stream.read(&mut part)?;
        ensure!(read > 0, "closed after {:?}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(part.get(..read).unwrap_or_default());
    }
    ensure!(
        answer.starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    Ok(())
}
