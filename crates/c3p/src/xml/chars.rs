//! Characters: what a byte can be part of, which are legal, and references to them.

use crate::{DocumentError, ErrorKind};

type Result<T, E = DocumentError> = std::result::Result<T, E>;

/// What a byte can be part of.
pub(super) mod class {
    pub(in crate::xml) const NAME_START: u8 = 1;
    pub(in crate::xml) const NAME: u8 = 2;
    pub(in crate::xml) const SPACE: u8 = 4;
    /// In a text: stands for itself.
    pub(in crate::xml) const TEXT: u8 = 8;

    pub(in crate::xml) static OF: [u8; 256] = table();

    const fn table() -> [u8; 256] {
        let mut table = [0; 256];
        let mut at = 0;
        while at < 256 {
            // Below 256 by the loop's condition.
            let byte = at as u8;
            let mut class = 0;
            if byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80 {
                class |= NAME_START | NAME;
            }
            if byte.is_ascii_digit() || matches!(byte, b'-' | b'.') {
                class |= NAME;
            }
            if matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
                class |= SPACE;
            }
            if !matches!(byte, b'<' | b'&' | b']' | b'\r') {
                class |= TEXT;
            }
            table[at] = class;
            at += 1;
        }
        table
    }
}

pub(super) fn is(byte: u8, what: u8) -> bool {
    class::OF[usize::from(byte)] & what != 0
}

/// Where the bytes of a class end that begin at `start`.
#[inline]
pub(super) fn end_of(bytes: &[u8], start: usize, what: u8) -> usize {
    let tail = bytes.get(start..).unwrap_or_default();
    start + tail.iter().position(|byte| !is(*byte, what)).unwrap_or(tail.len())
}

/// Whether an attribute's value stands for itself: no reference, no blank but the space, no markup.
#[inline]
pub(super) fn is_plain_value(value: &[u8]) -> bool {
    let is_special = |byte: u8| (byte < b' ') | (byte == b'&') | (byte == b'<');
    let (chunks, tail) = value.as_chunks::<16>();
    if !chunks.iter().all(|chunk| !chunk.iter().fold(false, |special, byte| special | is_special(*byte))) {
        return false;
    }
    match value.last_chunk::<16>() {
        // Some bytes are looked at twice, at once.
        Some(last) => !last.iter().fold(false, |special, byte| special | is_special(*byte)),
        None => !tail.iter().any(|byte| is_special(*byte)),
    }
}

/// A part of the document that ASCII bounds, so that it is whole characters.
pub(super) fn as_text(part: &[u8]) -> &str {
    std::str::from_utf8(part).unwrap_or_default()
}

/// What becomes of blanks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Blanks {
    /// An end of a line becomes one line feed (XML 1.0 section 2.11).
    Lines,
    /// Each blank becomes a space (section 3.3.3), an end of a line one.
    Spaces,
}

/// Resolves references and blanks.
pub(super) fn decode(raw: &str, blanks: Blanks) -> Result<String, ErrorKind> {
    let mut decoded = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.bytes().position(|byte| matches!(byte, b'&' | b'\r' | b'\n' | b'\t')) {
        decoded.push_str(&rest[..at]);
        let special = &rest[at..];
        rest = match special.as_bytes()[0] {
            b'&' => {
                let (name, tail) = special[1..].split_once(';').ok_or(ErrorKind::Syntax)?;
                decoded.push(reference(name)?);
                tail
            }
            b'\r' => {
                decoded.push(if blanks == Blanks::Spaces { ' ' } else { '\n' });
                special.strip_prefix("\r\n").unwrap_or(&special[1..])
            }
            other => {
                decoded.push(if blanks == Blanks::Spaces { ' ' } else { char::from(other) });
                &special[1..]
            }
        };
    }
    decoded.push_str(rest);
    Ok(decoded)
}

