//! Testing ground of the whole product: the seeded world, and the harness that the end-to-end tests,
//! the demo and the benchmark share for real programs, real sockets and real disks.

pub mod abuse;
pub mod chaos;
pub mod damage;
pub mod flood;
pub mod fuzz;
pub mod harness;
pub mod mutants;
pub mod powercut;
pub mod world;
