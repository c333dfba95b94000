//! Which key is meant by an id, a name or its first characters.

use crate::{
    failure::{Exit, Failure},
    secret::Secret,
};
use thox_api::KeyInfo;

/// The one key that is meant. An id decides alone; a name or a start may mean several, and then none is taken.
pub(super) fn key(keys: Vec<KeyInfo>, wanted: &Secret) -> Result<KeyInfo, Failure> {
    let text = wanted.expose().trim();
    let (by_id, others): (Vec<_>, Vec<_>) = keys.into_iter().partition(|key| key.id == text);
    let mut found = if by_id.is_empty() {
        others
            .into_iter()
            .filter(|key| is_meant(key, text))
            .collect()
    } else {
        by_id
    };
    match (found.pop(), found.is_empty()) {
        (None, _) => {
            // What was typed may be a key.
            let shown = if text.starts_with("sk-") {
                wanted.start()
            } else {
                text.to_owned()
            };
            Err(
                Failure::with(Exit::NotFound, format!("there is no key `{shown}`"))
                    .next("thox auth list-keys lists them"),
            )
        }
        (Some(only), true) => Ok(only),
        (Some(last), false) => {
            found.push(last);
            let candidates: Vec<String> = found.iter().map(candidate).collect();
            let message = format!(
                "{} keys are meant by that:\n{}",
                found.len(),
                candidates.join("\n")
            );
            Err(Failure::error(message).next("name the one by its id"))
        }
    }
}

fn is_meant(key: &KeyInfo, text: &str) -> bool {
    // A device shows a prefix with or without dots behind it; a whole key begins with its prefix.
    let prefix = key.prefix.trim_end_matches(['.', '…']);
    let is_start = !text.is_empty() && !prefix.is_empty();
    key.name == text || (is_start && (prefix.starts_with(text) || text.starts_with(prefix)))
}

fn candidate(key: &KeyInfo) -> String {
    format!("  {}  {}  {}", key.id, key.prefix, key.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use thox_api::{Class, Scope};

    fn info(id: &str, name: &str, prefix: &str) -> KeyInfo {
        KeyInfo {
            id: id.to_owned(),
            object: "key".to_owned(),
            name: name.to_owned(),
            prefix: prefix.to_owned(),
            scope: Scope::Inference,
            class: Class::Interactive,
            created: 1,
            expires: None,
            last_used: None,
            requests_per_minute: None,
            tokens_per_minute: None,
        }
    }

    fn meant(text: &str) -> Result<String, Failure> {
        let keys = vec![
            info("k1", "ci", "sk-abcdefg"),
            info("k2", "ci", "sk-abcxyzq"),
            info("k3", "laptop", "sk-qqqqqqq"),
            info("k4", "k1", "sk-zzzzzzz"),
        ];
        key(keys, &Secret::from(text.to_owned())).map(|key| key.id)
    }

    #[test]
    fn one_key_is_meant_or_none_is_taken() {
        for (text, id) in [
            ("k3", "k3"),
            ("laptop", "k3"),
            ("sk-qqq", "k3"),
            ("sk-qqqqqqq", "k3"),
            ("sk-abcd", "k1"),
            ("sk-qqqqqqqRESTOFTHEKEY", "k3"),
            ("k1", "k1"),
        ] {
            assert_eq!(meant(text).as_deref(), Ok(id), "{text}");
        }
        for text in ["ci", "sk-abc", "sk-", "s"] {
            let Err(Failure::Told { exit, message, .. }) = meant(text) else {
                panic!("{text} is ambiguous");
            };
            assert_eq!(exit, Exit::Error);
            assert!(
                message.contains("k1") && message.contains("sk-abcxyzq"),
                "{message}"
            );
        }
        for text in [
            "",
            "nobody",
            "sk-none",
            "c",
            "sk-abcdefg0123456789012345678901234567SECRET",
        ] {
            let Err(Failure::Told { exit, message, .. }) = meant(text) else {
                // The last one is a whole key, and found.
                assert!(text.ends_with("SECRET"), "{text}");
                continue;
            };
            assert_eq!(exit, Exit::NotFound, "{text}");
            assert!(!message.contains("SECRET"));
        }
    }

    #[test]
    fn an_unknown_key_is_not_repeated() {
        let Err(Failure::Told { message, .. }) =
            meant("sk-0123456789012345678901234567890123SECRET")
        else {
            panic!("it is known");
        };
        assert_eq!(message, "there is no key `sk-012345…`");
    }
}
