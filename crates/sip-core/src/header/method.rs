//! Methods and the CSeq header, which has one.

use std::fmt;
use std::str::FromStr;

use bytestring::ByteString;

use super::lex::{self, Cursor, Fault, fault};
use super::{HeaderError, HeaderErrorKind, HeaderName};

macro_rules! methods {
    ($($variant:ident = $text:literal),+ $(,)?) => {
        /// A request method. Methods are case-sensitive (RFC 3261 section 7.1).
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Method {
            $(#[doc = concat!("`", $text, "`")] $variant,)+
            /// Another one; always a token.
            Other(ByteString),
        }

        impl Method {
            /// The method as it goes over the wire.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Other(text) => text,
                }
            }

            fn known(text: &[u8]) -> Option<Self> {
                $(if text == $text.as_bytes() {
                    return Some(Self::$variant);
                })+
                None
            }
        }
    };
}

methods! {
    Invite = "INVITE",
    Ack = "ACK",
    Bye = "BYE",
    Cancel = "CANCEL",
    Options = "OPTIONS",
    Register = "REGISTER",
    Subscribe = "SUBSCRIBE",
    Notify = "NOTIFY",
    Benotify = "BENOTIFY",
    Info = "INFO",
    Update = "UPDATE",
    Message = "MESSAGE",
    Service = "SERVICE",
    Refer = "REFER",
    Publish = "PUBLISH",
    Prack = "PRACK",
}

impl Method {
    /// From a token that was checked.
    #[inline]
    pub(crate) fn from_token(token: &[u8]) -> Self {
        Self::known(token).unwrap_or_else(|| Self::other(token))
    }

    #[cold]
    fn other(token: &[u8]) -> Self {
        // A token is ASCII.
        Self::Other(ByteString::from(&*String::from_utf8_lossy(token)))
    }

    /// Whether a 2xx to it creates a dialog (INVITE, SUBSCRIBE, REFER).
    #[must_use]
    pub fn creates_dialog(&self) -> bool {
        matches!(self, Self::Invite | Self::Subscribe | Self::Refer)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Method {
    type Err = HeaderError;

    fn from_str(text: &str) -> Result<Self, HeaderError> {
        if !lex::is_token_text(text) {
            return Err(HeaderError::new(HeaderName::CSeq, HeaderErrorKind::Syntax, 0));
        }
        Ok(Self::from_token(text.as_bytes()))
    }
}

/// The CSeq header: orders the requests of a dialog and names the method a response is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CSeq {
    /// Less than 2^31 (RFC 3261 section 8.1.1.5).
    pub number: u32,
    /// The method of the request; of an ACK: `ACK`.
    pub method: Method,
}

impl CSeq {
    /// A CSeq of these parts.
    #[must_use]
    pub fn new(number: u32, method: Method) -> Self {
        Self { number, method }
    }

    pub(crate) fn read(text: &[u8]) -> Result<Self, Fault> {
        let mut cursor = Cursor::of_bytes(text, 0);
        let number = cursor.take(lex::digits)?;
        let value = lex::decimal(number.in_bytes(text)).filter(|n| *n < 1 << 31);
        let Some(value) = value else {
            return fault(HeaderErrorKind::Number, 0);
        };
        if !cursor.peek().is_some_and(lex::is_space) {
            return fault(HeaderErrorKind::Syntax, cursor.at);
        }
        cursor.skip_space();
        let method = cursor.take(lex::token)?;
        if cursor.peek().is_some() {
            return fault(HeaderErrorKind::Syntax, cursor.at);
        }
        Ok(Self { number: value as u32, method: Method::from_token(method.in_bytes(text)) })
    }
}

impl fmt::Display for CSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, self.method)
    }
}

impl FromStr for CSeq {
    type Err = HeaderError;

    fn from_str(text: &str) -> Result<Self, HeaderError> {
        if text.len() > lex::TEXT_MAX {
            return Err(HeaderError::new(HeaderName::CSeq, HeaderErrorKind::TooLong, 0));
        }
        Self::read(text.as_bytes()).map_err(|f| HeaderError::from_fault(HeaderName::CSeq, f))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_case_sensitive_and_round_trip() {
        for text in ["INVITE", "BENOTIFY", "SERVICE", "invite", "X-1.!%*_+`'~"] {
            let method: Method = text.parse().unwrap();
            assert_eq!(method.to_string(), text);
        }
        assert_eq!("invite".parse(), Ok(Method::Other("invite".into())));
        for bad in ["", "IN VITE", "INVITE\r\n", "INVITÉ", "a/b"] {
            assert!(bad.parse::<Method>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn cseq_table() {
        assert_eq!("0009 \t INVITE".parse(), Ok(CSeq::new(9, Method::Invite)));
        assert_eq!("2147483647 ACK".parse(), Ok(CSeq::new(u32::MAX >> 1, Method::Ack)));
        for bad in [
            "2147483648 ACK",
            "36893488147419103232 REGISTER",
            "",
            "1",
            "INVITE",
            "1INVITE",
            "-1 BYE",
            "1 A B",
            "1 A;",
        ] {
            assert!(bad.parse::<CSeq>().is_err(), "{bad:?}");
        }
    }
}
