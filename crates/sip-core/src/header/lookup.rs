//! From the bytes of a header name to the name: a table that is made at compile time.
//!
//! A name is two words of 8 bytes, the second one for what is behind the first. They are taken from where the line begins,
//! whatever follows the name: masks of the known name say which bytes count. Letters are folded by a mask too, so that nothing
//! but a letter in the other case is taken for one.

use super::HeaderName;

/// What a known name is compared with.
#[derive(Clone, Copy)]
struct Row {
    words: [Word; 2],
    len: usize,
    name: HeaderName,
}

/// Eight bytes of a known name, those behind its end are 0.
#[derive(Clone, Copy)]
struct Word {
    text: u64,
    /// All bits of the bytes that count.
    counts: u64,
    /// The bit that differs between cases, for each byte that is a letter.
    fold: u64,
}

impl Word {
    #[inline(always)]
    fn is(&self, word: u64) -> bool {
        word & self.counts | self.fold == self.text
    }
}

const COUNT: usize = HeaderName::KNOWN.len();

/// Longest name that its two words cover.
pub(crate) const COVERED: usize = 16;

static ROWS: [Row; COUNT] = rows();

/// By [`slot`]: the number of a row plus 1, or 0. Rows with the same slot follow each other.
static SLOTS: [u8; 256] = slots();

/// The known name that these bytes are, without case; only long forms.
#[inline]
pub(super) fn find(name: &[u8]) -> HeaderName {
    if let Some(name) = covered(name) {
        return find_covered(&name.0, name.1);
    }
    let same = |known: &&HeaderName| known.as_str().as_bytes().eq_ignore_ascii_case(name);
    LONG.iter().find(same).copied().unwrap_or(HeaderName::Other)
}

/// The known names that are longer.
static LONG: [HeaderName; count_long()] = {
    let mut names = [HeaderName::Other; count_long()];
    let (mut i, mut len) = (0, 0);
    while i < COUNT {
        if HeaderName::KNOWN[i].as_str().len() > COVERED {
            names[len] = HeaderName::KNOWN[i];
            len += 1;
        }
        i += 1;
    }
    names
};

const fn count_long() -> usize {
    let (mut i, mut len) = (0, 0);
    while i < COUNT {
        len += (HeaderName::KNOWN[i].as_str().len() > COVERED) as usize;
        i += 1;
    }
    len
}

/// The known name that is the first `len` bytes, at most all of them; only long forms.
#[inline(always)]
pub(crate) fn find_covered(line: &[u8; COVERED], len: usize) -> HeaderName {
    let [first, second] = words(line);
    let mut at = slot(line[0], line[len.wrapping_sub(1) % COVERED], len);
    loop {
        let number = usize::from(SLOTS[usize::from(at)]).wrapping_sub(1);
        let Some(row) = ROWS.get(number) else {
            return HeaderName::Other;
        };
        if row.len == len && row.words[0].is(first) && row.words[1].is(second) {
            return row.name;
        }
        at = at.wrapping_add(1);
    }
}

/// A name that fits, with zeros behind it, and its length.
const fn covered(name: &[u8]) -> Option<([u8; COVERED], usize)> {
    if name.len() > COVERED {
        return None;
    }
    let mut line = [0; COVERED];
    let mut i = 0;
    while i < name.len() {
        line[i] = name[i];
        i += 1;
    }
    Some((line, name.len()))
}

#[inline(always)]
const fn words(line: &[u8; COVERED]) -> [u64; 2] {
    let both = u128::from_le_bytes(*line);
    [both as u64, (both >> 64) as u64]
}

/// From the length, the first and the last letter without case.
#[inline(always)]
const fn slot(first: u8, last: u8, len: usize) -> u8 {
    let (first, last) = (first | 0x20, last | 0x20);
    // The factors were searched for: hardly two known names have the same slot.
    first.wrapping_add(last.wrapping_mul(57)).wrapping_add((len as u8).wrapping_mul(13))
}

const fn rows() -> [Row; COUNT] {
    let none = Word { text: 0, counts: 0, fold: 0 };
    let mut rows = [Row { words: [none; 2], len: 0, name: HeaderName::Other }; COUNT];
    let mut i = 0;
    while i < COUNT {
        let name = HeaderName::KNOWN[i];
        if let Some((line, len)) = covered(name.as_str().as_bytes()) {
            let [first, second] = words(&line);
            rows[i] = Row { words: [word(first), word(second)], len, name };
        }
        i += 1;
    }
    rows
}

const fn word(text: u64) -> Word {
    let bytes = text.to_le_bytes();
    let (mut counts, mut fold) = ([0; 8], [0; 8]);
    let mut i = 0;
    while i < 8 {
        if bytes[i] != 0 {
            counts[i] = 0xff;
        }
        if bytes[i].is_ascii_alphabetic() {
            fold[i] = 0x20;
        }
        i += 1;
    }
    let fold = u64::from_le_bytes(fold);
    Word { text: text | fold, counts: u64::from_le_bytes(counts), fold }
}

const fn slots() -> [u8; 256] {
    let mut slots = [0; 256];
    let mut i = 0;
    while i < COUNT {
        if let Some((line, len)) = covered(HeaderName::KNOWN[i].as_str().as_bytes()) {
            let mut at = slot(line[0], line[len - 1], len);
            while slots[at as usize] != 0 {
                at = at.wrapping_add(1);
            }
            slots[at as usize] = i as u8 + 1;
        }
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
