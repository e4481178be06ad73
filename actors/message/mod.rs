//! What travels between the actors and into the database.

pub mod account;
pub mod batch;
pub mod children;
pub mod delivery;
pub mod event;
pub mod moment;
pub mod note;
pub mod route;
pub mod routing;
pub mod session_name;
pub mod write;
