//! A model file: whatever it claims of itself, it is a model or an error.
#![no_main]

libfuzzer_sys::fuzz_target!(|file: &[u8]| {
    if let Err(error) = thox_starter::Model::parse(file) {
        assert!(!error.to_string().is_empty());
    }
});
