//! The whole pipeline on one machine.

fn main() {}
