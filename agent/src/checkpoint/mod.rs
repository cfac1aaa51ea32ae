//! What a flow must remember, and how it survives a crash.
//!
//! [`positions`] decides what may be saved (pure), [`state`] is its form on disk, [`store`] reads and writes it,
//! [`recent`] keeps what came since. [`java`] takes over the Java agent's.

pub(crate) mod java;
pub(crate) mod positions;
pub(crate) mod recent;
pub(crate) mod state;
pub(crate) mod store;
