//! The part of a source that is held in memory.

use std::io::Read;

use crate::{ReadError, Rejection};

/// Bytes that were read and not yet handed on.
#[derive(Debug)]
pub(crate) struct Window<R> {
    source: R,
    bytes: Vec<u8>,
    ended: bool,
    /// How many bytes the source held so far, and how many it may hold.
    read: u64,
    limit: u64,
}

impl<R: Read> Window<R> {
    /// Takes no more than `limit` bytes from `source`.
    pub(crate) fn new(source: R, limit: u64) -> Self {
        Self {
            source,
            bytes: Vec::new(),
            ended: false,
            read: 0,
            limit,
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether the source has no more bytes than those in here.
    pub(crate) fn ended(&self) -> bool {
        self.ended
    }

    /// Reads until there are `target` bytes, or no more.
    pub(crate) fn fill(&mut self, target: usize) -> Result<(), ReadError> {
        let Some(wanted) = target.checked_sub(self.bytes.len()) else {
            return Ok(());
        };
        if self.ended {
            return Ok(());
        }
        // One byte above the limit shows that there are too many.
        let left = (self.limit - self.read).saturating_add(1);
        let wanted = (wanted as u64).min(left);
        self.bytes.reserve(usize::try_from(wanted).unwrap_or(usize::MAX));
        let got = self.source.by_ref().take(wanted).read_to_end(&mut self.bytes)? as u64;
        self.read += got;
        self.ended = got < wanted;
        if self.read > self.limit {
            return Err(Rejection::TooLarge { limit: self.limit }.into());
        }
        Ok(())
    }

    /// Hands on the first `len` bytes.
    pub(crate) fn take(&mut self, len: usize) -> Vec<u8> {
        let rest = self.bytes.split_off(len);
        std::mem::replace(&mut self.bytes, rest)
    }

    /// Forgets the first `len` bytes.
    pub(crate) fn skip(&mut self, len: usize) {
        self.bytes.drain(..len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_holds_what_was_asked_for_and_knows_the_end() {
        let mut window = Window::new(&b"abcdef"[..], 6);
        window.fill(4).unwrap();
        assert_eq!((window.bytes(), window.ended()), (&b"abcd"[..], false));
        assert_eq!(window.take(3), b"abc");
        window.fill(9).unwrap();
        assert_eq!((window.bytes(), window.ended()), (&b"def"[..], true));
    }

    #[test]
    fn one_byte_too_many_is_too_large() {
        let mut window = Window::new(&b"abcdef"[..], 5);
        window.fill(5).unwrap();
        let error = window.fill(6).unwrap_err();
        assert!(
            matches!(error, ReadError::Rejected(Rejection::TooLarge { limit: 5 })),
            "{error:?}"
        );
    }
}
