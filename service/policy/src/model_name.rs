//! The name of a model in a registry, as Ollama writes it: `[registry/][namespace/]model[:tag]`. What is parsed can be
//! handed to an engine: no path, no scheme, no digest, no control character is in it.

use std::{fmt, str::FromStr};

/// Where a name without a registry is from, and whose models a name without a namespace is one of.
const REGISTRY: &str = "registry.ollama.ai";
const NAMESPACE: &str = "library";
const TAG: &str = "latest";

/// Ollama's own limits (`types/model/name.go`), but for a host: a DNS name and its port.
const LONGEST_HOST: usize = 253 + 6;
const LONGEST_PART: usize = 80;

/// A model's full name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ModelName {
    registry: Registry,
    namespace: Box<str>,
    model: Box<str>,
    tag: Box<str>,
}

/// A registry's host, with its port where it has one, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Registry(Box<str>);

/// The SHA-256 by which a registry calls a piece of a model.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(Box<str>);

/// A text that is no model's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} is no model's name: write [registry/][namespace/]model[:tag], such as llama3.2:3b or hf.co/owner/model:Q4_K_M, of letters, digits, - _ and single dots"
)]
pub struct InvalidModelName(String);

/// A text that is no registry or digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invalid;

impl ModelName {
    /// Where it is from.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Whether it stands for a model that Ollama's makers run: prompts would leave the device.
    #[must_use]
    pub fn is_elsewhere(&self) -> bool {
        let tag = self.tag.to_ascii_lowercase();
        tag == "cloud" || tag.ends_with("-cloud")
    }

    /// Whether both mean the same model; Ollama does not look at capitals.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.to_string().eq_ignore_ascii_case(&other.to_string())
    }
}

impl FromStr for ModelName {
    type Err = InvalidModelName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Shown escaped and cut: it may be anything.
        let invalid =
            || InvalidModelName(format!("{:?}", text.chars().take(80).collect::<String>()));
        let mut parts = text.split('/').rev();
        let last = parts.next().unwrap_or_default();
        let (namespace, registry) = (parts.next(), parts.next());
        let (model, tag) = match last.split_once(':') {
            Some((model, tag)) => (model, tag),
            None => (last, TAG),
        };
        let namespace = namespace.unwrap_or(NAMESPACE);
        let is_namespace = is_part(namespace) && !namespace.contains('.');
        if parts.next().is_some() || !is_part(model) || !is_part(tag) || !is_namespace {
            return Err(invalid());
        }
        Ok(Self {
            registry: registry
                .unwrap_or(REGISTRY)
                .parse()
                .map_err(|_| invalid())?,
            namespace: namespace.into(),
            model: model.into(),
            tag: tag.into(),
        })
    }
}

/// As Ollama lists it: what goes without saying is left out, but for the tag.
impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            registry,
            namespace,
            model,
            tag,
        } = self;
        if *registry.0 != *REGISTRY {
            write!(f, "{registry}/{namespace}/")?;
        } else if **namespace != *NAMESPACE {
            write!(f, "{namespace}/")?;
        }
        write!(f, "{model}:{tag}")
    }
}

impl FromStr for Registry {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let (host, port) = match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        };
        let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
        let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
        let is_good = text.len() <= LONGEST_HOST
            && host.starts_with(|c: char| c.is_ascii_alphanumeric())
            && host.ends_with(|c: char| c.is_ascii_alphanumeric())
            && host.chars().all(is_host)
            && !host.contains("..")
            && is_port;
        if !is_good {
            return Err(Invalid);
        }
        Ok(Self(text.to_ascii_lowercase().into()))
    }
}

impl fmt::Display for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Digest {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let is_digit = |c: char| matches!(c, '0'..='9' | 'a'..='f');
        match text.strip_prefix("sha256:") {
            Some(digits) if digits.len() == 64 && digits.chars().all(is_digit) => {
                Ok(Self(text.into()))
            }
            Some(_) | None => Err(Invalid),
        }
    }
}

fn is_part(text: &str) -> bool {
    text.len() <= LONGEST_PART
        && text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
        && !text.contains("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ModelName {
        text.parse().unwrap()
    }

    #[test]
    fn what_goes_without_saying_is_filled_in_and_left_out() {
        for (text, shown, registry) in [
            ("llama3.2", "llama3.2:latest", REGISTRY),
            ("llama3.2:3b", "llama3.2:3b", REGISTRY),
            ("library/llama3.2:3b", "llama3.2:3b", REGISTRY),
            ("registry.ollama.ai/library/a:b", "a:b", REGISTRY),
            ("REGISTRY.ollama.ai/library/a:b", "a:b", REGISTRY),
            ("ada/mine:v1", "ada/mine:v1", REGISTRY),
            (
                "hf.co/Owner/Model-GGUF:Q4_K_M",
                "hf.co/Owner/Model-GGUF:Q4_K_M",
                "hf.co",
            ),
            (
                "10.0.0.1:5000/a/b",
                "10.0.0.1:5000/a/b:latest",
                "10.0.0.1:5000",
            ),
        ] {
            assert_eq!(name(text).to_string(), shown);
            assert_eq!(name(text).registry().to_string(), registry);
            assert_eq!(name(shown), name(text), "{text}: what is shown reads back");
        }
        assert!(name("hf.co/A/B").is_same(&name("HF.co/a/b:latest")));
    }

    #[test]
    fn what_is_no_name_is_none() {
        let long = "a".repeat(81);
        for text in [
            "",
            " ",
            ".",
            "..",
            "/",
            ":",
            "a:",
            ":a",
            "a/",
            "/a",
            "a//b",
            "a:b:c",
            "../../etc/passwd",
            "a/../b",
            "..%2f",
            "a\0b",
            "a\nb",
            "a b",
            "a\\b",
            "C:\\a",
            "-a",
            ".a",
            "a..b",
            "a:..",
            "http://h/a/b",
            "https://a",
            "a@sha256:00",
            "a/b/c/d",
            "h/a.b/c",
            "h:0/a/b",
            "h:99999/a/b",
            "h:x/a/b",
            "u:p@h/a/b",
            "[::1]/a/b",
            "h./a/b",
            "a?x",
            "a#x",
            "a%41",
            "ä",
            "a\u{202e}b",
            "~/a",
            "$HOME",
            "file:///etc/passwd",
            &long,
        ] {
            assert!(text.parse::<ModelName>().is_err(), "{text:?}");
        }
        let error = "a\x1b[2J\n".parse::<ModelName>().unwrap_err().to_string();
        assert!(
            !error.contains('\x1b') && error.contains("llama3.2:3b"),
            "{error}"
        );
    }

    #[test]
    fn models_that_others_run_are_known() {
        assert!(name("gpt-oss:120b-cloud").is_elsewhere() && name("x:CLOUD").is_elsewhere());
        assert!(!name("cloud:7b").is_elsewhere() && !name("x:cloudy").is_elsewhere());
    }

    #[test]
    fn a_digest_is_sha256_in_lower_case() {
        let good = format!("sha256:{}", "0a".repeat(32));
        assert!(good.parse::<Digest>().is_ok());
        for bad in [
            "",
            "sha256:",
            "sha256:00",
            &good.to_uppercase(),
            &good.replace(':', "-"),
            &format!("{good}0"),
        ] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
        assert!("sha256:../../../../etc/passwd".parse::<Digest>().is_err());
    }
}
