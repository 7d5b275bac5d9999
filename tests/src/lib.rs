//! Testing ground of the whole product.

pub mod world;
