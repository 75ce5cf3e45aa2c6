//! The attackers: each kind has addresses of its own, and does so much a second and no more.

use std::{
    fmt::Write as _,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use super::{
    Tally,
    wire::{answer, connect, connect_slowly, exchange, request},
};

/// The first address; the honest client is the one before.
const FIRST: u32 = 0x7f00_0002;
const BODY_LIMIT: usize = 4 << 20;
/// Of a body that comes slowly, at a time; and of an answer that is taken slowly.
const SLOW_BYTES: usize = 1024;
const SLOW_EVERY: Duration = Duration::from_millis(100);

/// Attacks that ask for more than one address may have, however fast the machine is, so that part of them is refused.
pub(super) const EXCESSIVE: [&str; 1] = ["event streams"];

/// One attacker's connection.
#[derive(Clone)]
struct Attacker {
    name: &'static str,
    from: Ipv4Addr,
    to: SocketAddr,
    tally: Tally,
}

/// Requests that are sent again and again.
struct Repeated {
    name: &'static str,
    addresses: u32,
    connections: u32,
    every: Duration,
    requests: Vec<Vec<u8>>,
}

/// Lets everybody begin; they end when `stop` says so.
pub(super) fn begin(to: SocketAddr, tally: &Tally, stop: &CancellationToken) -> JoinSet<()> {
    let (mut running, mut next) = (JoinSet::new(), FIRST);
    let mut begin = |name, addresses, connections, attack: &dyn Fn(Attacker, &mut JoinSet<()>)| {
        tally.announce(name);
        for address in next..next + addresses {
            for _ in 0..connections {
                let (from, tally) = (Ipv4Addr::from_bits(address), tally.clone());
                attack(
                    Attacker {
                        name,
                        from,
                        to,
                        tally,
                    },
                    &mut running,
                );
            }
        }
        next += addresses;
    };
    begin("slow bodies", 40, 8, &|attacker, running| {
        running.spawn(until(stop.clone(), attacker, Attacker::send_slowly));
    });
    begin("silent bodies", 20, 20, &|attacker, running| {
        running.spawn(until(stop.clone(), attacker, Attacker::send_nothing));
    });
    begin("event streams", 20, 16, &|attacker, running| {
        running.spawn(until(stop.clone(), attacker, Attacker::follow));
    });
    begin("slow readers", 20, 4, &|attacker, running| {
        running.spawn(until(stop.clone(), attacker, Attacker::read_slowly));
    });
    for attack in repeated() {
        let (requests, every) = (Arc::new(attack.requests), attack.every);
        begin(
            attack.name,
            attack.addresses,
            attack.connections,
            &|attacker, running| {
                let requests = Arc::clone(&requests);
                running.spawn(until(stop.clone(), attacker, move |attacker| {
                    attacker.repeat(Arc::clone(&requests), every)
                }));
            },
        );
    }
    running
}

/// An attack from so many addresses, over so many connections each, that sends the requests in turn, one every so many
/// milliseconds.
fn attack(
    name: &'static str,
    addresses: u32,
    connections: u32,
    every_ms: u64,
    requests: impl Into<Vec<Vec<u8>>>,
) -> Repeated {
    Repeated {
        name,
        addresses,
        connections,
        every: Duration::from_millis(every_ms),
        requests: requests.into(),
    }
}

fn repeated() -> Vec<Repeated> {
    let mut attacks = small_requests();
    attacks.extend(large_bodies());
    attacks
}

fn small_requests() -> Vec<Repeated> {
    let lists = ["models", "runs", "promotions", "events", "files", "datasets"];
    let lists = lists.map(|list| request("GET", &format!("/v1/{list}?limit=1000"), "", b""));
    let parameters = format!("/v1/models?{}{}", "a&".repeat(15_000), "n&".repeat(15_000));
    let head = format!(
        "x-long: {}\r\nuser-agent: {}\r\n",
        "y".repeat(30_000),
        "z".repeat(30_000)
    );
    let wrong = "authorization: Bearer lap_cl_wrong\r\n";
    vec![
        attack("floods", 10, 2, 4, [request("GET", "/v1/nothing", "", b"")]),
        attack("wrong keys", 5, 1, 10, [request("GET", "/v1/runs", wrong, b"")]),
        attack("long heads", 5, 1, 50, [request("GET", "/nothing", &head, b"")]),
        attack("big lists", 20, 2, 500, lists),
        attack("parameters", 5, 1, 500, [request("GET", &parameters, "", b"")]),
    ]
}

fn large_bodies() -> Vec<Repeated> {
    let post = |path: &str, kind: &str, body: &[u8]| {
        [request("POST", path, &format!("content-type: {kind}\r\n"), body)]
    };
    let keys = "lap_cl_ ".repeat(BODY_LIMIT / 8);
    let noise: Vec<u8> = (0..BODY_LIMIT as u64)
        .map(|byte| ((byte * byte) >> 7) as u8)
        .collect();
    let (one, many) = ("/v1/predictions", "/v1/predictions/batch");
    let json = "application/json";
    vec![
        attack(
            "redaction bombs",
            5,
            1,
            2000,
            post(one, "text/plain", keys.as_bytes()),
        ),
        attack(
            "random bodies",
            5,
            1,
            2000,
            [request("POST", "/nothing", "", &noise)],
        ),
        attack(
            "unknown fields",
            5,
            1,
            2000,
            post(one, json, unknown_fields().as_bytes()),
        ),
        attack("batches", 10, 4, 100, post(many, json, batch().as_bytes())),
    ]
}

fn unknown_fields() -> String {
    let mut body = "{".to_owned();
    for number in 0..120_000 {
        // It cannot fail: it is a string.
        let _ = write!(body, "\"field{number}\":1,");
    }
    body.push_str("\"carat\":1}");
    body
}

fn batch() -> String {
    let diamond = r#"{"carat":1.1,"cut":"Ideal","color":"H","clarity":"SI2"}"#;
    format!("{{\"diamonds\":[{}]}}", vec![diamond; 10_000].join(","))
}

/// Does an attack again and again.
async fn until<F>(stop: CancellationToken, attacker: Attacker, attack: impl Fn(Attacker) -> F)
where
    F: Future<Output = io::Result<()>>,
{
    let attacking = async {
        let mut again = interval(Duration::from_millis(20));
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            again.tick().await;
            if attack(attacker.clone()).await.is_err() {
                attacker.tally.count(attacker.name, 0);
            }
        }
    };
    stop.run_until_cancelled(attacking).await;
}

