//! Chaos on the real programs: gateway and centre in network namespaces of their own, two lines
//! between them that delay, cut, stall and half-close, and SIGKILL for either at any moment.
//!
//! It needs root and Debian's iproute2. What the seed decides is the order of faults and pauses; the
//! machine's own timing is not repeatable, which is the point of running it on real programs.

pub mod fault;
pub mod line;
pub mod network;
pub mod presser;
pub mod run;
