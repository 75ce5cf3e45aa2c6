//! Bytes as text: <https://www.rfc-editor.org/rfc/rfc4648#section-4>.

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 with padding.
pub(crate) fn base64(bytes: &[u8]) -> String {
    bytes.chunks(3).flat_map(quad).collect()
}

/// Four digits for up to three bytes.
fn quad(chunk: &[u8]) -> [char; 4] {
    let byte = |place: usize| u32::from(chunk.get(place).copied().unwrap_or(0));
    let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
    std::array::from_fn(|place| match place <= chunk.len() {
        true => char::from(DIGITS[(bits >> (18 - 6 * place)) as usize & 63]),
        false => '=',
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_rfc_come_out() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xff, 0xfb]), "//s=");
    }
}
