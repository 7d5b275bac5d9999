//! See `tests::fuzz::visit`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tests::fuzz::visit(bytes));
