//! The two sources that are no files: environment variables and `--set`.

use super::{
    key::Key,
    layer::{Layer, Origin, value_of},
    problem::{Fault, Problem},
    reader::Reader,
};
use std::collections::BTreeMap;
use thox_policy::nearest::nearest;

/// The tables whose keys can be given in the environment.
const SECTIONS: [&str; 10] = [
    "server",
    "tls",
    "engines",
    "models",
    "downloads",
    "router",
    "auth",
    "limits",
    "audit",
    "log",
];

/// The one setting outside a table.
const STATE_DIR: &str = "THOX_STATE_DIR";

/// The variables `THOX_SECTION__KEY`, each a layer of its own so that a mistake names its variable. Other variables
/// that begin with `THOX_` belong to others, `THOX_HOST` to the command line.
pub(super) fn environment(
    variables: &BTreeMap<String, String>,
    files: &Reader<'_>,
) -> (Vec<Layer>, Vec<Problem>) {
    let (mut layers, mut problems) = (Vec::new(), Vec::new());
    for (variable, text) in variables {
        let Some(name) = variable.strip_prefix("THOX_") else {
            continue;
        };
        let mut segments: Vec<String> = name.split("__").map(str::to_ascii_lowercase).collect();
        if segments.len() < 2 && variable != STATE_DIR {
            continue;
        }
        let origin = Origin::Environment(variable.clone());
        let section = segments.first().map_or("", String::as_str);
        if variable != STATE_DIR && !SECTIONS.contains(&section) {
            let rest = segments.get(1..).unwrap_or_default().join("__");
            let variable = |section: &str| format!("THOX_{section}__{rest}").to_ascii_uppercase();
            let nearest = nearest(section, SECTIONS).map(variable);
            let fault = Fault::UnknownKey { nearest };
            problems.push(Problem {
                origin,
                key: segments.into(),
                fault,
            });
            continue;
        }
        spell_as_in_files(&mut segments, files);
        layers.push(Layer::of(origin, &segments.into(), value_of(text)));
    }
    (layers, problems)
}

/// A variable's name has no room for `thox-coder` or `qwen2.5`: a name that the files have is found also where it is
/// written with `_` for everything but letters and digits.
fn spell_as_in_files(segments: &mut [String], files: &Reader<'_>) {
    let [section, name, ..] = segments else {
        return;
    };
    let plain = |name: &str| {
        name.replace(|c: char| !c.is_ascii_alphanumeric(), "_")
            .to_ascii_lowercase()
    };
    if let Some(known) = files
        .names(section)
        .into_iter()
        .find(|known| plain(known) == *name)
    {
        *name = known;
    }
}

/// `section.key=VALUE`.
pub(super) fn argument(argument: &str) -> Result<Layer, Problem> {
    let wrong = |message: String| Problem {
        origin: Origin::CommandLine(argument.to_owned()),
        key: Key::default(),
        fault: Fault::Syntax(message),
    };
    let (key, text) = argument.split_once('=').ok_or_else(|| {
        wrong(
            "there is no = in it: write section.key=VALUE, such as server.listen=127.0.0.1:8080"
                .to_owned(),
        )
    })?;
    let key: Key = key
        .parse()
        .map_err(|error: super::key::InvalidKey| wrong(error.to_string()))?;
    let origin = Origin::CommandLine(argument.to_owned());
    Ok(Layer::of(origin, &key, value_of(text)))
}
