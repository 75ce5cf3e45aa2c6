//! Line ends: LF, CRLF and the CR of old Macs, each one end.

use memchr::{memchr, memchr_iter, memrchr2};

/// How many line ends there are; CRLF is one.
pub(crate) fn count(bytes: &[u8]) -> u64 {
    let feeds = memchr_iter(b'\n', bytes).count();
    if memchr(b'\r', bytes).is_none() {
        return feeds as u64;
    }
    let alone = |at: &usize| bytes.get(at + 1) != Some(&b'\n');
    (feeds + memchr_iter(b'\r', bytes).filter(alone).count()) as u64
}

/// How long the line end at the start of `bytes` is: 0 when there is none.
pub(crate) fn end_len(bytes: &[u8]) -> usize {
    match bytes {
        [b'\r', b'\n', ..] => 2,
        [b'\r' | b'\n', ..] => 1,
        _ => 0,
    }
}

/// Where the last line ends, its line end included.
///
/// Unless the source has `ended`, a CR at the very end says nothing yet: an LF may follow.
pub(crate) fn last_end(bytes: &[u8], ended: bool) -> Option<usize> {
    let known = match bytes {
        [known @ .., b'\r'] if !ended => known,
        _ => bytes,
    };
    memrchr2(b'\r', b'\n', known).map(|at| at + 1)
}

/// Whether a line shows nothing: no bytes, or blanks that separate no fields.
pub(crate) fn is_blank(text: &[u8], delimiter: u8) -> bool {
    text.iter()
        .all(|byte| matches!(byte, b' ' | b'\t') && *byte != delimiter)
}

/// How many bytes the whole blank lines at the start of `bytes` take.
pub(crate) fn blank_prefix(bytes: &[u8], ended: bool) -> usize {
    let shown = |byte: &u8| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    let blank = bytes.iter().position(shown).unwrap_or(bytes.len());
    let more_is_known = ended || blank < bytes.len();
    last_end(&bytes[..blank], more_is_known).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(b"", 0)]
    #[case(b"a\nb\n", 2)]
    #[case(b"a\r\nb\r\n", 2)]
    #[case(b"a\rb\r", 2)]
    #[case(b"\n\r\n\r\r\n", 4)]
    fn every_line_end_counts_once(#[case] bytes: &[u8], #[case] lines: u64) {
        assert_eq!(count(bytes), lines);
    }

    #[rstest]
    #[case(b"ab", false, None)]
    #[case(b"a\nb", false, Some(2))]
    #[case(b"a\r\nb", false, Some(3))]
    #[case(b"a\rb\r", false, Some(2))]
    #[case(b"a\rb\r", true, Some(4))]
    #[case(b"a\r", false, None)]
    #[case(b"a\r\r", false, Some(2))]
    fn a_return_at_the_end_waits_for_its_feed(
        #[case] bytes: &[u8],
        #[case] ended: bool,
        #[case] end: Option<usize>,
    ) {
        assert_eq!(last_end(bytes, ended), end);
    }

    #[rstest]
    #[case(b"\n \r\n\tcarat", false, 4)]
    #[case(b"carat\n", false, 0)]
    #[case(b"  ", true, 0)]
    #[case(b"\n\r", false, 1)]
    #[case(b"\n\r", true, 2)]
    #[case(b"\rc", false, 1)]
    fn only_whole_blank_lines_are_a_blank_prefix(
        #[case] bytes: &[u8],
        #[case] ended: bool,
        #[case] len: usize,
    ) {
        assert_eq!(blank_prefix(bytes, ended), len);
    }

    #[test]
    fn tabs_are_blank_unless_they_separate_fields() {
        assert!(is_blank(b" \t", b','));
        assert!(!is_blank(b" \t", b'\t'));
    }
}
