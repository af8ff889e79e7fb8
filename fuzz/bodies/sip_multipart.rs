//! Any boundary over any bytes: no panic, parts within the limits and the body, and what parses is written and read as itself.

use bytes::Bytes;
use sip_core::SeededIds;
use sip_core::header::ContentType;
use sip_core::multipart::{Multipart, MultipartLimits, Part};

/// Takes everything apart that can be; how many parts there are.
fn take_apart(parts: &[Part], limits: MultipartLimits, depth: u8) -> usize {
    assert!(depth <= limits.depth && parts.len() <= limits.parts);
    let nested = |part: &Part| match part.nested(limits) {
        Ok(Some(inner)) => take_apart(inner.parts(), limits, depth + 1),
        Ok(None) | Err(_) => 0,
    };
    parts.len() + parts.iter().map(nested).sum::<usize>()
}

/// The first line is the Content-Type, the rest the body.
pub(crate) fn run(data: &[u8]) {
    let end = data.iter().position(|b| *b == b'\n').unwrap_or(data.len());
    let Ok(line) = std::str::from_utf8(&data[..end]) else { return };
    let body = Bytes::copy_from_slice(data.get(end + 1..).unwrap_or_default());
    let Ok(Some(content_type)) = sip_core::header::TypedHeader::parse_all(&mut std::iter::once(line)) else {
        return;
    };
    let content_type: ContentType = content_type;
    let limits = MultipartLimits::default();
    let Ok(read) = Multipart::parse(&content_type, &body, limits) else { return };
    assert!(read.parts().iter().map(|part| part.body().len()).sum::<usize>() <= body.len());
    take_apart(read.parts(), limits, 1);
    if read.parts().is_empty() {
        return;
    }
    let (content_type, body) = read.write(&mut SeededIds::new(body.len() as u64));
    match Multipart::parse(&content_type, &body, limits) {
        Ok(again) => assert_eq!(again.parts(), read.parts()),
        Err(error) => panic!("{error}"),
    }
}
