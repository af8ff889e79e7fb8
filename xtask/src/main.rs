//! What a maintainer runs.

fn main() {}
