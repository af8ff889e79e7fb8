//! What a failed request inside a dialog takes with it: RFC 5057 section 5, RFC 3261 section 12.2.1.2.

/// What ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// The transaction alone.
    Transaction,
    /// The usage that the request belongs to.
    Usage,
    /// The dialog with all its usages.
    Dialog,
}

/// What a final response to a request inside a dialog ends.
///
/// - `own`: the method is the one that made the usage: INVITE; SUBSCRIBE and NOTIFY. Who does not know that any more has no
///   such usage. An UPDATE or INFO may be unknown there.
pub(super) fn fate(status: u16, own: bool) -> Fate {
    match status {
        404 | 410 | 416 | 482..=485 | 502 | 604 => Fate::Dialog,
        408 | 481 => Fate::Usage,
        405 | 480 | 489 | 501 if own => Fate::Usage,
        _ => Fate::Transaction,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5057 section 5.1, by what each status ends.
    #[test]
    fn table() {
        for status in [404, 410, 416, 482, 483, 484, 485, 502, 604] {
            assert_eq!(fate(status, false), Fate::Dialog, "{status}");
            assert_eq!(fate(status, true), Fate::Dialog, "{status}");
        }
        for status in [408, 481] {
            assert_eq!(fate(status, false), Fate::Usage, "{status}");
        }
        for status in [405, 480, 489, 501] {
            assert_eq!(
                (fate(status, false), fate(status, true)),
                (Fate::Transaction, Fate::Usage),
                "{status}"
            );
        }
        for status in [
            200, 202, 301, 400, 401, 403, 406, 407, 412, 415, 420, 422, 423, 486, 487, 488, 491, 500, 503,
            513, 600, 603,
        ] {
            assert_eq!(fate(status, true), Fate::Transaction, "{status}");
        }
    }
}
