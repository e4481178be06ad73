//! What travels between the actors and into the database.

pub mod account;
pub mod batch;
pub mod delivery;
pub mod event;
pub mod note;
pub mod route;
