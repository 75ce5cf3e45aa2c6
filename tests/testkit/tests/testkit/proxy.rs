//! The proxy before a server that answers what it is told.

use anyhow::{Context as _, Result, ensure};
use testkit::Proxy;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// A proxy before an echo that passes for a Postgres or a RabbitMQ.
async fn start(scheme: &str) -> Result<Proxy> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("{scheme}://somebody@{}/lapidary", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.into_split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    Proxy::start(&url).await
}

async fn connect(proxy: &Proxy) -> Result<TcpStream> {
    let url = proxy.url();
    let address = url.split(['@', '/']).nth(3).context("no address")?;
    Ok(TcpStream::connect(address).await?)
}

async fn echo(stream: &mut TcpStream, text: &[u8]) -> Result<()> {
    stream.write_all(text).await?;
    echo_is(stream, text).await
}

async fn echo_is(stream: &mut TcpStream, text: &[u8]) -> Result<()> {
    let mut answer = vec![0; text.len()];
    stream.read_exact(&mut answer).await?;
    ensure!(answer == text, "{answer:?}");
    Ok(())
}

#[tokio::test]
async fn what_is_said_comes_through() -> Result<()> {
    let proxy = start("postgres").await?;
    let mut stream = connect(&proxy).await?;
    echo(&mut stream, b"hello").await?;
    echo(&mut stream, &vec![7; 1_000_000][..60_000]).await?;
    assert_eq!(proxy.connections(), 1);
    Ok(())
}

#[tokio::test]
async fn a_cut_ends_every_connection_and_refuses_new_ones_until_restored() -> Result<()> {
    let proxy = start("postgres").await?;
    let mut old = connect(&proxy).await?;
    echo(&mut old, b"before").await?;
    proxy.cut().await;
    assert!(echo(&mut old, b"cut").await.is_err());
    let mut refused = connect(&proxy).await?;
    assert!(echo(&mut refused, b"cut").await.is_err());

    proxy.restore();
    assert!(echo(&mut old, b"what is cut stays cut").await.is_err());
    echo(&mut connect(&proxy).await?, b"after").await?;
    assert_eq!(proxy.connections(), 2);
    Ok(())
}

#[tokio::test]
async fn what_is_held_comes_through_when_restored() -> Result<()> {
    let proxy = start("postgres").await?;
    let mut stream = connect(&proxy).await?;
    echo(&mut stream, b"before").await?;
    proxy.hold();
    let held = tokio::spawn(async move { echo(&mut stream, b"held").await });
    proxy.holds_something().await;
    assert!(!held.is_finished());
    proxy.restore();
    held.await?
}

#[tokio::test]
async fn a_held_connection_can_be_cut() -> Result<()> {
    let proxy = start("postgres").await?;
    let mut stream = connect(&proxy).await?;
    echo(&mut stream, b"before").await?;
    proxy.hold();
    stream.write_all(b"held").await?;
    proxy.holds_something().await;
    proxy.cut().await;
    assert_eq!(stream.read(&mut [0; 4]).await.unwrap_or(0), 0);
    Ok(())
}

#[tokio::test]
async fn a_blocked_rabbitmq_says_so_between_whole_frames() -> Result<()> {
    let proxy = start("amqp").await?;
    let mut stream = connect(&proxy).await?;
    let frame = b"\x01\0\0\0\0\0\x02hi\xce";
    echo(&mut stream, frame).await?;
    // Half a frame waits for its other half; the notice does not stand within it.
    stream.write_all(&frame[..4]).await?;
    proxy.block("low on disk");
    echo_is(&mut stream, b"\x01\0\0\0\0\0\x10\0\x0a\0\x3c\x0blow on disk\xce").await?;
    stream.write_all(&frame[4..]).await?;
    echo_is(&mut stream, frame).await?;
    proxy.restore();
    echo_is(&mut stream, b"\x01\0\0\0\0\0\x04\0\x0a\0\x3d\xce").await
}

#[tokio::test]
async fn the_answer_to_a_commit_after_a_statement_is_lost_and_that_to_another_is_not() -> Result<()> {
    let proxy = start("postgres").await?;
    proxy.lose_commit_after("INSERT INTO models");
    let mut other = connect(&proxy).await?;
    echo(&mut other, b"UPDATE runs; COMMIT").await?;
    let mut stream = connect(&proxy).await?;
    echo(&mut stream, b"INSERT INTO models").await?;
    assert!(echo(&mut stream, b"COMMIT").await.is_err());
    proxy.lost_commit().await;
    echo(&mut other, b"INSERT INTO models; COMMIT").await
}