/// One of the five entities, or a character by its number.
pub(super) fn reference(name: &str) -> Result<char, ErrorKind> {
    let Some(number) = name.strip_prefix('#') else {
        return match name {
            "lt" => Ok('<'),
            "gt" => Ok('>'),
            "amp" => Ok('&'),
            "quot" => Ok('"'),
            "apos" => Ok('\''),
            _ if name.is_empty() || !name.bytes().all(|byte| is(byte, class::NAME)) => Err(ErrorKind::Syntax),
            _ => Err(ErrorKind::UnknownEntity),
        };
    };
    let (digits, radix) = match number.strip_prefix('x') {
        Some(digits) => (digits, 16),
        None => (number, 10),
    };
    // `from_str_radix` takes a sign; leading zeros are legal, and without an end.
    let code =
        digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, radix).ok());
    code.flatten()
        .and_then(char::from_u32)
        .filter(|character| !is_illegal(*character))
        .ok_or(ErrorKind::IllegalCharacter)
}

/// Whether two short texts are the same: names of elements are compared by a few words instead of a call.
#[inline]
pub(crate) fn same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    if one.len() > 16 {
        return one == other;
    }
    match (one.first_chunk::<8>(), one.last_chunk::<8>(), other.first_chunk::<8>(), other.last_chunk::<8>()) {
        (Some(first), Some(last), Some(other_first), Some(other_last)) => {
            first == other_first && last == other_last
        }
        _ => match (
            one.first_chunk::<4>(),
            one.last_chunk::<4>(),
            other.first_chunk::<4>(),
            other.last_chunk::<4>(),
        ) {
            (Some(first), Some(last), Some(other_first), Some(other_last)) => {
                first == other_first && last == other_last
            }
            _ => one.iter().zip(other).all(|(one, other)| one == other),
        },
    }
}

/// Whether XML 1.0 does not allow this character (section 2.2).
pub(crate) fn is_illegal(character: char) -> bool {
    match character {
        '\t' | '\n' | '\r' => false,
        '\u{fffe}' | '\u{ffff}' => true,
        other => other < ' ',
    }
}

/// Whether a text begins with a short one: tags are compared by a few words instead of a call.
#[inline]
pub(crate) fn begins_with(text: &[u8], start: &[u8]) -> bool {
    let length = start.len();
    let Some(text) = text.get(..length) else { return false };
    if !(16..=64).contains(&length) {
        return same(text, start);
    }
    let block = |text: &[u8], at: usize| -> [u8; 16] {
        text.get(at..at + 16).and_then(|block| block.try_into().ok()).unwrap_or_default()
    };
    block(text, 0) == block(start, 0)
        && block(text, length - 16) == block(start, length - 16)
        && (length <= 32
            || (block(text, 16) == block(start, 16) && block(text, length - 32) == block(start, length - 32)))
}

/// A document, if it is a text and all its characters are legal.
pub(crate) fn legal(document: &[u8]) -> Result<&[u8]> {
    if is_plain(document) {
        return Ok(document);
    }
    let fail = |kind, offset| Err(DocumentError { kind, element: "", offset });
    let text = match std::str::from_utf8(document) {
        Ok(text) => text,
        Err(error) => return fail(ErrorKind::NotUtf8, error.valid_up_to()),
    };
    match text.char_indices().find(|(_, character)| is_illegal(*character)) {
        Some((at, _)) => fail(ErrorKind::IllegalCharacter, at),
        None => Ok(document),
    }
}

/// Whether all bytes are ASCII that is legal. The fixed sizes let the compiler look at many at once.
pub(super) fn is_plain(bytes: &[u8]) -> bool {
    // As a signed number, what is beyond ASCII is below the blank, too: one comparison for nearly all blocks.
    let is_odd = |byte: u8| byte.cast_signed() < b' '.cast_signed();
    let is_strange =
        |byte: u8| (byte >= 0x80) | ((byte < b' ') & (byte != b'\n') & (byte != b'\t') & (byte != b'\r'));
    let (blocks, tail) = bytes.as_chunks::<64>();
    blocks.iter().all(|block| {
        !block.iter().fold(false, |odd, byte| odd | is_odd(*byte))
            || !block.iter().fold(false, |strange, byte| strange | is_strange(*byte))
    }) && !tail.iter().any(|byte| is_strange(*byte))
}
