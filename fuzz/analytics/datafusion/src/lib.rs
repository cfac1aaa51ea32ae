//! Stands for DataFusion where only its tokenizer and parser are used.

/// The parser, under the path that DataFusion gives it.
pub mod sql {
    pub use sqlparser;
}
