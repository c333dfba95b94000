//! A settings file: whatever stands in it, it is read or refused with words.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Err(problems) = thoxd::settings::parse_text(text) {
        assert!(!problems.to_string().is_empty());
    }
});
