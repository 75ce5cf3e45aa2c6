//! Files packed by gzip.

use std::{
    fmt,
    io::{self, ErrorKind, Read},
};

use flate2::read::MultiGzDecoder;

use crate::Rejection;

/// Unpacks a gzip file of one or more members.
///
/// Damage comes as an I/O error that holds a [`Rejection`]; [`ReadError`](crate::ReadError) finds it there.
/// How much may come out of it is for the [`Splitter`](crate::Splitter)'s limits to say.
#[derive(Debug)]
pub struct Reader<R> {
    decoder: MultiGzDecoder<Source<R>>,
}

impl<R: Read> Reader<R> {
    /// Unpacks `source`.
    pub fn new(source: R) -> Self {
        let source = Source {
            inner: source,
            read: 0,
        };
        Self {
            decoder: MultiGzDecoder::new(source),
        }
    }

    fn explained(&self, error: io::Error) -> io::Error {
        if error.kind() == ErrorKind::Interrupted {
            return error;
        }
        match error.downcast::<SourceError>() {
            Ok(SourceError(error)) => error,
            Err(_) if self.decoder.get_ref().read == 0 => io::Error::other(Rejection::Empty),
            Err(error) => io::Error::other(Rejection::Gzip {
                detail: error.to_string(),
            }),
        }
    }
}

impl<R: Read> Read for Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.decoder.read(buffer).map_err(|error| self.explained(error))
    }
}

/// Marks the errors of the packed file, so that they are told from the decoder's.
#[derive(Debug)]
struct Source<R> {
    inner: R,
    /// How many bytes it held so far.
    read: u64,
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(buffer).map_err(|error| match error.kind() {
            ErrorKind::Interrupted => error,
            kind => io::Error::new(kind, SourceError(error)),
        })?;
        self.read += got as u64;
        Ok(got)
    }
}

#[derive(Debug)]
struct SourceError(io::Error);

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for SourceError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ReadError;
    use flate2::{Compression, write::GzEncoder};
    use io::Write;
    use rstest::rstest;

    const TEXT: &[u8] = b"carat,cut,color,clarity,depth,table,price,x,y,z\n";

    fn packed() -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(TEXT).unwrap();
        encoder.finish().unwrap()
    }

    fn unpacked(source: impl Read) -> Result<Vec<u8>, ReadError> {
        let mut bytes = Vec::new();
        Reader::new(source).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    #[test]
    fn every_member_is_unpacked() {
        let bytes = [packed(), packed()].concat();
        assert_eq!(unpacked(&bytes[..]).unwrap(), [TEXT, TEXT].concat());
    }

    #[rstest]
    #[case::cut_off(packed()[..30].to_vec())]
    #[case::cut_off_in_the_checksum(packed()[..packed().len() - 3].to_vec())]
    #[case::damaged([&packed()[..12], &[0xff; 8], &packed()[20..]].concat())]
    #[case::not_gzip(TEXT.to_vec())]
    #[case::garbage_after_it([&packed()[..], b"garbage"].concat())]
    fn damage_rejects_the_file(#[case] bytes: Vec<u8>) {
        let error = unpacked(&bytes[..]).unwrap_err();
        assert!(
            matches!(&error, ReadError::Rejected(Rejection::Gzip { detail }) if !detail.is_empty()),
            "{error:?}"
        );
    }

    #[test]
    fn a_wrong_checksum_rejects_the_file() {
        let mut bytes = packed();
        let checksum = bytes.len() - 8;
        bytes[checksum] ^= 1;
        let error = unpacked(&bytes[..]).unwrap_err().to_string();
        assert!(
            error.starts_with("the gzip file is damaged or cut off (")
                && error.ends_with("pack it again and drop it again"),
            "{error}"
        );
    }

    #[test]
    fn nothing_at_all_is_an_empty_file() {
        let error = unpacked(io::empty()).unwrap_err();
        assert!(
            matches!(error, ReadError::Rejected(Rejection::Empty)),
            "{error:?}"
        );
    }

    #[test]
    fn a_failing_disk_is_no_damage() {
        struct Failing;
        impl Read for Failing {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(ErrorKind::UnexpectedEof.into())
            }
        }
        let error = unpacked(packed()[..20].chain(Failing)).unwrap_err();
        assert!(
            matches!(&error, ReadError::Io(error) if error.kind() == ErrorKind::UnexpectedEof),
            "{error:?}"
        );
    }
}
