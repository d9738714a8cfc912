//! A frame: length, checksum and body, and how a damaged one is told from a sound one.

use bytes::Bytes;

/// Length and checksum before each body.
pub(crate) const FRAME_HEAD: usize = 8;
/// No body is shorter: every kind begins with a number of eight bytes.
const MIN_BODY: usize = 8;
/// No body is longer: a larger length is damage, told before anything is allocated.
const MAX_BODY: usize = 257 * 1024 * 1024;

/// Leaves room for a frame's head and tells where it begins.
pub(crate) fn begin(out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0; FRAME_HEAD]);
    start
}

/// What a segment mixes into its checksums, so that no payload can hold bytes that pass for a frame of it.
pub(crate) type Salt = [u8; 8];

/// Fills in length and checksum of the frame that begins at `start`.
pub(crate) fn seal(out: &mut [u8], start: usize, salt: Salt) {
    let Some(frame) = out.get_mut(start..) else { return };
    let Some((head, body)) = frame.split_at_mut_checked(FRAME_HEAD) else { return };
    let (length, check) = head.split_at_mut(4);
    let size = u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes();
    length.copy_from_slice(&size);
    check.copy_from_slice(&checksum(salt, size, body).to_le_bytes());
}

/// CRC-32 (IEEE) over the salt, the length and the body, so that a changed length is seen too.
fn checksum(salt: Salt, length: [u8; 4], body: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&salt);
    crc.update(&length);
    crc.update(body);
    crc.finalize()
}

/// What stands at an offset.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// A whole, sound frame with this body.
    Sound(Bytes),
    /// The bytes end before the frame does.
    Torn,
    /// Length or checksum are wrong.
    Damaged,
}

/// Looks at the frame at the beginning of `bytes`.
pub(crate) fn look(bytes: &Bytes, salt: Salt) -> Frame {
    let (Some(length), Some(check)) = (array::<4>(bytes, 0), array::<4>(bytes, 4)) else {
        return Frame::Torn;
    };
    let Some(size) = body_size(length) else { return Frame::Damaged };
    let Some(body) = bytes.get(FRAME_HEAD..FRAME_HEAD.saturating_add(size)) else { return Frame::Torn };
    if checksum(salt, length, body) == u32::from_le_bytes(check) {
        Frame::Sound(bytes.slice(FRAME_HEAD..FRAME_HEAD + size))
    } else {
        Frame::Damaged
    }
}

/// The body's size that a frame's first four bytes tell, if a body can have it.
pub(crate) fn body_size(length: [u8; 4]) -> Option<usize> {
    let size = usize::try_from(u32::from_le_bytes(length)).ok()?;
    (MIN_BODY..=MAX_BODY).contains(&size).then_some(size)
}

/// `N` bytes at an offset.
pub(crate) fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}
