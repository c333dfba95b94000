//! What a key that is asked for has to be like, and how it is made.

use super::{
    file::{Content, Record},
    secret::{NoRandomness, Secret, random},
};
use std::time::{SystemTime, UNIX_EPOCH};
use thox_api::{ApiError, ErrorKind, KeyInfo, MakeKey};

/// More than any household or team needs; each is some hundred bytes of a file that is written whole.
const MOST_KEYS: usize = 10_000;

const LONGEST_NAME: usize = 64;

pub(super) fn add(content: &mut Content, asked: &MakeKey) -> Result<(Secret, KeyInfo), ApiError> {
    if content.keys.len() >= MOST_KEYS {
        let message = format!("there are {MOST_KEYS} keys already: revoke some first.");
        return Err(ApiError::new(ErrorKind::InvalidRequest, message));
    }
    let secret = Secret::new().map_err(internal)?;
    let record = Record::new(new_id()?, &secret, asked, seconds());
    let info = record.info();
    content.keys.push(record);
    Ok((secret, info))
}

pub(super) fn check(asked: &MakeKey) -> Result<(), ApiError> {
    let invalid = |param: &'static str, message: String| {
        Err(ApiError::new(ErrorKind::InvalidRequest, message).param(param))
    };
    let length = asked.name.chars().count();
    if !(1..=LONGEST_NAME).contains(&length) || asked.name.chars().any(char::is_control) {
        return invalid(
            "name",
            format!(
                "`name` has to be 1 to {LONGEST_NAME} characters on one line, such as \"my-app\"."
            ),
        );
    }
    for (param, value) in [
        ("expires_in", asked.expires_in),
        (
            "requests_per_minute",
            asked.requests_per_minute.map(u64::from),
        ),
        ("tokens_per_minute", asked.tokens_per_minute.map(u64::from)),
    ] {
        if value == Some(0) {
            return invalid(
                param,
                format!("`{param}` has to be 1 or more; leave it out for no limit."),
            );
        }
    }
    Ok(())
}

pub(super) fn new_id() -> Result<String, ApiError> {
    let random = random::<8>().map_err(internal)?;
    Ok(format!("key_{:016x}", u64::from_be_bytes(random)))
}

pub(super) fn internal(cause: NoRandomness) -> ApiError {
    let message = "no key can be made: the system gives no random numbers.";
    ApiError::new(ErrorKind::Internal, message).cause(cause)
}

pub(super) fn seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
