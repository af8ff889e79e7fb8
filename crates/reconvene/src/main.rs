//! The `reconvene` command.

fn main() {}
