//! The hot path in instructions, counted by callgrind: the figure that does not vary with the machine's mood.
//!
//! The proxy is run twice under callgrind, with N and with 2N requests. The difference over N is what one
//! request costs; the start, the discovery of models and the shutdown cancel out.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use crate::load::{Prompt, requests, streams, until_answered};
use crate::subject::{self, Programs, Running, Subject};
use crate::upstream::CHUNKS;

/// How much more than the reference is a regression. Two runs differ by one or two per cent, by how
/// events happen to fall together.
const TOLERANCE: f64 = 0.10;

/// Instructions for one of each.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Reference {
    /// What is counted → instructions for one.
    pub(crate) instructions: BTreeMap<String, u64>,
}

impl Reference {
    pub(crate) fn read(file: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(file).with_context(|| {
            format!(
                "cannot read {}; `ci/bench --instructions --update` writes it",
                file.display()
            )
        })?;
        serde_json::from_str(&text)
            .with_context(|| format!("{} is not what it should be", file.display()))
    }

    pub(crate) fn write(&self, file: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        fs::write(file, text + "\n").with_context(|| format!("cannot write {}", file.display()))
    }

    /// What each count is beside the reference, and whether any is too much.
    pub(crate) fn compare(&self, measured: &Self) -> (String, bool) {
        let mut text =
            String::from("| instructions for one | reference | now | |\n|---|---:|---:|---|\n");
        let mut over = false;
        for (name, now) in &measured.instructions {
            let Some(then) = self.instructions.get(name) else {
                text.push_str(&format!("| {name} | none | {now} | NEW |\n"));
                continue;
            };
            let change = *now as f64 / *then as f64 - 1.0;
            let is_over = change > TOLERANCE;
            // The bare proxy stands there to compare with; nobody here can make it worse.
            let is_ours = name.ends_with(Subject::Thoxd.title());
            over |= is_over && is_ours;
            let verdict = match (is_ours, is_over) {
                (false, _) => "",
                (true, true) => "OVER",
                (true, false) => "PASS",
            };
            text.push_str(&format!(
                "| {name} | {then} | {now} ({:+.1} %) | {verdict} |\n",
                change * 100.0
            ));
        }
        (text, over)
    }
}

/// Counts each kind of request, for thoxd and, as what cannot be had for less, for the bare proxy.
pub(crate) async fn measure(programs: &Programs, keep: Option<&Path>) -> anyhow::Result<Reference> {
    let mut reference = Reference::default();
    for (name, prompt, count) in [
        ("small request", Prompt::Small, 400),
        ("prompt of 32 KB", Prompt::Large, 200),
        ("stream of 64 chunks", Prompt::Stream, 20),
    ] {
        for subject in [Subject::Thoxd, Subject::Hyper] {
            let once = run(subject, programs, prompt, count, keep).await?;
            let twice = run(subject, programs, prompt, count * 2, keep).await?;
            let one = twice.saturating_sub(once) / count as u64;
            reference
                .instructions
                .insert(format!("{name}, {}", subject.title()), one);
        }
    }
    Ok(reference)
}

/// One run under callgrind; the instructions of the whole process.
async fn run(
    subject: Subject,
    programs: &Programs,
    prompt: Prompt,
    count: usize,
    keep: Option<&Path>,
) -> anyhow::Result<u64> {
    let scratch = tempfile::Builder::new()
        .prefix("thox-callgrind-")
        .tempdir()?;
    let folder = keep.map_or_else(|| scratch.path().to_owned(), PathBuf::from);
    let out = folder.join(format!("callgrind.{subject:?}.{prompt:?}.{count}.out"));
    let mut programs = programs.clone();
    programs.wrapper = vec![
        "valgrind".to_owned(),
        "--tool=callgrind".to_owned(),
        format!("--callgrind-out-file={}", out.display()),
    ];
    let upstream = subject::upstream().await?;
    let proxy = Running::start(subject, &programs, upstream.address).await?;
    let model = subject.model();
    until_answered(
        proxy.address,
        Prompt::Small.body(model),
        Duration::from_secs(60),
    )
    .await?;
    let body = prompt.body(model);
    // One client: with several it would be chance how many events share a wake-up.
    match prompt {
        Prompt::Stream => {
            streams(proxy.address, body, 1, count, CHUNKS).await?;
        }
        _ => {
            requests(proxy.address, body, 1, count).await?;
        }
    }
    proxy.stop().await?;
    let text = fs::read_to_string(&out).context("callgrind wrote no result")?;
    let Some(summary) = text.lines().find_map(|line| {
        line.strip_prefix("summary: ")
            .or_else(|| line.strip_prefix("totals: "))
    }) else {
        bail!("{} has no total", out.display());
    };
    Ok(summary.trim().parse()?)
}

#[cfg(test)]
mod tests {
    use super::Reference;

    #[test]
    fn only_a_real_rise_is_over() {
        let of = |name: &str, count| Reference {
            instructions: [(name.to_owned(), count)].into(),
        };
        let ours = "small request, thoxd";
        assert!(!of(ours, 1000).compare(&of(ours, 1099)).1);
        assert!(of(ours, 1000).compare(&of(ours, 1101)).1);
        assert!(!of(ours, 1000).compare(&of(ours, 500)).1);
        let theirs = "small request, bare hyper";
        assert!(!of(theirs, 1000).compare(&of(theirs, 2000)).1);
    }
}
