//! Bodies on their way in and out: as large as is allowed, and counted while they are held.

use std::{
    convert::Infallible,
    pin::{Pin, pin},
    task::{Context, Poll},
};

use axum::{
    body::Body,
    http::{HeaderMap, header, request},
};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use super::admission::{Excess, HeldBytes};
use crate::{
    input::{body_fault, too_large},
    problem::Problem,
};

/// What is handed to the HTTP library in one go; it copies it.
const PIECE: usize = 1 << 15;

/// Why there is no body.
pub(super) enum Unread {
    /// It is no good.
    Refused(Problem),
    /// There is no room for it.
    Excess(Excess),
}

impl From<Unread> for Problem {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::Refused(problem) => problem,
            Unread::Excess(excess) => Self::overloaded(excess.detail()),
        }
    }
}

/// All of a request's body, of at most `limit` bytes. Most come in one piece, which is taken as it is.
pub(super) async fn collect(
    head: &request::Parts,
    body: Body,
    limit: usize,
    arrived: &mut HeldBytes,
) -> Result<Bytes, Unread> {
    let refused = |error| Unread::Refused(body_fault(error, limit));
    if asks_first(&head.headers) && body.size_hint().lower() > limit as u64 {
        // Reading any of it would tell the client to send it.
        return Err(Unread::Refused(too_large(limit)));
    }
    let mut body = pin!(Limited::new(body, limit));
    let Some(first) = body.frame().await else {
        return Ok(Bytes::new());
    };
    let first = first.map_err(refused)?.into_data().unwrap_or_default();
    arrived.hold(first.len()).await.map_err(Unread::Excess)?;
    if body.is_end_stream() {
        return Ok(first);
    }
    let mut bytes = BytesMut::from(first);
    while let Some(frame) = body.frame().await {
        let more = frame.map_err(refused)?.into_data().unwrap_or_default();
        bytes.reserve(more.len());
        // What it takes, which is more than what has come, for it grows in steps.
        arrived.hold(bytes.capacity()).await.map_err(Unread::Excess)?;
        bytes.extend_from_slice(&more);
    }
    Ok(bytes.freeze())
}

/// Whether the client waits for a word before it sends the body.
fn asks_first(headers: &HeaderMap) -> bool {
    let expected = headers.get(header::EXPECT);
    expected.is_some_and(|expected| expected.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// An answer's body; a large one is handed out in pieces, so that its bytes count as held until nearly all are sent.
pub(super) fn in_pieces(bytes: Bytes, held: HeldBytes) -> Body {
    if !held.any() {
        return Body::from(bytes);
    }
    Body::new(Pieces {
        rest: bytes,
        _held: held,
    })
}

struct Pieces {
    rest: Bytes,
    _held: HeldBytes,
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let piece = self.rest.len().min(PIECE);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}
