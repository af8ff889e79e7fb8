//! From the bytes of a header name to the name: a table that is made at compile time.
//!
//! A name is two words of 8 bytes (of 4 when it is short): its first and its last ones, which overlap. Letters are folded by
//! a mask of the known name's letters, so that nothing but a letter in the other case is taken for one.

use super::HeaderName;

/// What a known name is compared with.
#[derive(Clone, Copy)]
struct Row {
    name: HeaderName,
    len: usize,
    first: u64,
    first_fold: u64,
    last: u64,
    last_fold: u64,
}

const COUNT: usize = HeaderName::KNOWN.len();

/// Longest name that its two words cover.
const COVERED: usize = 16;

static ROWS: [Row; COUNT] = rows();

/// By [`slot`]: the number of a row plus 1, or 0. Rows with the same slot follow each other.
static SLOTS: [u8; 256] = slots();

/// The known name that these bytes are, without case; only long forms.
#[inline]
pub(super) fn find(name: &[u8]) -> HeaderName {
    let (first, last) = words(name);
    let mut at = slot(name);
    loop {
        let Some(number) = usize::from(SLOTS[usize::from(at)]).checked_sub(1) else {
            return HeaderName::Other;
        };
        let row = &ROWS[number];
        if row.len == name.len()
            && first | row.first_fold == row.first
            && last | row.last_fold == row.last
            && (row.len <= COVERED || row.name.as_str().as_bytes().eq_ignore_ascii_case(name))
        {
            return row.name;
        }
        at = at.wrapping_add(1);
    }
}

#[inline]
const fn words(name: &[u8]) -> (u64, u64) {
    if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
        (u64::from_le_bytes(*first), u64::from_le_bytes(*last))
    } else if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
        (u32::from_le_bytes(*first) as u64, u32::from_le_bytes(*last) as u64)
    } else if let [first, .., last] = name {
        (*first as u64 | (name[1] as u64) << 8, *last as u64)
    } else {
        (0, 0)
    }
}

/// From the length, the first and the last letter without case.
#[inline]
const fn slot(name: &[u8]) -> u8 {
    let [first, .., last] = name else { return 0 };
    let (first, last) = (*first | 0x20, *last | 0x20);
    // The factors were searched for: no two known names have the same slot.
    first.wrapping_add(last.wrapping_mul(57)).wrapping_add((name.len() as u8).wrapping_mul(13))
}

const fn rows() -> [Row; COUNT] {
    let none = Row { name: HeaderName::Other, len: 0, first: 0, first_fold: 0, last: 0, last_fold: 0 };
    let mut rows = [none; COUNT];
    let mut i = 0;
    while i < COUNT {
        let name = HeaderName::KNOWN[i];
        let text = name.as_str().as_bytes();
        let (first, last) = words(text);
        let (first_fold, last_fold) = (letters(first), letters(last));
        let (first, last) = (first | first_fold, last | last_fold);
        rows[i] = Row { name, len: text.len(), first, first_fold, last, last_fold };
        i += 1;
    }
    rows
}

/// The bit that differs between cases, for each byte that is a letter.
const fn letters(word: u64) -> u64 {
    let bytes = word.to_le_bytes();
    let mut folds = [0; 8];
    let mut i = 0;
    while i < 8 {
        if bytes[i].is_ascii_alphabetic() {
            folds[i] = 0x20;
        }
        i += 1;
    }
    u64::from_le_bytes(folds)
}

const fn slots() -> [u8; 256] {
    let mut slots = [0; 256];
    let mut i = 0;
    while i < COUNT {
        let mut at = slot(HeaderName::KNOWN[i].as_str().as_bytes());
        while slots[at as usize] != 0 {
            at = at.wrapping_add(1);
        }
        slots[at as usize] = i as u8 + 1;
        i += 1;
    }
    slots
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every byte of every known name counts: another one makes another name.
    #[test]
    fn one_other_byte_is_another_name() {
        for name in HeaderName::KNOWN {
            let text = name.as_str().as_bytes();
            for at in 0..text.len() {
                for byte in 0..=u8::MAX {
                    let mut other = text.to_vec();
                    other[at] = byte;
                    let same = other.eq_ignore_ascii_case(text);
                    assert_eq!(find(&other) == *name, same, "{name} with {byte:#x} at {at}");
                }
            }
            assert_eq!(find(&text[1..]), HeaderName::Other, "{name} without its first byte");
        }
    }

    /// A name is found in a few steps, known or not.
    #[test]
    fn rows_are_spread() {
        let longest = SLOTS.split(|s| *s == 0).map(<[u8]>::len).max();
        assert!(longest.is_some_and(|len| len <= 12), "{longest:?}");
    }
}
