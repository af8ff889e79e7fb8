//! Many bytes at once: which of them are of a kind, as bits.
//!
//! The loops are of a shape of which compilers make vector instructions on every machine that has any; without them the result
//! is the same.

/// Each bit says whether the byte at its place is of the kind; the first byte is the lowest bit.
#[inline(always)]
pub(crate) fn mask64(block: &[u8; 64], is: impl Fn(u8) -> bool) -> u64 {
    let mut marks = [0_u8; 64];
    for (mark, b) in marks.iter_mut().zip(block) {
        *mark = u8::from(is(*b));
    }
    let mut mask = 0;
    for (i, word) in marks.as_chunks::<8>().0.iter().enumerate() {
        mask |= gathered(*word) << (8 * i);
    }
    mask
}

/// Where the first byte of the kind is among 16; 16 when there is none.
#[inline(always)]
pub(crate) fn first_of_16(block: &[u8; 16], byte: u8) -> usize {
    let both = u128::from_le_bytes(*block);
    let (low, high) = (equal(both as u64, byte), equal((both >> 64) as u64, byte));
    if low != 0 { low.trailing_zeros() as usize / 8 } else { 8 + high.trailing_zeros() as usize / 8 }
}

/// The lowest bit that is set marks the first byte that is the same; only bits above it can be wrong.
#[inline(always)]
fn equal(word: u64, byte: u8) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    let other = word ^ (ONES * u64::from(byte));
    other.wrapping_sub(ONES) & !other & (ONES << 7)
}

/// The lowest bits of 8 bytes that are 0 or 1, in one byte.
#[inline(always)]
fn gathered(marks: [u8; 8]) -> u64 {
    // Every mark lands in the highest byte, the first one lowest; no two sums meet.
    u64::from_le_bytes(marks).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every place and every byte: as one look at a time tells.
    #[test]
    fn bits_are_places() {
        for at in 0..64 {
            for byte in 0..=u8::MAX {
                let mut block = [b'x'; 64];
                block[at] = byte;
                let kind = |b: u8| b <= b'\r';
                assert_eq!(mask64(&block, kind), u64::from(kind(byte)) << at);
            }
        }
        assert_eq!(mask64(&[0; 64], |b| b == 0), u64::MAX);
    }

    #[test]
    fn first_of_sixteen() {
        for at in 0..=16 {
            for byte in 0..=u8::MAX {
                let mut block = [byte.wrapping_add(1); 16];
                block.iter_mut().skip(at).for_each(|b| *b = byte);
                assert_eq!(first_of_16(&block, byte), at);
            }
        }
    }
}
