//! Telephone numbers: `tel:` URIs as RFC 3966 reads them.
//!
//! A [`crate::Uri`] keeps such a URI as it is; this is a view of its parts, and their comparison (RFC 3966 section 4).

use crate::uri::{PARAMS_MAX, Scheme, Uri};

/// The parts of a `tel:` URI.
///
/// # Examples
///
/// ```
/// use sip_core::Uri;
///
/// let uri = Uri::parse("tel:+1-201-555-0123;ext=22").unwrap();
/// let tel = uri.tel().unwrap();
/// assert_eq!((tel.number(), tel.digits().as_str(), tel.is_global()), ("+1-201-555-0123", "+12015550123", true));
/// assert_eq!(tel.param("ext"), Some("22"));
/// assert!(uri.equivalent(&Uri::parse("TEL:+1(201)5550123;EXT=2-2").unwrap()));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tel<'a> {
    number: &'a str,
    params: &'a str,
}

impl<'a> Tel<'a> {
    /// The number as written.
    #[must_use]
    pub fn number(self) -> &'a str {
        self.number
    }

    /// The number without visual separators; `+` and the digits, `A` to `F`, `*` and `#` are kept.
    #[must_use]
    pub fn digits(self) -> String {
        without_separators(self.number)
    }

    /// Whether it is valid everywhere, else in its `phone-context`.
    #[must_use]
    pub fn is_global(self) -> bool {
        self.number.starts_with('+')
    }

    /// The value of a parameter, `Some("")` for a flag. Names are compared without case.
    #[must_use]
    pub fn param(self, name: &str) -> Option<&'a str> {
        self.params().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// All parameters in order.
    pub fn params(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let each = self.params.split(';').filter(|one| !one.is_empty());
        each.map(|one| one.split_once('=').unwrap_or((one, "")))
    }

    /// `None` when the number has no digit, or a character that no number has, or there are too many parameters.
    pub(crate) fn of(text: &'a str) -> Option<Self> {
        let (number, params) = text.find(';').map_or((text, ""), |at| text.split_at(at));
        let local = number.strip_prefix('+').unwrap_or(number);
        let digit = |c: char| match number.len() == local.len() {
            true => c.is_ascii_hexdigit() || matches!(c, '*' | '#'),
            false => c.is_ascii_digit(),
        };
        let legal = local.chars().all(|c| digit(c) || is_separator(c)) && local.contains(digit);
        (legal && params.matches(';').count() <= PARAMS_MAX).then_some(Self { number, params })
    }

    /// RFC 3966 section 4: the same digits, and the same parameters in any order.
    pub(crate) fn equivalent(self, other: Self) -> bool {
        let within = |a: Self, b: Self| {
            a.params().all(|(name, value)| {
                b.params().any(|(n, v)| n.eq_ignore_ascii_case(name) && same_value(n, value, v))
            })
        };
        self.digits().eq_ignore_ascii_case(&other.digits())
            && self.params().count() == other.params().count()
            && within(self, other)
            && within(other, self)
    }
}

/// Extensions and contexts may be numbers, and have separators then.
fn same_value(name: &str, a: &str, b: &str) -> bool {
    let number = name.eq_ignore_ascii_case("ext")
        || (name.eq_ignore_ascii_case("phone-context") && a.starts_with('+') && b.starts_with('+'));
    a.eq_ignore_ascii_case(b) || (number && without_separators(a) == without_separators(b))
}

fn is_separator(c: char) -> bool {
    matches!(c, '-' | '.' | '(' | ')')
}

fn without_separators(text: &str) -> String {
    text.chars().filter(|c| !is_separator(*c)).collect()
}

impl Uri {
    /// The number of a `tel:` URI; `None` for other schemes, and for a number that is none.
    #[must_use]
    pub fn tel(&self) -> Option<Tel<'_>> {
        match self.scheme() {
            Scheme::Tel => Tel::of(self.as_str().split_once(':')?.1),
            Scheme::Sip | Scheme::Sips | Scheme::Other => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Uri {
        Uri::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    #[test]
    fn parts_table() {
        let rows = [
            ("tel:+1-201-555-0123", Some(("+12015550123", true))),
            ("tel:7042;phone-context=example.com", Some(("7042", false))),
            ("tel:*31%23", None),
            ("tel:A.b*", Some(("Ab*", false))),
            ("tel:+", None),
            ("tel:--", None),
            ("tel:+12ab", None),
            ("tel:x", None),
            ("sip:+1@h", None),
        ];
        for (text, expected) in rows {
            let uri = uri(text);
            let found = uri.tel().map(|tel| (tel.digits(), tel.is_global()));
            assert_eq!(found.as_ref().map(|(d, g)| (d.as_str(), *g)), expected, "{text}");
        }
        assert_eq!(uri("tel:1;a;B=c").tel().unwrap().params().collect::<Vec<_>>(), [("a", ""), ("B", "c")]);
        assert_eq!(uri("tel:1;a;B=c").tel().unwrap().param("b"), Some("c"));
    }

    /// RFC 3966 section 4.
    #[test]
    fn comparison_table() {
        let same = [
            ("tel:+1-201-555-0123", "tel:+12015550123"),
            ("tel:7042;phone-context=example.com", "TEL:70.42;Phone-Context=EXAMPLE.com"),
            ("tel:1;a=b;ext=2-2", "tel:1;EXT=22;A=B"),
            ("tel:1;phone-context=+1-2", "tel:1;phone-context=+12"),
            ("tel:nonsense", "tel:NONSENSE"),
        ];
        let different = [
            ("tel:+12015550123", "tel:12015550123"),
            ("tel:+1", "tel:+1;a=b"),
            ("tel:+1;a=b", "tel:+1;a=c"),
            ("tel:+1;a=b;a=b", "tel:+1;a=b;c=d"),
            ("tel:7042;phone-context=a-b", "tel:7042;phone-context=ab"),
            ("tel:+1", "sip:+1@h"),
        ];
        for (a, b) in same {
            assert!(uri(a).equivalent(&uri(b)) && uri(b).equivalent(&uri(a)), "{a} {b}");
        }
        for (a, b) in different {
            assert!(!uri(a).equivalent(&uri(b)) && !uri(b).equivalent(&uri(a)), "{a} {b}");
        }
    }
}
