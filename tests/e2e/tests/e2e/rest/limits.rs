//! What one client may hold, and that others have the rest: attackers are other addresses of the loopback.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use reqwest::Client;
use serde_json::Value;
use testkit::{Process, Proxy, World, in_world, until};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::timeout,
};

use super::{DIAMOND, get, post, problem, served};

const ATTACKER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
const JSON: &str = "content-type: application/json\r\n";

/// The API, with limits on this machine's own addresses too.
async fn start(world: &World, more: &[(&str, &str)]) -> Result<(Process, SocketAddr)> {
    let settings = [&[("LAPIDARY__API__LIMIT_LOOPBACK", "true")], more].concat();
    let api = world.start("api", &settings).await?;
    let address = api.address().await?.replace("http://", "").parse()?;
    Ok((api, address))
}

/// Connects from this address, and sends a request's head and what there is of its body.
async fn send(from: Ipv4Addr, to: SocketAddr, request: &str, body: &[u8]) -> Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    let mut stream = socket.connect(to).await?;
    stream.write_all(request.as_bytes()).await?;
    stream.write_all(body).await?;
    Ok(stream)
}

/// What comes until the server closes, or so many bytes.
async fn receive(stream: &mut TcpStream, most: u64) -> Result<String> {
    let mut answer = Vec::new();
    stream.take(most).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// What is told to whom the server closes while the body is still to come, which may end in a reset.
async fn refusal(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = stream.take(600).read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn head(line: &str, headers: &str) -> String {
    format!("{line} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n")
}

/// Waits until the API has so many connections.
async fn connected(to: SocketAddr, connections: f64) -> Result<()> {
    until("the connections", async || {
        let metrics = reqwest::get(format!("http://{to}/metrics")).await?.text().await?;
        let gauge = metrics
            .lines()
            .find(|line| line.starts_with("lapidary_connections{"));
        let open: f64 = gauge
            .and_then(|line| line.rsplit(' ').next())
            .context("no gauge")?
            .parse()?;
        Ok((open >= connections).then_some(()))
    })
    .await
}

/// S3: heads without their bodies take no places.
#[tokio::test]
async fn bodies_that_do_not_come_keep_nobody_out() -> Result<()> {
    in_world(|world| async move {
        let few = [
            ("LAPIDARY__TRAFFIC__MAX_REQUESTS", "8"),
            ("LAPIDARY__TRAFFIC__WAIT_MS", "50"),
        ];
        let (_api, to) = start(&world, &few).await?;
        let silent = head("POST /v1/predictions", "content-length: 10\r\n");
        let mut attackers = Vec::new();
        for _ in 0..40 {
            attackers.push(send(ATTACKER, to, &silent, b"").await?);
        }
        connected(to, 40.0).await?;
        for _ in 0..20 {
            let answer = reqwest::get(format!("http://{to}/v1/nothing")).await?;
            assert_eq!(answer.status().as_u16(), 404);
        }
        Ok(())
    })
    .await
}

/// S3: an address has a part of the connections, and its own alone are refused.
#[tokio::test]
async fn an_address_has_a_part_of_the_connections() -> Result<()> {
    in_world(|world| async move {
        let few = [("LAPIDARY__API__MAX_CONNECTIONS", "80")];
        let (_api, to) = start(&world, &few).await?;
        let probe = head("GET /healthz", "");
        let mut attackers = Vec::new();
        for _ in 0..10 {
            let mut attacker = send(ATTACKER, to, &probe, b"").await?;
            ensure!(receive(&mut attacker, 12).await?.ends_with("200"));
            attackers.push(attacker);
        }
        let mut refused = send(ATTACKER, to, "", b"").await?;
        // It is closed, with or without a reset, and long before it would be for being idle.
        let closed = timeout(Duration::from_secs(5), refused.read(&mut [0])).await?;
        assert_eq!(closed.unwrap_or_default(), 0);
        let mut other = send(OTHER, to, &probe, b"").await?;
        ensure!(receive(&mut other, 12).await?.ends_with("200"));
        Ok(())
    })
    .await
}

/// S4: what is announced is not counted, and what has come counts for its sender.
#[tokio::test]
async fn bodies_that_are_announced_take_no_room_and_those_that_come_take_their_senders() -> Result<()> {
    in_world(|world| async move {
        let little = [
            ("LAPIDARY__TRAFFIC__MAX_BYTES", "1048576"),
            ("LAPIDARY__TRAFFIC__WAIT_MS", "50"),
        ];
        let (_api, to) = start(&world, &little).await?;
        let large = head("POST /v1/nothing", "content-length: 4194304\r\n");
        let mut attackers = Vec::new();
        for _ in 0..64 {
            attackers.push(send(ATTACKER, to, &large, b"").await?);
        }
        connected(to, 64.0).await?;
        let honest = || {
            Client::new()
                .post(format!("http://{to}/v1/nothing"))
                .body(vec![b' '; 60_000])
        };
        assert_eq!(honest().send().await?.status().as_u16(), 404);
        // An eighth of it is for one address: the first of two large ones takes that, the other is refused.
        let much = vec![b' '; 200 << 10];
        let mut first = send(ATTACKER, to, &large, &much).await?;
        let mut second = send(ATTACKER, to, &large, &much).await?;
        let told = tokio::select! {
            told = refusal(&mut first) => told,
            told = refusal(&mut second) => told,
        };
        ensure!(
            told.starts_with("HTTP/1.1 503") && told.contains("from this address"),
            "{told}"
        );
        assert_eq!(honest().send().await?.status().as_u16(), 404);
        Ok(())
    })
    .await
}

/// S6: a long list comes in parts of a megabyte, and is on record by its digest.
#[tokio::test]
async fn a_long_list_comes_in_parts_and_is_on_record_by_its_digest() -> Result<()> {
    in_world(|world| async move {
        let (_api, to) = start(&world, &[("LAPIDARY__API__ADDRESS_RATE", "0")]).await?;
        let long = "INSERT INTO events (id, type, must_route, body, created_at, published_at) \
                    SELECT gen_random_uuid(), 'run.progressed', false, jsonb_build_object('n', n, 'x', repeat('x', 10000)), \
                    now(), now() FROM generate_series(1, 300) n";
        world.database.execute(long).await?;
        until("the registry", async || {
            let list = reqwest::get(format!("http://{to}/v1/events?limit=1")).await?;
            Ok(list.status().is_success().then_some(()))
        })
        .await?;
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let url = format!("http://{to}/v1/events?limit=1000{cursor}");
            let text = reqwest::get(url).await?.error_for_status()?.text().await?;
            ensure!(text.len() <= (1 << 20) + 100, "{} bytes", text.len());
            let part: Value = serde_json::from_str(&text)?;
            let items = part["items"].as_array().context("no items")?;
            seen.extend(items.iter().map(|item| item["n"].as_i64().unwrap_or_default()));
            let Some(next) = part["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(seen, (1..=300).collect::<Vec<_>>());
        let whole = "SELECT count(*) FROM traffic WHERE path = '/v1/events' AND length(response_body) > 70000";
        assert_eq!(world.database.number(whole).await?, 0);
        let told = "SELECT count(*) FROM traffic WHERE response_digest IS NOT NULL AND length(response_body) = 0";
        assert!(world.database.number(told).await? >= 3);
        Ok(())
    })
    .await
}

/// S7: a client that reads slowly gets all of its answers, however long nothing else comes from it.
#[tokio::test]
async fn a_slow_reader_gets_its_whole_answers() -> Result<()> {
    const BATCHES: usize = 6;
    /// Every answer has it once.
    const MARK: &[u8] = b"\"currency\":\"USD\"";
    in_world(|world| async move {
        let system = served(&world).await?;
        let patient = world
            .start("api", &[("LAPIDARY__API__HEADER_TIMEOUT_MS", "200")])
            .await?;
        let to: SocketAddr = patient.address().await?.replace("http://", "").parse()?;
        until("the model", async || {
            let price = post(&format!("http://{to}/v1/predictions"), DIAMOND)
                .send()
                .await?;
            Ok(price.status().is_success().then_some(()))
        })
        .await?;
        drop(system);
        let batch = format!("{{\"diamonds\":[{}]}}", vec![DIAMOND; 10_000].join(","));
        let request = head(
            "POST /v1/predictions/batch",
            &format!("{JSON}content-length: {}\r\n", batch.len()),
        );
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(4096)?;
        let (mut taking, mut giving) = socket.connect(to).await?.into_split();
        let asking = tokio::spawn(async move {
            for _ in 0..BATCHES {
                giving.write_all(request.as_bytes()).await?;
                giving.write_all(batch.as_bytes()).await?;
            }
            // Its half stays open.
            anyhow::Ok(giving)
        });
        let mut begin = [0; 12];
        taking.read_exact(&mut begin).await?;
        assert_eq!(&begin, b"HTTP/1.1 200");
        // Idle connections that come now are closed in their time, one after the other; this one is not idle.
        for _ in 0..3 {
            let mut idle = TcpStream::connect(to).await?;
            assert_eq!(idle.read(&mut [0]).await?, 0);
        }
        let (mut answers, mut part, mut tail) = (0, vec![0; 1 << 16], Vec::new());
        while answers < BATCHES {
            let read = taking.read(&mut part).await?;
            ensure!(read > 0, "it was cut off after {answers} answers");
            tail.extend_from_slice(&part[..read]);
            answers += tail.windows(MARK.len()).filter(|window| *window == MARK).count();
            // The rest may be the beginning of one.
            tail.drain(..tail.len().saturating_sub(MARK.len() - 1));
        }
        drop(asking.await??);
        Ok(())
    })
    .await
}

/// S9: one address has a few event streams, and others have theirs.
#[tokio::test]
async fn an_address_follows_events_a_few_times_at_once() -> Result<()> {
    in_world(|world| async move {
        let (_api, to) = start(&world, &[("LAPIDARY__API__MAX_STREAMS_PER_ADDRESS", "2")]).await?;
        let follow = head("GET /v1/events/stream", "");
        until("the registry", async || {
            let mut stream = send(OTHER, to, &follow, b"").await?;
            Ok(receive(&mut stream, 12).await?.ends_with("200").then_some(()))
        })
        .await?;
        let mut streams = Vec::new();
        for _ in 0..2 {
            let mut stream = send(ATTACKER, to, &follow, b"").await?;
            ensure!(receive(&mut stream, 12).await?.ends_with("200"));
            streams.push(stream);
        }
        let mut refused = send(ATTACKER, to, &follow, b"").await?;
        ensure!(receive(&mut refused, 12).await?.ends_with("429"));
        let mut other = send(OTHER, to, &follow, b"").await?;
        ensure!(receive(&mut other, 12).await?.ends_with("200"));
        drop(streams);
        until("a place for another stream", async || {
            let mut again = send(ATTACKER, to, &follow, b"").await?;
            Ok(receive(&mut again, 12).await?.ends_with("200").then_some(()))
        })
        .await
    })
    .await
}

/// S12: without Postgres nobody knows which keys were revoked, so a client's key works for so long and no longer.
#[tokio::test]
async fn a_key_that_cannot_be_checked_works_for_so_long_and_no_longer() -> Result<()> {
    in_world(|world| async move {
        let key = world.operator_key().await?;
        let postgres = Proxy::start(world.database.url()).await?;
        let url = postgres.url();
        let settings = [
            ("LAPIDARY__POSTGRES__URL", url.as_str()),
            ("LAPIDARY__API__REQUIRE_KEY", "true"),
            ("LAPIDARY__API__KEYS_INTERVAL_MS", "20"),
            ("LAPIDARY__API__KEYS_MAX_AGE_MS", "1500"),
        ];
        let ask = async |api: &Process, key: &str| {
            let request = post(&format!("{}/v1/predictions", api.address().await?), DIAMOND);
            anyhow::Ok(request.bearer_auth(key).send().await?)
        };
        let api = world.start("api", &settings).await?;
        until("the key", async || {
            let told = ask(&api, &key).await?.text().await?;
            Ok(told.contains("drop a data file").then_some(()))
        })
        .await?;
        postgres.cut().await;
        let refused = until("a refusal", async || {
            let answer = ask(&api, &key).await?;
            let is_refused = answer.headers()["retry-after"] == "2" && answer.status() == 503;
            let told = problem(answer).await?;
            Ok((is_refused && told["detail"].as_str() != Some(super::NO_MODEL)).then_some(told))
        })
        .await?;
        let detail = refused["detail"].as_str().unwrap_or_default();
        ensure!(
            detail.contains("cannot be checked") || detail.contains("registry is away"),
            "{refused}"
        );
        drop(api);
        let again = world.start("api", &settings).await?;
        let told = problem(ask(&again, &key).await?).await?;
        ensure!(
            told["status"] == 503 && told["detail"] != super::NO_MODEL,
            "a restart makes no key younger: {told}"
        );
        postgres.restore();
        until("the key once more", async || {
            let told = ask(&again, &key).await?.text().await?;
            Ok(told.contains("drop a data file").then_some(()))
        })
        .await
    })
    .await
}

/// S14: a page that has its own name resolved to this machine reads nothing.
#[tokio::test]
async fn a_keyless_api_answers_to_its_own_names_and_says_so_on_record() -> Result<()> {
    in_world(|world| async move {
        let (_api, to) = start(&world, &[("LAPIDARY__API__HOSTS", "prices.example")]).await?;
        let ask = async |path: &str, hosts: &[&str]| {
            let hosts: Vec<_> = hosts.iter().map(|host| format!("host: {host}\r\n")).collect();
            let request = format!(
                "GET {path} HTTP/1.1\r\n{}connection: close\r\n\r\n",
                hosts.concat()
            );
            let mut stream = send(OTHER, to, &request, b"").await?;
            receive(&mut stream, 1 << 20).await
        };
        for (path, hosts, status) in [
            ("/v1/nothing", &["evil.example"][..], "421"),
            ("/v1/nothing", &["evil.example:8080"], "421"),
            ("/v1/nothing", &["localhost", "localhost"], "400"),
            ("/v1/nothing", &[], "400"),
            ("/v1/nothing", &["localhost"], "404"),
            ("/v1/nothing", &["127.0.0.1:80"], "404"),
            ("/v1/nothing", &["prices.example"], "404"),
            ("/openapi.json", &["evil.example"], "421"),
            ("/healthz", &["evil.example"], "200"),
            ("/healthz", &[], "200"),
            ("/metrics", &["evil.example"], "200"),
        ] {
            let told = ask(path, hosts).await?;
            ensure!(
                told.starts_with(&format!("HTTP/1.1 {status}")),
                "{path} {hosts:?}: {told}"
            );
            ensure!(status != "421" || told.contains("api.hosts"), "{told}");
        }
        let recorded = "SELECT count(*) FROM traffic WHERE status IN (400, 421)";
        assert_eq!(world.database.number(recorded).await?, 4);
        Ok(())
    })
    .await
}

/// Whatever leaves a record counts for the rate of its address: a foreign host, and paths outside of `/v1`.
#[tokio::test]
async fn what_is_refused_unread_counts_for_the_rate_of_its_address() -> Result<()> {
    in_world(|world| async move {
        let (_api, to) = start(&world, &[("LAPIDARY__API__ADDRESS_RATE", "1")]).await?;
        let foreign = "GET /v1/nothing HTTP/1.1\r\nhost: evil.example\r\n\r\n";
        for request in [head("GET /nothing", ""), foreign.to_owned()] {
            until("a refusal for the rate", async || {
                for _ in 0..8 {
                    let mut stream = send(OTHER, to, &request, b"").await?;
                    if receive(&mut stream, 12).await?.ends_with("429") {
                        return Ok(Some(()));
                    }
                }
                Ok(None)
            })
            .await?;
        }
        Ok(())
    })
    .await
}

/// S15: a body that is too large is refused before it is sent.
#[tokio::test]
async fn whoever_asks_first_is_told_at_once_that_a_body_is_too_large() -> Result<()> {
    in_world(|world| async move {
        let (_api, to) = start(&world, &[]).await?;
        let ask = |length: u64| {
            let headers = format!("{JSON}expect: 100-continue\r\ncontent-length: {length}\r\n");
            head("POST /v1/predictions", &headers)
        };
        let mut large = send(OTHER, to, &ask(5_000_000_000), b"").await?;
        let told = receive(&mut large, 1 << 16).await?;
        ensure!(
            told.starts_with("HTTP/1.1 413") && told.contains("4194304"),
            "{told}"
        );
        let mut small = send(OTHER, to, &ask(2), b"").await?;
        ensure!(
            receive(&mut small, 25)
                .await?
                .starts_with("HTTP/1.1 100 Continue")
        );
        small.write_all(b"{}").await?;
        ensure!(receive(&mut small, 12).await?.ends_with("422"));
        Ok(())
    })
    .await
}

/// S16: batches count by their diamonds.
#[tokio::test]
async fn a_batch_counts_for_as_many_requests_as_its_diamonds() -> Result<()> {
    in_world(|world| async move {
        let system = served(&world).await?;
        drop(system);
        let (_api, to) = start(&world, &[("LAPIDARY__API__ADDRESS_RATE", "10")]).await?;
        let url = format!("http://{to}/v1/predictions/batch");
        let batch = |diamonds| format!("{{\"diamonds\":[{}]}}", vec![DIAMOND; diamonds].join(","));
        let whole = until("the model", async || {
            let answer = post(&url, &batch(500)).send().await?;
            Ok((answer.status().as_u16() == 200).then_some(answer))
        })
        .await?;
        // The largest costs half of the quota, and no more: five may be left of ten, or fewer after other questions.
        let left = whole.headers()["ratelimit"].to_str()?;
        ensure!(
            (0..=5).any(|left_over| left == format!("\"address\";r={left_over};t=1")),
            "{left}"
        );
        let mut asked = JoinSet::new();
        for _ in 0..12 {
            asked.spawn(post(&url, &batch(500)).send());
        }
        let answers: Vec<_> = asked.join_all().await.into_iter().collect::<Result<_, _>>()?;
        let refused = answers.into_iter().find(|answer| answer.status().as_u16() == 429);
        let refused = refused.context("none is refused")?;
        ensure!(
            problem(refused).await?["detail"]
                .as_str()
                .unwrap_or_default()
                .contains("50 diamonds")
        );
        Ok(())
    })
    .await
}

/// S6: lists do without what each item would cost a query; one thing is shown with all of it.
#[tokio::test]
async fn models_are_listed_without_the_files_of_their_lineage() -> Result<()> {
    in_world(|world| async move {
        let system = served(&world).await?;
        let list = get(&format!("{}/v1/models", system.url)).await?;
        let one = get(&format!("{}/v1/models/1", system.url)).await?;
        ensure!(list["items"][0]["lineage"].get("files").is_none(), "{list}");
        assert_eq!(one["lineage"]["files"][0]["name"], "first.csv");
        Ok(())
    })
    .await
}
