//! A ZIP archive with one file in it, streamed; up to 4 GiB.

use std::io::{self, Write};

use flate2::{Compression, CrcWriter, write::DeflateEncoder};

use super::{
    diamonds::Diamonds,
    file::{self, Expectation, Written},
};

const NAME: &[u8] = b"diamonds.csv";
/// Version 2.0, sizes behind the data, deflated, on 1980-01-01.
const COMMON: [u16; 5] = [20, 8, 8, 0, 0x21];

/// What a reader must know of the data: CRC-32, bytes packed, bytes unpacked.
type Sums = [u32; 3];

pub(super) fn write(
    diamonds: &Diamonds,
    out: &mut dyn Write,
    tell: &mut dyn FnMut(Expectation),
) -> io::Result<Written> {
    let local = local_header();
    out.write_all(&local)?;
    let mut text = CrcWriter::new(DeflateEncoder::new(&mut *out, Compression::default()));
    let written = file::write(diamonds, &mut text, tell)?;
    let (crc, unpacked) = (text.crc().sum(), text.crc().amount());
    let mut encoder = text.into_inner();
    encoder.try_finish()?;
    let packed = encoder.total_out() as u32;
    drop(encoder);
    out.write_all(&ending(&local, [crc, packed, unpacked]))?;
    Ok(written)
}

fn local_header() -> Vec<u8> {
    let mut bytes = b"PK\x03\x04".to_vec();
    put16(&mut bytes, &COMMON);
    put32(&mut bytes, &[0, 0, 0]);
    put16(&mut bytes, &[NAME.len() as u16, 0]);
    bytes.extend_from_slice(NAME);
    bytes
}

/// What follows the data: its sums, the directory and the end record.
fn ending(local: &[u8], sums: Sums) -> Vec<u8> {
    let mut bytes = b"PK\x07\x08".to_vec();
    put32(&mut bytes, &sums);
    let directory_at = (local.len() + bytes.len()) as u32 + sums[1];
    let directory = directory(sums);
    bytes.extend_from_slice(&directory);
    bytes.extend_from_slice(b"PK\x05\x06");
    put16(&mut bytes, &[0, 0, 1, 1]);
    put32(&mut bytes, &[directory.len() as u32, directory_at]);
    put16(&mut bytes, &[0]);
    bytes
}

fn directory(sums: Sums) -> Vec<u8> {
    let mut bytes = b"PK\x01\x02".to_vec();
    put16(&mut bytes, &[20]);
    put16(&mut bytes, &COMMON);
    put32(&mut bytes, &sums);
    put16(&mut bytes, &[NAME.len() as u16, 0, 0, 0, 0]);
    put32(&mut bytes, &[0, 0]);
    bytes.extend_from_slice(NAME);
    bytes
}

fn put16(bytes: &mut Vec<u8>, numbers: &[u16]) {
    bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
}

fn put32(bytes: &mut Vec<u8>, numbers: &[u32]) {
    bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
}
