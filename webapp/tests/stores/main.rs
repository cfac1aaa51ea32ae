//! The site on real stores: what each keeps, what nodes share, and what people see when a store is hung, dead or refuses.
//!
//! Every test starts the shipped program, as many nodes of it as it needs, and real servers; see `tests::backends`.

mod caches;
mod databases;
mod doctor;
mod encryption;
mod fleet;
mod full_disk;
mod levels;
mod node;
mod originals;
mod photos;
mod sessions;
mod troublemaker;
mod troubles;
mod visitor;
