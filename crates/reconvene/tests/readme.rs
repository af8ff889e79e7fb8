//! What the README shows is what is built.

/// The library example of the README is `examples/echo.rs`, to the letter.
#[test]
fn the_library_example_compiles() {
    let readme = include_str!("../../../README.md");
    let example = include_str!("../examples/echo.rs");
    let shown = readme.split("```rust,no_run\n").nth(1).and_then(|rest| rest.split("```").next());
    let built = example.split_once("\n\n").map(|(_, code)| code);
    assert_eq!(shown, built);
}
