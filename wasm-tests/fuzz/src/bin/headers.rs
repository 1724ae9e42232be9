#![no_main]
#![allow(missing_docs, unsafe_code, reason = "libFuzzer's entry point is made by the macro")]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fairlead_fuzz::headers::run(input));
