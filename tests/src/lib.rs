//! What the product's tests, demo and benchmarks share: real programs, real sockets, real disks.

pub mod harness;
