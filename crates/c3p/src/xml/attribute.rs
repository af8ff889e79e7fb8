//! One attribute of a tag.

use std::borrow::Cow;

use super::chars::{Blanks, as_text, decode};
use super::ns::Ns;
use crate::DocumentError;

type Result<T, E = DocumentError> = std::result::Result<T, E>;

/// An attribute that is no declaration of a namespace.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attribute<'a> {
    /// Its namespace; `None` without prefix.
    pub(crate) ns: Ns,
    /// Whether the raw value is the value.
    pub(super) plain: bool,
    /// Where its colon is; 0 without one.
    pub(super) colon: u32,
    /// Its name with the prefix.
    pub(super) full_name: &'a [u8],
    /// Its value as it stands in the document.
    pub(super) raw: &'a [u8],
    /// Where the value ends.
    pub(super) offset: usize,
}

impl<'a> Attribute<'a> {
    /// Its prefix; empty for none.
    pub(crate) fn prefix(&self) -> &'a str {
        as_text(self.prefix_bytes())
    }

    pub(super) fn prefix_bytes(&self) -> &'a [u8] {
        &self.full_name[..self.colon as usize]
    }

    /// Its name without the prefix.
    pub(crate) fn name(&self) -> &'a str {
        as_text(self.local())
    }

    /// As [`Attribute::name`], in bytes.
    #[inline]
    pub(crate) fn local(&self) -> &'a [u8] {
        match self.colon as usize {
            0 => self.full_name,
            colon => &self.full_name[colon + 1..],
        }
    }

    /// Its value: references resolved, each blank a space.
    pub(crate) fn value(&self) -> Result<Cow<'a, str>> {
        if self.plain {
            return Ok(Cow::Borrowed(as_text(self.raw)));
        }
        decode(as_text(self.raw), Blanks::Spaces).map(Cow::Owned).map_err(|kind| DocumentError {
            kind,
            element: "",
            offset: self.offset,
        })
    }

    /// As [`Attribute::value`], in bytes.
    #[inline]
    pub(crate) fn bytes(&self) -> Result<Cow<'a, [u8]>> {
        if self.plain {
            return Ok(Cow::Borrowed(self.raw));
        }
        self.value().map(|value| Cow::Owned(value.into_owned().into_bytes()))
    }
}
