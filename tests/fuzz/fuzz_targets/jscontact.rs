//! `fuzz::jscontact` under libFuzzer. Must not check anything by itself.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::jscontact::run(data));
