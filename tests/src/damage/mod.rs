//! Damage to what a gateway left on its disk: bits flipped, files cut, files gone, an old copy restored.
//! The shipping journal and loop start on it, and the centre must end with every press at most once.

pub mod household;
pub mod left;
pub mod sample;
pub mod sweep;
