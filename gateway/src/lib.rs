//! The gateway in the home.

pub mod decode;
pub mod decode_lines;
