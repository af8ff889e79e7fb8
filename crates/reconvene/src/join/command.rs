//! The commands that `join` takes on stdin, one a line.

use c3p::McuType;

/// One command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Typed {
    Say(String),
    Roster,
    State,
    Lock,
    Unlock,
    Admit(String),
    Deny(String),
    Eject(String),
    Promote(String),
    Demote(String),
    Call(McuType),
    Hangup(McuType),
    Leave,
    End,
    /// A word of the interface that this version does not serve: it fails, by its name.
    Unavailable(&'static str),
}

/// All words, for whoever mistypes one.
pub(crate) const WORDS: &str = "say TEXT, roster, state, lock, unlock, admit URI, deny URI, eject URI, promote URI, \
                                demote URI, call im, hangup im, leave, end";

/// Understands one line; an empty one is no command.
///
/// # Errors
///
/// What is wrong with the line, in words.
pub(crate) fn parse(line: &str) -> Result<Option<Typed>, String> {
    let line = line.trim();
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    let one = |make: fn(String) -> Typed, what: &str| {
        if rest.is_empty() || rest.contains(char::is_whitespace) && what == "URI" {
            Err(format!("`{word}` needs one {what}"))
        } else {
            Ok(Some(make(rest.to_owned())))
        }
    };
    let none = |typed: Typed| {
        if rest.is_empty() { Ok(Some(typed)) } else { Err(format!("`{word}` takes nothing after it")) }
    };
    let mcu = |make: fn(McuType) -> Typed| match rest {
        "im" => Ok(Some(make(McuType::Im))),
        "av" => Ok(Some(make(McuType::Av))),
        _ => Err(format!("`{word}` needs im or av")),
    };
    match word {
        "" => Ok(None),
        "say" => one(Typed::Say, "TEXT"),
        "roster" => none(Typed::Roster),
        "state" => none(Typed::State),
        "lock" => none(Typed::Lock),
        "unlock" => none(Typed::Unlock),
        "admit" => one(Typed::Admit, "URI"),
        "deny" => one(Typed::Deny, "URI"),
        "eject" => one(Typed::Eject, "URI"),
        "promote" => one(Typed::Promote, "URI"),
        "demote" => one(Typed::Demote, "URI"),
        "mute" => one(|_| Typed::Unavailable("mute"), "URI"),
        "unmute" => one(|_| Typed::Unavailable("unmute"), "URI"),
        "invite" => one(|_| Typed::Unavailable("invite"), "URI"),
        "call" => mcu(Typed::Call),
        "hangup" => mcu(Typed::Hangup),
        "leave" => none(Typed::Leave),
        "end" => none(Typed::End),
        _ => Err(format!("`{word}` is no command")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// cli.md: every command that `join` takes on stdin.
    #[test]
    fn every_command() {
        let uri = "sip:bob@example.com";
        let table = [
            ("say hello  there", Typed::Say("hello  there".into())),
            ("roster", Typed::Roster),
            ("state", Typed::State),
            ("lock", Typed::Lock),
            ("unlock", Typed::Unlock),
            ("admit sip:bob@example.com", Typed::Admit(uri.into())),
            ("deny sip:bob@example.com", Typed::Deny(uri.into())),
            ("eject sip:bob@example.com", Typed::Eject(uri.into())),
            ("promote sip:bob@example.com", Typed::Promote(uri.into())),
            ("demote sip:bob@example.com", Typed::Demote(uri.into())),
            ("mute sip:bob@example.com", Typed::Unavailable("mute")),
            ("unmute sip:bob@example.com", Typed::Unavailable("unmute")),
            ("invite sip:bob@example.com", Typed::Unavailable("invite")),
            ("call im", Typed::Call(McuType::Im)),
            ("call av", Typed::Call(McuType::Av)),
            (" hangup im ", Typed::Hangup(McuType::Im)),
            ("leave", Typed::Leave),
            ("end", Typed::End),
        ];
        for (line, expected) in table {
            assert_eq!(parse(line), Ok(Some(expected)), "{line}");
        }
    }

    /// Mistyped lines are told, empty ones pass.
    #[test]
    fn mistyped() {
        assert_eq!(parse("   "), Ok(None));
        for bad in ["say", "admit", "eject a b", "call", "call fax", "leave now", "shout x"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