impl Attacker {
    /// Sends the same for as long as the connection lasts, by a plan.
    async fn repeat(self, requests: Arc<Vec<Vec<u8>>>, every: Duration) -> io::Result<()> {
        let mut stream = connect(self.from, self.to).await?;
        let mut due = interval(every);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for request in requests.iter().cycle() {
            due.tick().await;
            let status = exchange(&mut stream, request).await?;
            self.tally.count(self.name, status);
        }
        Ok(())
    }

    /// A large body that comes a little at a time.
    async fn send_slowly(self) -> io::Result<()> {
        let mut stream = connect(self.from, self.to).await?;
        let announced = format!(
            "POST /v1/predictions/batch HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             content-length: {BODY_LIMIT}\r\n\r\n"
        );
        stream.write_all(announced.as_bytes()).await?;
        let mut due = interval(SLOW_EVERY);
        let sending = async {
            let (taking, mut giving) = stream.split();
            let giving = async {
                loop {
                    due.tick().await;
                    giving.write_all(&[b' '; SLOW_BYTES]).await?;
                }
            };
            // An answer ends it.
            tokio::select! {
                failed = giving => failed,
                readable = taking.readable() => readable,
            }
        };
        sending.await?;
        let status = answer(&mut stream).await?;
        self.tally.count(self.name, status);
        Ok(())
    }

    /// A body that is announced and never comes.
    async fn send_nothing(self) -> io::Result<()> {
        let mut stream = connect(self.from, self.to).await?;
        let announced = "POST /v1/predictions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4194304\r\n\r\n";
        stream.write_all(announced.as_bytes()).await?;
        let status = answer(&mut stream).await?;
        self.tally.count(self.name, status);
        Ok(())
    }

    /// Follows events for as long as it may.
    async fn follow(self) -> io::Result<()> {
        let mut stream = connect(self.from, self.to).await?;
        let follow = "GET /v1/events/stream HTTP/1.1\r\nhost: localhost\r\nlast-event-id: 0\r\n\r\n";
        stream.write_all(follow.as_bytes()).await?;
        let mut begin = [0; 12];
        stream.read_exact(&mut begin).await?;
        let status = String::from_utf8_lossy(&begin)
            .split(' ')
            .nth(1)
            .and_then(|it| it.parse().ok());
        self.tally.count(self.name, status.unwrap_or_default());
        let mut part = [0; 4096];
        while status == Some(200) && stream.read(&mut part).await? > 0 {}
        // Whoever is refused asks again, four times a second.
        tokio::time::sleep(Duration::from_millis(250)).await;
        Ok(())
    }

    /// Takes a large answer a little at a time.
    async fn read_slowly(self) -> io::Result<()> {
        let mut stream = connect_slowly(self.from, self.to).await?;
        stream
            .write_all(b"GET /v1/models?limit=1000 HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .await?;
        let mut begin = [0; 12];
        stream.read_exact(&mut begin).await?;
        let status = String::from_utf8_lossy(&begin)
            .split(' ')
            .nth(1)
            .and_then(|it| it.parse().ok());
        self.tally.count(self.name, status.unwrap_or_default());
        let (mut due, mut part) = (interval(SLOW_EVERY), [0; SLOW_BYTES]);
        while status == Some(200) {
            due.tick().await;
            if stream.read(&mut part).await? == 0 {
                break;
            }
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
        Ok(())
    }
}
