//! HTTP/1.1 by hand: attackers do what no library does.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};

/// What a slow reader lets the system take for it.
const SLOW_BUFFER: u32 = 4096;

/// Connects from this address of the loopback.
pub(super) async fn connect(from: Ipv4Addr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((from, 0)))?;
    socket.connect(to).await
}

/// The same, with the least of buffers for what comes.
pub(super) async fn connect_slowly(from: Ipv4Addr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(SLOW_BUFFER)?;
    socket.bind(SocketAddr::from((from, 0)))?;
    socket.connect(to).await
}

/// A request; `headers` are whole lines.
pub(super) fn request(method: &str, path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head =
        format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n{headers}content-length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// Sends a request, and takes the whole answer; its status.
pub(super) async fn exchange(stream: &mut TcpStream, request: &[u8]) -> io::Result<u16> {
    // What is answered before all of it was taken counts as well.
    let sent = stream.write_all(request).await;
    match answer(stream).await {
        Ok(status) => Ok(status),
        Err(error) => Err(sent.err().unwrap_or(error)),
    }
}

/// Takes an answer; its status.
pub(super) async fn answer(stream: &mut TcpStream) -> io::Result<u16> {
    let (mut buffer, mut filled) = (vec![0; 1 << 16], 0);
    let end = loop {
        let read = stream.read(buffer.get_mut(filled..).unwrap_or_default()).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        filled += read;
        let seen = buffer.get(..filled).unwrap_or_default();
        if let Some(end) = seen.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let head = String::from_utf8_lossy(buffer.get(..end).unwrap_or_default()).to_ascii_lowercase();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length
        .and_then(|length| length.trim().parse().ok())
        .unwrap_or_default();
    let mut left = (end + length).saturating_sub(filled);
    while left > 0 {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        left = left.saturating_sub(read);
    }
    status.ok_or_else(|| io::ErrorKind::InvalidData.into())
}
