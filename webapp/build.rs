//! A new migration is a change, although no Rust file knows its name.

fn main() {
    println!("cargo:rerun-if-changed=../sql/webapp");
}
