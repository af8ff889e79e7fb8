//! How a text is to look: the parameter `msgr`, and HTML as plain text.

use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, Engine as _};
use serde::{Deserialize, Serialize};

/// How a plain text is to look: the line `X-MMS-IM-Format`, which travels in the parameter `msgr` as base64 of UTF-16.
///
/// # Examples
///
/// ```
/// use c3p::message::ImFormat;
///
/// let format = ImFormat { font: Some("Segoe UI".into()), is_bold: true, color: Some(0x0000ff), ..ImFormat::default() };
/// assert_eq!(ImFormat::from_parameter(&format.to_parameter()), Some(format));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct ImFormat {
    /// The name of the font.
    pub font: Option<String>,
    /// Bold.
    pub is_bold: bool,
    /// Italic.
    pub is_italic: bool,
    /// Underlined.
    pub is_underlined: bool,
    /// Struck out.
    pub is_struck: bool,
    /// The colour as `0xBBGGRR`.
    pub color: Option<u32>,
}

const LINE: &str = "X-MMS-IM-Format:";

impl ImFormat {
    /// Reads the value of the parameter; padding may be missing. `None` if it is not such a line.
    #[must_use]
    pub fn from_parameter(value: &str) -> Option<Self> {
        let bytes = BASE64.decode(value.trim()).ok()?;
        let (pairs, []) = bytes.as_chunks::<2>() else { return None };
        let text: String = char::decode_utf16(pairs.iter().map(|pair| u16::from_le_bytes(*pair)))
            .collect::<Result<_, _>>()
            .ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(LINE))?;
        let mut format = Self::default();
        for part in line.split(';') {
            let Some((name, value)) = part.trim().split_once('=') else { continue };
            match name {
                "FN" => format.font = Some(unescape(value)),
                "CO" => {
                    format.color = u32::from_str_radix(value, 16).ok().filter(|color| *color <= 0xff_ffff)
                }
                "EF" => {
                    format.is_bold = value.contains('B');
                    format.is_italic = value.contains('I');
                    format.is_underlined = value.contains('U');
                    format.is_struck = value.contains('S');
                }
                _ => {}
            }
        }
        Some(format)
    }

    /// The value of the parameter.
    #[must_use]
    pub fn to_parameter(&self) -> String {
        let font = self.font.as_deref().map(escape).unwrap_or_default();
        let effects: String =
            [(self.is_bold, 'B'), (self.is_italic, 'I'), (self.is_underlined, 'U'), (self.is_struck, 'S')]
                .iter()
                .filter_map(|(is_set, letter)| is_set.then_some(*letter))
                .collect();
        let font = if self.font.is_some() { format!(" FN={font};") } else { String::new() };
        let color = self.color.map(|color| format!(" CO={color:x};")).unwrap_or_default();
        let line = format!("{LINE}{font} EF={effects};{color} PF=0; RL=0\r\n\r\n");
        let bytes: Vec<u8> = line.encode_utf16().flat_map(u16::to_le_bytes).collect();
        BASE64.encode(bytes)
    }
}

/// Percent escapes of what would end a value.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            ' ' | '%' | ';' | '=' => out.push_str(&format!("%{:02X}", u32::from(character))),
            control if control.is_control() => out.push_str("%20"),
            other => out.push(other),
        }
    }
    out
}

/// Undoes percent escapes; what is not one stays.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if let ([b'%', high, low, ..], Some(value)) = (rest, hex_pair(tail)) {
            debug_assert!(high.is_ascii_hexdigit() && low.is_ascii_hexdigit());
            bytes.push(value);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex_pair(text: &[u8]) -> Option<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (high, low) = (digit(*text.first()?)?, digit(*text.get(1)?)?);
    Some(high * 16 + low)
}

/// Base64 as it stands in a parameter: written without padding, read with or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The text of an HTML fragment: tags dropped, line breaks where they break lines, the common entities undone.
///
/// For showing and logging, not for safety: the result is plain text and must be treated as such.
pub(super) fn plain_of_html(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find(['<', '&']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        rest = if rest.starts_with('<') { tag(rest, &mut out) } else { entity(rest, &mut out) };
    }
    out.push_str(rest);
    out.trim().to_owned()
}

/// Skips a tag; the content of scripts and styles goes with it.
fn tag<'a>(rest: &'a str, out: &mut String) -> &'a str {
    let Some(end) = rest.find('>') else { return "" };
    let name: String = rest[1..end].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '/').collect();
    let name = name.to_ascii_lowercase();
    let after = &rest[end + 1..];
    match name.as_str() {
        "br" | "br/" | "/p" | "/div" | "/li" | "/tr" => out.push('\n'),
        "script" | "style" | "head" => {
            let close = format!("</{name}");
            let at = memchr::memchr_iter(b'<', after.as_bytes()).find(|at| {
                after.get(*at..at + close.len()).is_some_and(|found| found.eq_ignore_ascii_case(&close))
            });
            return at.map_or("", |at| after[at..].split_once('>').map_or("", |(_, after)| after));
        }
        _ => {}
    }
    after
}

fn entity<'a>(rest: &'a str, out: &mut String) -> &'a str {
    let found = rest[1..].char_indices().take(10).find(|(_, character)| *character == ';');
    let Some((end, _)) = found else {
        out.push('&');
        return &rest[1..];
    };
    let name = &rest[1..=end];
    let character = match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        "nbsp" => Some(' '),
        _ => name.strip_prefix('#').and_then(|number| {
            let value = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            char::from_u32(value.ok()?)
        }),
    };
    match character {
        Some(character) => {
            out.push(character);
            &rest[end + 2..]
        }
        None => {
            out.push('&');
            &rest[1..]
        }
    }
}
