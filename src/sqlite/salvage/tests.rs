//! Salvage of databases that were really damaged.

mod bench;
mod damaged;
mod handed;
mod random;
mod walked;
