//! As much of AMQP 0-9-1 as it takes to block publishers.

/// `connection.blocked` and `connection.unblocked`: class 10, methods 60 and 61.
const BLOCKED: [u8; 4] = [0, 10, 0, 60];
const UNBLOCKED: [u8; 4] = [0, 10, 0, 61];
const FRAME_END: u8 = 0xCE;
/// A reason is a short string: its length is one byte.
const LONGEST_REASON: usize = 255;

/// The length of the whole frames at the beginning.
pub(super) fn whole_frames(bytes: &[u8]) -> usize {
    let mut whole = 0;
    while let Some(length) = bytes.get(whole..).and_then(whole_frame) {
        whole += length;
    }
    whole
}

/// The length of the first frame, if all of it is there: type, channel, size, payload, end.
fn whole_frame(bytes: &[u8]) -> Option<usize> {
    let size: [u8; 4] = bytes.get(3..7)?.try_into().ok()?;
    let length = 7 + u32::from_be_bytes(size) as usize + 1;
    (bytes.len() >= length).then_some(length)
}

/// The frame that says why the broker is blocked, or that it is so no more.
pub(super) fn notice(blocked: Option<&str>) -> Vec<u8> {
    let payload = match blocked {
        Some(reason) => {
            let reason = &reason.as_bytes()[..reason.len().min(LONGEST_REASON)];
            [&BLOCKED[..], &[reason.len() as u8], reason].concat()
        }
        None => UNBLOCKED.to_vec(),
    };
    let size = (payload.len() as u32).to_be_bytes();
    [&[1, 0, 0][..], &size, &payload, &[FRAME_END]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_a_whole_frame() {
        let frames = [notice(Some("low on disk")), notice(None)].concat();
        assert_eq!(whole_frames(&frames), frames.len());
        assert_eq!(
            whole_frames(&frames[..frames.len() - 1]),
            notice(Some("low on disk")).len()
        );
        assert_eq!(whole_frames(&frames[..5]), 0);
    }
}
