//! nadikota.
fn main() {}
