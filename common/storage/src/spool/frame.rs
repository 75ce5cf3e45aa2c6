//! Frames: length (4 bytes), CRC-32 (4 bytes), payload; numbers with the lowest byte first.
//!
//! The payload is the record without its bodies as JSON, then the bodies, each after its length. Fields that a reader
//! does not know are ignored, and those of digests and repeats may be absent: spools outlive versions of this program.

use std::{
    io::{self, Read},
    sync::Arc,
};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use domain::{
    ModelVersion, Sha256,
    traffic::{BodyDigest, RecordedBody, Shortened, TrafficRecord},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

const HEAD: u64 = 8;

/// A record without its bodies.
#[derive(Serialize, Deserialize)]
struct Head {
    id: Uuid,
    at: DateTime<Utc>,
    method: String,
    path: String,
    query: Option<String>,
    status: u16,
    duration_us: u64,
    model_version: Option<ModelVersion>,
    key_id: Option<Uuid>,
    client: Option<String>,
    request_headers: Vec<(String, String)>,
    request_digest: Option<(Sha256, u64)>,
    response_digest: Option<(Sha256, u64)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    shortened: Vec<(String, Sha256, u64)>,
    #[serde(default, skip_serializing_if = "is_zero")]
    repeats: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// What stands at a place of a file.
pub(super) enum Frame {
    /// A whole frame, and its length.
    Record(Box<TrafficRecord>, u64),
    /// No whole frame.
    Torn,
}

/// Appends a record's frame.
pub(super) fn encode(record: &TrafficRecord, out: &mut Vec<u8>) {
    let begin = out.len();
    out.extend([0; HEAD as usize]);
    let head = out.len();
    out.extend([0; 4]);
    // A head is plain data, whose writing into memory does not fail; without it the frame reads as torn.
    let _ = serde_json::to_writer(&mut *out, &head_of(record));
    let length = out.len() - head - 4;
    set(out, head, length);
    for body in [&record.request_body, &record.response_body] {
        out.extend((body.bytes.len() as u32).to_le_bytes());
        out.extend_from_slice(&body.bytes);
    }
    let payload = begin + HEAD as usize;
    let checksum = crc32fast::hash(&out[payload..]);
    let length = out.len() - payload;
    set(out, begin, length);
    out[begin + 4..payload].copy_from_slice(&checksum.to_le_bytes());
}

fn set(out: &mut [u8], place: usize, length: usize) {
    out[place..place + 4].copy_from_slice(&(length as u32).to_le_bytes());
}

/// Reads the frame that comes next in a file of which `left` bytes are left.
pub(super) fn read(file: &mut impl Read, left: u64) -> io::Result<Frame> {
    let mut head = [0; HEAD as usize];
    if left < HEAD || !fill(file, &mut head)? {
        return Ok(Frame::Torn);
    }
    let [a, b, c, d, checksum @ ..] = head;
    let length = u64::from(u32::from_le_bytes([a, b, c, d]));
    // Zeros are what a file system may leave of a write that was cut off; their checksum would be right.
    if length == 0 || length > left - HEAD {
        return Ok(Frame::Torn);
    }
    let mut payload = vec![0; length as usize];
    if !fill(file, &mut payload)? || crc32fast::hash(&payload) != u32::from_le_bytes(checksum) {
        return Ok(Frame::Torn);
    }
    let record = decode(&Bytes::from(payload));
    Ok(record.map_or(Frame::Torn, |record| {
        Frame::Record(Box::new(record), HEAD + length)
    }))
}

/// Whether there were so many bytes.
fn fill(file: &mut impl Read, bytes: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn decode(payload: &Bytes) -> Option<TrafficRecord> {
    let mut rest = payload.clone();
    let head: Head = serde_json::from_slice(&part(&mut rest)?).ok()?;
    let (request, response) = (part(&mut rest)?, part(&mut rest)?);
    Some(record_of(head, request, response))
}

/// The next part: its length, then its bytes.
fn part(rest: &mut Bytes) -> Option<Bytes> {
    let length = rest.get(..4)?.try_into().ok().map(u32::from_le_bytes)? as usize;
    let bytes = (rest.len() >= 4 + length).then(|| rest.slice(4..4 + length))?;
    *rest = rest.slice(4 + length..);
    Some(bytes)
}

fn head_of(record: &TrafficRecord) -> Head {
    let digest = |body: &RecordedBody| body.digest.map(|it| (it.sha256, it.bytes));
    let headers = record.request_headers.iter();
    Head {
        id: record.id,
        at: record.at,
        method: record.method.to_string(),
        path: record.path.clone(),
        query: record.query.clone(),
        status: record.status,
        duration_us: record.duration_us,
        model_version: record.model_version,
        key_id: record.key_id,
        client: record.client.as_deref().map(str::to_owned),
        request_headers: headers
            .map(|(name, value)| (name.to_string(), value.clone()))
            .collect(),
        request_digest: digest(&record.request_body),
        response_digest: digest(&record.response_body),
        shortened: record
            .shortened
            .iter()
            .map(|it| (it.field.to_string(), it.digest.sha256, it.digest.bytes))
            .collect(),
        repeats: record.repeats,
    }
}

fn record_of(head: Head, request: Bytes, response: Bytes) -> TrafficRecord {
    let body = |bytes: Bytes, digest: Option<(Sha256, u64)>| RecordedBody {
        bytes,
        digest: digest.map(|(sha256, bytes)| BodyDigest { sha256, bytes }),
    };
    let headers = head.request_headers.into_iter();
    TrafficRecord {
        id: head.id,
        at: head.at,
        method: head.method.into(),
        path: head.path,
        query: head.query,
        status: head.status,
        duration_us: head.duration_us,
        model_version: head.model_version,
        key_id: head.key_id,
        client: head.client.map(Arc::from),
        request_headers: headers.map(|(name, value)| (name.into(), value)).collect(),
        request_body: body(request, head.request_digest),
        response_body: body(response, head.response_digest),
        shortened: head.shortened.into_iter().map(shortened).collect(),
        repeats: head.repeats,
    }
}

fn shortened((field, sha256, bytes): (String, Sha256, u64)) -> Shortened {
    Shortened {
        field: field.into(),
        digest: BodyDigest { sha256, bytes },
    }
}
