//! Ports for servers that cannot be told to take any.

use std::net::TcpListener;

use anyhow::Result;

/// A port that was free a moment ago.
///
/// # Errors
///
/// When there is none.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
