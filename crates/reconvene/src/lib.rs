//! Conferences that keep their meetings through failures: the facade library and the reconvene command.
