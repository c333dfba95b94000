//! A model's name as systemd and the disk have it: a folder of `/data/tensorrt-llm`, and an instance of the unit template.

use std::{fmt, str::FromStr};

/// A name that is nothing but a name: no path, no escape, nothing that systemd would read as more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance(String);

/// Why it is none.
#[derive(Debug, thiserror::Error)]
#[error(
    "{shown:?} is no model's folder: its name has letters, digits, `.`, `_` and `-`, begins with a letter or a digit, and is at most {MOST} long; an engine is built from a folder on the device, and not from a registry"
)]
pub struct NoInstance {
    shown: String,
}

/// The template (systemd/tensorrt-llm@.container); config/polkit/50-thox.rules lets thoxd manage it.
const TEMPLATE: (&str, &str) = ("tensorrt-llm@", ".service");

/// Every unit of it.
pub const EVERY: &str = "tensorrt-llm@*.service";

/// systemd takes 255 characters in all; people take fewer.
const MOST: usize = 64;

impl Instance {
    /// The unit that serves it.
    #[must_use]
    pub fn unit(&self) -> String {
        format!("{}{}{}", TEMPLATE.0, self.0, TEMPLATE.1)
    }

    /// The name, by which its server serves it too.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Instance {
    type Err = NoInstance;

    fn from_str(text: &str) -> Result<Self, NoInstance> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let begins = text.bytes().next();
        let is_name = begins.is_some_and(|byte| byte.is_ascii_alphanumeric())
            && text.len() <= MOST
            && text.bytes().all(is_plain);
        if is_name {
            return Ok(Self(text.to_owned()));
        }
        Err(NoInstance {
            shown: text.chars().take(80).collect(),
        })
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_nothing_but_a_name() {
        for good in ["qwen", "Qwen2.5-7B-Instruct_awq", "0", &"a".repeat(64)] {
            let instance: Instance = good.parse().unwrap();
            assert_eq!(instance.unit(), format!("tensorrt-llm@{good}.service"));
        }
        let long = "a".repeat(65);
        for bad in [
            "",
            "..",
            ".hidden",
            "-x",
            "_x",
            "a/b",
            "../a",
            "a b",
            "a@b",
            "a%i",
            "a\\x2d",
            "a:b",
            "a.service\n",
            "é",
            "a\0",
            "a;b",
            "$a",
            &long,
        ] {
            assert!(bad.parse::<Instance>().is_err(), "{bad:?}");
        }
    }
}
