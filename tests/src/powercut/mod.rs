//! Power cuts: the real gateway lives on a disk whose every write and flush is recorded together with
//! every acknowledgement; afterwards any place of that record is a power cut, and on what it leaves the
//! real gateway starts again.

pub mod block_log;
pub mod check;
pub mod cut;
pub mod disk;
pub mod enclosure;
pub mod ext4;
pub mod ground;
pub mod mutants;
pub mod recorder;
pub mod run;
pub mod stage;
pub mod strict;
pub mod tally;
pub mod truth;
pub mod workload;
