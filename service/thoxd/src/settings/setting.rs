//! What a type must offer to be read from the settings, for each type that is.

use super::{
    address::EngineAddress,
    shape::{BusAddress, HostLabel, HostName, SocketFile, UnitName, WebOrigin},
    units::{Bytes, ShownDuration, parse_duration},
};
use figment::value::Value;
use std::{net::SocketAddr, path::PathBuf, time::Duration};
use thox_policy::{
    EngineKind, ParameterCount, Registry,
    browser::{Host, is_origin},
    discovery::LinkPattern,
    network::Prefix,
};

/// A type of setting.
pub(super) trait Setting: Sized {
    /// What is allowed, with an example, for the sentence "expected …".
    const EXPECTED: &'static str;

    /// The value, or why it is none of this type where `EXPECTED` does not say it all.
    fn from_value(value: &Value) -> Result<Self, Option<String>>;

    /// As it is written in a file.
    fn to_toml(&self) -> toml_edit::Value;
}

/// How a value is named in the sentence "given …".
pub(super) fn describe(value: &Value) -> String {
    match value {
        Value::String(_, text) => format!("the text {}", toml_edit::Value::from(text.as_str())),
        Value::Char(_, letter) => format!("the text \"{letter}\""),
        Value::Bool(_, truth) => truth.to_string(),
        Value::Num(_, number) => match (number.to_i128(), number.to_f64()) {
            (Some(number), _) => format!("the number {number}"),
            (None, Some(number)) => format!("the number {number}"),
            (None, None) => "a number".to_owned(),
        },
        Value::Empty(..) => "nothing".to_owned(),
        Value::Dict(..) => "a table".to_owned(),
        Value::Array(_, entries) => format!("a list of {}", entries.len()),
    }
}

/// Settings that are written as a text.
macro_rules! text_setting {
    ($type:ty, $expected:literal, $parse:expr, $show:expr) => {
        impl Setting for $type {
            const EXPECTED: &'static str = $expected;

            fn from_value(value: &Value) -> Result<Self, Option<String>> {
                let parse: fn(&str) -> Result<Self, Option<String>> = $parse;
                parse(value.as_str().ok_or(None)?)
            }

            fn to_toml(&self) -> toml_edit::Value {
                let show: fn(&Self) -> String = $show;
                show(self).into()
            }
        }
    };
}

/// Settings that are written as a whole number.
macro_rules! number_setting {
    ($type:ty) => {
        impl Setting for $type {
            const EXPECTED: &'static str = "a whole number, 0 or more";

            fn from_value(value: &Value) -> Result<Self, Option<String>> {
                let number = match value {
                    Value::Num(_, number) => number.to_i128(),
                    _ => None,
                };
                number.and_then(|n| Self::try_from(n).ok()).ok_or(None)
            }

            fn to_toml(&self) -> toml_edit::Value {
                i64::try_from(*self).unwrap_or(i64::MAX).into()
            }
        }
    };
}

number_setting!(u32);
number_setting!(usize);

text_setting!(
    String,
    "a text in quotes",
    |text| Ok(text.to_owned()),
    Self::clone
);
text_setting!(
    Duration,
    "a duration such as \"500ms\", \"30s\" or \"10m\"",
    |text| parse_duration(text).ok_or(None),
    |duration| ShownDuration(*duration).to_string()
);
text_setting!(
    Bytes,
    "a size such as \"32MiB\" or \"1GiB\"",
    |text| Self::parse(text).ok_or(None),
    Self::to_string
);
text_setting!(
    ParameterCount,
    "a number of parameters such as \"7B\", \"1.5B\" or \"137M\"",
    |text| text.parse().map_err(|_| None),
    Self::to_string
);
text_setting!(
    EngineAddress,
    "an address such as \"http://127.0.0.1:11434\" or \"unix:/run/engine.sock\"",
    |text| text
        .parse()
        .map_err(|error: super::address::InvalidEngineAddress| Some(error.to_string())),
    Self::to_string
);
text_setting!(
    PathBuf,
    "an absolute path in quotes",
    |text| Some(Self::from(text))
        .filter(|path| path.is_absolute())
        .ok_or(None),
    |path| path.display().to_string()
);
text_setting!(
    EngineKind,
    "\"ollama\", \"trtllm\", \"edge-llm\", \"openai\" or \"starter\"",
    |text| [
        Self::Ollama,
        Self::Trtllm,
        Self::EdgeLlm,
        Self::Openai,
        Self::Starter
    ]
    .into_iter()
    .find(|kind| kind.as_str() == text)
    .ok_or(None),
    Self::to_string
);
text_setting!(
    SocketAddr,
    "an address and port such as \"0.0.0.0:8080\" or \"[::]:8080\"",
    |text| text.parse().map_err(|_| None),
    Self::to_string
);

