//! How a command ends when it does not succeed: one line that says what, why, and what to try.

use std::fmt;

/// Why the command failed, in words for the person who typed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    message: String,
    help: Option<String>,
    status: u8,
}

impl Failure {
    /// The operation failed (exit status 1). `message` says what and why.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None, status: 1 }
    }

    /// The command was typed wrongly (exit status 2).
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None, status: 2 }
    }

    /// An option of the interface that this version does not serve yet.
    pub(crate) fn unavailable(option: &str, instead: &str) -> Self {
        Self::usage(format!("{option} is not available in this version")).try_this(instead)
    }

    /// Adds what to try.
    pub(crate) fn try_this(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }

    pub(crate) fn status(&self) -> u8 {
        self.status
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, "; try: {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}

/// An error with its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One line: what, why, what to try.
    #[test]
    fn says_what_to_try() {
        let failure = Failure::new("nobody answers at tcp:127.0.0.1:5060").try_this("start a pool first");
        assert_eq!(failure.to_string(), "nobody answers at tcp:127.0.0.1:5060; try: start a pool first");
        assert_eq!(failure.status(), 1);
    }

    /// Wrong usage is exit status 2.
    #[test]
    fn usage_is_two() {
        assert_eq!(Failure::unavailable("--audio", "leave it out").status(), 2);
    }
}
