//! Stands for Arrow where only arrays and their files are used, so that its kernels need not be built.

/// Arrays and batches, under the path that Arrow gives them.
pub mod array {
    pub use arrow_array::cast::AsArray;
    pub use arrow_array::*;
}

/// Types.
pub mod datatypes {
    pub use arrow_schema::*;
}

/// What can go wrong.
pub mod error {
    pub use arrow_schema::ArrowError;
}

/// Batches as bytes.
pub use arrow_ipc as ipc;
