//! The only place that touches the world.

pub mod vault;
