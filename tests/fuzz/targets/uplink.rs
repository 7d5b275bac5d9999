//! See `tests::fuzz::uplink`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tests::fuzz::uplink(bytes));