text_setting!(
    Prefix,
    "a network such as \"10.8.0.0/16\"",
    |text| text.parse().map_err(|_| None),
    Self::to_string
);
text_setting!(
    WebOrigin,
    "an origin such as \"https://chat.example.org\"",
    |text| Some(Self(text.to_ascii_lowercase()))
        .filter(|origin| is_origin(&origin.0))
        .ok_or(None),
    |origin| origin.0.clone()
);
text_setting!(
    HostName,
    "a host name such as \"thox.example.org\"",
    |text| match Host::of_name(text) {
        Some(Host::Name(name)) => Ok(Self(name.into())),
        Some(Host::Address(_)) | None => Err(None),
    },
    |name| name.0.clone()
);
text_setting!(
    Registry,
    "a registry's host name such as \"registry.ollama.ai\"",
    |text| text.parse().map_err(|_| None),
    Self::to_string
);
text_setting!(
    HostLabel,
    "a name of letters, digits and inner hyphens without .local, such as \"thox\"",
    |text| {
        let name = text.to_ascii_lowercase();
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let is_label = (1..=63).contains(&name.len())
            && name.chars().all(allowed)
            && !name.starts_with('-')
            && !name.ends_with('-');
        // This machine to everybody else, and no device.
        let is_free = name != "localhost";
        (is_label && is_free).then_some(Self(name)).ok_or(None)
    },
    |label| label.0.clone()
);
text_setting!(
    LinkPattern,
    "an interface's name such as \"eth0\", or its beginning such as \"docker*\"",
    |text| Self::new(text).ok_or(None),
    |pattern| pattern.as_str().to_owned()
);
text_setting!(
    SocketFile,
    "an absolute path in quotes, or \"\" for none",
    |text| match text {
        "" => Ok(Self(None)),
        path => PathBuf::from_value(&Value::from(path)).map(|path| Self(Some(path))),
    },
    |file| file
        .0
        .as_ref()
        .map_or(String::new(), |path| path.display().to_string())
);

text_setting!(
    BusAddress,
    "a bus's address such as \"unix:path=/run/dbus/system_bus_socket\"",
    |text| match text.parse::<zbus::Address>() {
        Ok(_) => Ok(Self(text.to_owned())),
        Err(error) => Err(Some(error.to_string())),
    },
    |address| address.0.clone()
);
text_setting!(
    UnitName,
    "the name of a service such as \"ollama.service\"",
    |text| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
        let is_service = text
            .strip_suffix(".service")
            .is_some_and(|name| !name.is_empty() && name.chars().all(allowed));
        // systemd.unit(5): 255 characters at most; one that ends in @ is a template, which nothing runs.
        let is_one = text.len() <= 255 && !text.ends_with("@.service");
        (is_service && is_one)
            .then(|| Self(text.to_owned()))
            .ok_or(None)
    },
    |unit| unit.0.clone()
);

impl Setting for bool {
    const EXPECTED: &'static str = "true or false";

    fn from_value(value: &Value) -> Result<Self, Option<String>> {
        match value {
            Value::Bool(_, truth) => Ok(*truth),
            _ => Err(None),
        }
    }

    fn to_toml(&self) -> toml_edit::Value {
        (*self).into()
    }
}

/// A type that stands in lists.
pub(super) trait Listed: Setting {
    /// What is allowed in its list, with an example.
    const EXPECTED_LIST: &'static str;
}

impl Listed for SocketAddr {
    const EXPECTED_LIST: &'static str =
        "a list of addresses and ports such as [\"0.0.0.0:8080\", \"[::]:8080\"]";
}

impl Listed for Prefix {
    const EXPECTED_LIST: &'static str =
        "a list of networks such as [\"10.8.0.0/16\", \"fd00::/8\"]";
}

impl Listed for WebOrigin {
    const EXPECTED_LIST: &'static str =
        "a list of origins as browsers send them, such as [\"https://chat.example.org\"]";
}

impl Listed for Registry {
    const EXPECTED_LIST: &'static str =
        "a list of registries such as [\"registry.ollama.ai\", \"hf.co\"]";
}

impl Listed for HostName {
    const EXPECTED_LIST: &'static str =
        "a list of host names without ports, such as [\"thox.example.org\"]";
}

impl Listed for LinkPattern {
    const EXPECTED_LIST: &'static str =
        "a list of interfaces' names, or their beginnings, such as [\"eth0\", \"wl*\"]";
}

/// One entry may stand without the list's brackets.
impl<T: Listed> Setting for Vec<T> {
    const EXPECTED: &'static str = T::EXPECTED_LIST;

    fn from_value(value: &Value) -> Result<Self, Option<String>> {
        match value {
            Value::Array(_, entries) => entries
                .iter()
                .map(|entry| {
                    T::from_value(entry).map_err(|_| Some(format!("{} is none", describe(entry))))
                })
                .collect(),
            single => Ok(vec![T::from_value(single)?]),
        }
    }

    fn to_toml(&self) -> toml_edit::Value {
        toml_edit::Array::from_iter(self.iter().map(Setting::to_toml)).into()
    }
}
