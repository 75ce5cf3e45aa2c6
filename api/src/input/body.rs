//! JSON bodies of requests.

use std::pin::pin;

use axum::{
    body::HttpBody as Body,
    extract::{FromRequest, Request},
    http::{HeaderMap, StatusCode, header},
};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, LengthLimitError};

use super::{
    Faults, FromJson, Place,
    json::{self, NotJson},
};
use crate::{around::Received, problem::Problem, server::BodyFault};

/// The longest body that is read by the threads that answer requests.
const SMALL_BYTES: usize = 16 << 10;

/// The body, read; its faults are a problem. It is a small one: what may be large is read as [`JsonText`], elsewhere.
pub(crate) struct JsonBody<T>(pub(crate) T);

/// A body that says that it is JSON, not read yet.
pub(crate) struct JsonText(Bytes);

impl JsonText {
    /// A body that was received before.
    pub(crate) fn of(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// The body that came with such headers.
    pub(crate) async fn received(headers: &HeaderMap, body: Received) -> Result<Self, Problem> {
        check_type(headers)?;
        let body = match body {
            Received::Whole(bytes) => return Ok(Self(bytes)),
            // How large it may be was seen to when it was read for the record.
            Received::Coming(body) => whole(body).await,
        };
        body.map(Self)
            .map_err(|error| body_fault(error.into(), usize::MAX))
    }

    /// How many bytes there are.
    pub(crate) fn length(&self) -> usize {
        self.0.len()
    }

    /// Reads a small one, whole or with all its faults; refuses any other, and says what takes more.
    pub(crate) fn read_small<T: FromJson>(&self, or_else: &str) -> Result<T, Problem> {
        if self.0.len() > SMALL_BYTES {
            let detail = format!("the body is larger than {SMALL_BYTES} bytes; {or_else}");
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
        }
        self.read()
    }

    /// Reads it, whole or with all its faults.
    pub(crate) fn read<T: FromJson>(&self) -> Result<T, Problem> {
        let json = json::parse(&self.0).map_err(|fault| not_json(&fault))?;
        let mut faults = Faults::default();
        let read = T::from_json(&json, &Place::Root, &mut faults);
        faults.check()?;
        // Without a fault there is a value.
        read.ok_or_else(Problem::broken)
    }
}

impl<S: Send + Sync> FromRequest<S> for JsonText {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (head, body) = request.into_parts();
        Self::received(&head.headers, Received::Coming(body)).await
    }
}

impl<T: FromJson, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let text = JsonText::from_request(request, state).await?;
        text.read_small("send less").map(Self)
    }
}

/// All of a body. Most come in one piece, which is taken as it is.
pub(crate) async fn whole<B: Body<Data = Bytes>>(body: B) -> Result<Bytes, B::Error> {
    let mut body = pin!(body);
    let Some(first) = body.frame().await else {
        return Ok(Bytes::new());
    };
    let first = first?.into_data().unwrap_or_default();
    if body.is_end_stream() {
        return Ok(first);
    }
    let mut bytes = BytesMut::from(first);
    while let Some(frame) = body.frame().await {
        bytes.extend_from_slice(&frame?.into_data().unwrap_or_default());
    }
    Ok(bytes.freeze())
}

/// Why a body that may be `limit` bytes long was not read.
pub(crate) fn body_fault(error: Box<dyn std::error::Error + Send + Sync>, limit: usize) -> Problem {
    if error.is::<LengthLimitError>() {
        return too_large(limit);
    }
    match fault_in(error.as_ref()) {
        Some(BodyFault::Slow) => Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "the body did not arrive in time; send it at once, or less of it",
        ),
        Some(BodyFault::Broken) | None => Problem::new(
            StatusCode::BAD_REQUEST,
            "the body did not arrive whole; send all of it again",
        ),
    }
}

/// A body that is longer than `limit` bytes.
pub(crate) fn too_large(limit: usize) -> Problem {
    let detail = format!("the body is larger than {limit} bytes; send less at a time");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
}

fn fault_in(error: &(dyn std::error::Error + 'static)) -> Option<BodyFault> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(fault) = error.downcast_ref() {
            return Some(*fault);
        }
        cause = error.source();
    }
    None
}

fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let unsupported = |detail| Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let essence = text(header::CONTENT_TYPE).and_then(|value| value.split(';').next());
    if !essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json")) {
        return unsupported("send the body as JSON, with the header content-type: application/json");
    }
    let encoding = headers.get(header::CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return unsupported("send the body as it is, without a content-encoding");
    }
    Ok(())
}

fn not_json(fault: &NotJson) -> Problem {
    let status = match fault {
        NotJson::Malformed { .. } => StatusCode::BAD_REQUEST,
        NotJson::TooMany => StatusCode::PAYLOAD_TOO_LARGE,
    };
    Problem::new(status, fault.to_string())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::http::HeaderValue;
    use http_body_util::StreamBody;
    use hyper::body::Frame;

    use super::*;

    #[test]
    fn json_is_asked_for_by_name_whatever_its_parameters() {
        let check = |value: &'static str| {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(value))]);
            check_type(&headers).is_ok()
        };
        assert!(check("application/json"));
        assert!(check("Application/JSON; charset=utf-8"));
        for wrong in [
            "application/jsonp",
            "text/plain",
            "",
            "application/x-www-form-urlencoded",
        ] {
            assert!(!check(wrong), "{wrong:?}");
        }
        assert!(check_type(&HeaderMap::new()).is_err());
    }

    /// S13: it is not parsed at all.
    #[test]
    fn a_large_body_of_what_is_small_is_refused() {
        struct Anything;
        impl FromJson for Anything {
            fn from_json(_: &json::Json, _: &Place, _: &mut Faults) -> Option<Self> {
                Some(Self)
            }
        }
        let read = |length| JsonText::of("1".repeat(length).into()).read_small::<Anything>("send less");
        assert!(read(SMALL_BYTES).is_ok());
        let problem = serde_json::to_value(read(SMALL_BYTES + 1).err().unwrap()).unwrap();
        assert_eq!(
            (&problem["status"], &problem["detail"]),
            (
                &413.into(),
                &"the body is larger than 16384 bytes; send less".into()
            )
        );
    }

    #[tokio::test]
    async fn a_body_is_whole_in_however_many_pieces_it_comes() {
        for pieces in [&[][..], &["a"], &["", "ab"], &["a", "", "bc", "d"]] {
            let frames = pieces
                .iter()
                .map(|piece| Ok::<_, Infallible>(Frame::data(Bytes::from(*piece))));
            let body = StreamBody::new(futures_util::stream::iter(frames));
            assert_eq!(whole(body).await.unwrap(), pieces.concat());
        }
        let trailers = Frame::trailers(HeaderMap::new());
        let frames = [Ok::<_, Infallible>(Frame::data(Bytes::from("a"))), Ok(trailers)];
        let body = StreamBody::new(futures_util::stream::iter(frames));
        assert_eq!(whole(body).await.unwrap(), "a");
    }

    #[test]
    fn a_packed_body_is_refused_by_name() {
        let headers = HeaderMap::from_iter([
            (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (header::CONTENT_ENCODING, HeaderValue::from_static("gzip")),
        ]);
        assert!(check_type(&headers).is_err());
    }
}
