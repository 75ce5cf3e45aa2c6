//! Hostile input, by raw sockets: each is answered or cut off within its limit, and the next request is served.

use std::{fmt::Write as _, time::Duration};

use anyhow::{Context as _, Result, ensure};
use testkit::{Process, World, allow_open_files, in_world, until};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

const IDLE: usize = 10_000;
/// Within this, everything here has to be answered or cut off: far more than the limits that are set.
const LIMIT: Duration = Duration::from_secs(30);

async fn start(world: &World) -> Result<(Process, String)> {
    let settings = [
        ("LAPIDARY__API__HEADER_TIMEOUT_MS", "300"),
        ("LAPIDARY__API__BODY_TIMEOUT_MS", "300"),
    ];
    let api = world.start("api", &settings).await?;
    let address = api.address().await?.replace("http://", "");
    Ok((api, address))
}

/// Sends bytes, closes this half if `closes`, and reads until the server closes.
async fn send(address: &str, parts: &[&[u8]], closes: bool) -> Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    for part in parts {
        // The server may have cut off already: what it said before counts.
        let _ = stream.write_all(part).await;
    }
    if closes {
        let _ = stream.shutdown().await;
    }
    let mut answer = Vec::new();
    let read = timeout(LIMIT, stream.read_to_end(&mut answer)).await;
    // A reset after the answer is as good as a close.
    let _ = read.context("neither answered nor cut off")?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn request(head: &str, body: &[u8]) -> Vec<u8> {
    let line = "POST /v1/predictions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nconnection: close\r\n";
    [format!("{line}{head}\r\n").as_bytes(), body].concat()
}

async fn still_serves(address: &str) -> Result<()> {
    let answer = send(
        address,
        &[b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"],
        false,
    )
    .await?;
    ensure!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    Ok(())
}

#[tokio::test]
async fn bodies_that_lie_are_told_so_and_the_next_request_is_served() -> Result<()> {
    in_world(|world| async move {
        let (_api, address) = start(&world).await?;
        // For one diamond there are 16 KiB.
        let (deep, large) = ("[".repeat(16_000), "[".repeat(100_000));
        let bodies: [(&[u8], &str); 10] = [
            (deep.as_bytes(), "400"),
            (large.as_bytes(), "413"),
            (b"{\"carat\":1e999}", "422"),
            (b"{\"carat\":NaN}", "400"),
            (b"{\"cut\":\"\\u0000\"}", "422"),
            (b"{\"cut\":\"\0\"}", "400"),
            (b"{\"carat\":1,\"carat\":2}", "422"),
            (b"{\"cut\":\"\xff\xfe\"}", "400"),
            (b"{\"cut\":\"\\ud800\"}", "400"),
            (b"\xef\xbb\xbf{}", "400"),
        ];
        for (body, status) in bodies {
            let head = format!("content-length: {}\r\n", body.len());
            let answer = send(&address, &[&request(&head, body)], false).await?;
            ensure!(
                answer.starts_with(&format!("HTTP/1.1 {status}")),
                "{status}: {answer}"
            );
            ensure!(answer.contains("application/problem+json"), "{answer}");
        }
        still_serves(&address).await
    })
    .await
}

#[tokio::test]
async fn slow_and_broken_requests_are_cut_off_in_time() -> Result<()> {
    in_world(|world| async move {
        let (_api, address) = start(&world).await?;
        let slow_body = request("content-length: 100\r\n", b"{\"carat\":");
        let answer = send(&address, &[&slow_body], false).await?;
        ensure!(answer.starts_with("HTTP/1.1 408"), "{answer}");
        let answer = send(&address, &[&slow_body], true).await?;
        ensure!(
            answer.starts_with("HTTP/1.1 400") || answer.is_empty(),
            "{answer}"
        );
        for silent in [
            &b""[..],
            b"POST /v1/predictions HT",
            b"GET / HTTP/1.1\r\nhost: localhost\r\nx-slow: ",
        ] {
            let answer = send(&address, &[silent], false).await?;
            ensure!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
        }
        let chunked = "transfer-encoding: chunked\r\n";
        for lie in [
            &b"ffffffffffffffff\r\n{}"[..],
            b"zz\r\n{}\r\n0\r\n\r\n",
            b"5\r\n{}\r\n0\r\n\r\n",
            b"-1\r\n",
        ] {
            let answer = send(&address, &[&request(chunked, lie)], false).await?;
            ensure!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
        }
        let both = request(
            "transfer-encoding: chunked\r\ncontent-length: 3\r\n",
            b"0\r\n\r\n",
        );
        let answer = send(&address, &[&both], false).await?;
        ensure!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
        still_serves(&address).await
    })
    .await
}

#[tokio::test]
async fn whoever_closes_one_half_after_asking_gets_the_answer() -> Result<()> {
    in_world(|world| async move {
        let (_api, address) = start(&world).await?;
        let asked = request("content-length: 2\r\n", b"{}");
        let answer = send(&address, &[&asked], true).await?;
        ensure!(answer.starts_with("HTTP/1.1 422"), "{answer}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn header_bombs_are_refused() -> Result<()> {
    in_world(|world| async move {
        let (_api, address) = start(&world).await?;
        let mut many = "GET /healthz HTTP/1.1\r\nhost: x\r\n".to_owned();
        (0..1000).try_for_each(|number| write!(many, "x-{number}: y\r\n"))?;
        let answer = send(&address, &[many.as_bytes(), b"\r\n"], false).await?;
        ensure!(answer.starts_with("HTTP/1.1 431"), "{answer}");
        let large = format!(
            "GET /healthz HTTP/1.1\r\nhost: x\r\nx-large: {}\r\n\r\n",
            "y".repeat(10 << 20)
        );
        let answer = send(&address, &[large.as_bytes()], false).await?;
        ensure!(
            answer.starts_with("HTTP/1.1 431") || answer.is_empty(),
            "{answer}"
        );
        still_serves(&address).await
    })
    .await
}

/// Bytes of memory that a process has in use.
fn resident(api: &Process) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", api.pid().context("it has ended")?))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}

#[tokio::test]
async fn ten_thousand_idle_connections_do_not_hurt() -> Result<()> {
    allow_open_files(IDLE as u64 + 500)?;
    in_world(|world| async move {
        let api = world
            .start("api", &[("LAPIDARY__API__MAX_CONNECTIONS", "2000")])
            .await?;
        let address = api.address().await?.replace("http://", "");
        let before = resident(&api)?;
        let mut idle = Vec::with_capacity(IDLE);
        for _ in 0..IDLE {
            idle.push(timeout(LIMIT, TcpStream::connect(&address)).await??);
        }
        still_serves(&address).await?;
        let connections = until("connections to be closed", async || {
            let metrics = reqwest::get(format!("http://{address}/metrics"))
                .await?
                .text()
                .await?;
            let gauge = metrics
                .lines()
                .find(|line| line.starts_with("lapidary_connections{"));
            let open: f64 = gauge
                .and_then(|line| line.rsplit(' ').next())
                .context("no gauge")?
                .parse()?;
            Ok((open <= 2000.0).then_some(open))
        })
        .await?;
        let grown = resident(&api)?.saturating_sub(before) >> 20;
        ensure!(grown < 200, "{connections} connections took {grown} MiB");
        println!("{connections} connections of {IDLE} are open, {grown} MiB more");
        Ok(())
    })
    .await
}
