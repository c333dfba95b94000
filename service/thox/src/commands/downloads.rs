//! `thox models pull`, `thox models build` and `thox models downloads`.

use super::{follow, print_json, words};
use crate::{
    arguments::ModelArguments,
    device::{Device, escaped},
    failure::{Exit, Failure},
    output::{Cell, Output, Tone},
};
use http::Method;
use thox_api::{Download, DownloadList, DownloadState, NamedModel};

const DOWNLOADS: &str = "/thox/v1/models/downloads";

/// What a device is asked for that takes long.
#[derive(Clone, Copy, Debug)]
pub(super) enum Work {
    /// A model is fetched.
    Pull,
    /// An engine is compiled for one.
    Build,
}

impl Work {
    fn route(self) -> &'static str {
        match self {
            Self::Pull => DOWNLOADS,
            Self::Build => "/thox/v1/models/builds",
        }
    }

    fn noun(self) -> &'static str {
        match self {
            Self::Pull => "download",
            Self::Build => "build",
        }
    }

    /// What a list has.
    fn of(download: &Download) -> Self {
        match &*download.object {
            "model.build" => Self::Build,
            _ => Self::Pull,
        }
    }
}

/// Has a model fetched or compiled, and shows how far it is until it is there.
pub(super) async fn begin(
    device: &Device,
    work: Work,
    arguments: ModelArguments,
    output: Output,
    is_json: bool,
) -> Result<(), Failure> {
    let named = NamedModel::from(arguments);
    let (_, begun) = device
        .send::<Download>(Method::POST, work.route(), &named)
        .await?;
    let path = format!("{DOWNLOADS}/{}?follow=true", escaped(&begun.id));
    let lines = device.lines(&path).await?;
    let followed = follow::Work {
        noun: work.noun(),
        progress,
        // The device says no more after its end.
        is_over: |_| false,
    };
    let last = follow::follow(followed, begun, lines, output, is_json).await?;
    ended(work, last, output, is_json)
}

fn ended(work: Work, download: Download, output: Output, is_json: bool) -> Result<(), Failure> {
    let Download {
        model,
        engine,
        bytes,
        ..
    } = &download;
    match download.state {
        DownloadState::Succeeded if is_json => Ok(()),
        DownloadState::Succeeded => output.line(&match work {
            Work::Pull => format!("{model} is on {engine}: {}.", words::bytes(*bytes)),
            Work::Build => format!("{model} is built, and {engine} serves it."),
        }),
        DownloadState::Failed => {
            let error = download.error;
            let is_missing = error
                .as_ref()
                .is_some_and(|error| error.code.as_deref() == Some("model_not_found"));
            let exit = if is_missing { Exit::NotFound } else { Exit::Error };
            let message = error.map_or_else(|| format!("the {} failed", work.noun()), |error| error.message);
            Err(Failure::with(exit, message))
        }
        DownloadState::Cancelled => Err(Failure::error(format!(
            "the {} of {model} was cancelled",
            work.noun()
        ))),
        DownloadState::Queued | DownloadState::Running => Err(Failure::error(format!(
            "the device stopped telling of the {} of {model}",
            work.noun()
        ))
        .next(match work {
            Work::Pull => "thox models downloads tells whether it goes on; thox models pull begins it again where it was",
            Work::Build => "thox models downloads tells whether it goes on; thox models build follows it again",
        })),
    }
}

/// `llama3.2:3b  734.0 MB of 2.0 GB  36 %  11.5 MB/s  1 min 51 s left`
fn progress(download: &Download) -> String {
    let mut parts = vec![download.model.clone()];
    match download.total {
        Some(total) if total > 0 => {
            let percent = u128::from(download.bytes) * 100 / u128::from(total);
            parts.push(format!(
                "{} of {}",
                words::bytes(download.bytes),
                words::bytes(total)
            ));
            parts.push(format!("{percent} %"));
        }
        // A build: what it makes is counted, and nobody knows how much that will be.
        Some(_) | None if download.bytes > 0 => parts.push(words::bytes(download.bytes)),
        Some(_) | None => {}
    }
    if let Some(rate) = download.bytes_per_second {
        parts.push(format!("{}/s", words::bytes(rate)));
        let left = download.total.and_then(|total| {
            total
                .saturating_sub(download.bytes)
                .checked_div(rate)
                .filter(|left| *left > 0)
        });
        parts.extend(left.map(|left| format!("{} left", words::span(left))));
    }
    if download.status != "downloading" {
        parts.push(download.status.clone());
    }
    parts.join("  ")
}

/// Lists the downloads and builds.
pub(super) async fn list(device: &Device, output: Output, is_json: bool) -> Result<(), Failure> {
    let (reply, list) = device.get::<DownloadList>(DOWNLOADS).await?;
    if is_json {
        return print_json(&reply, output);
    }
    if list.data.is_empty() {
        return output.line("Nothing has been downloaded since thoxd started.");
    }
    let heading = ["ID", "MODEL", "ENGINE", "STATE", "THERE", "OF", "BEGUN"];
    let mut rows = vec![heading.map(Cell::from).to_vec()];
    for download in &list.data {
        rows.push(vec![
            download.id.as_str().into(),
            download.model.as_str().into(),
            download.engine.as_str().into(),
            state(download),
            words::bytes(download.bytes).into(),
            download.total.map_or_else(words::dash, words::bytes).into(),
            words::ago(download.created).into(),
        ]);
    }
    output.table(&rows)
}

fn state(download: &Download) -> Cell {
    match download.state {
        DownloadState::Queued => Cell::toned(Tone::Faint, "queued"),
        DownloadState::Running => download
            .bytes_per_second
            .map_or_else(
                || "running".to_owned(),
                |rate| format!("running, {}/s", words::bytes(rate)),
            )
            .into(),
        DownloadState::Succeeded => Cell::toned(Tone::Good, "succeeded"),
        DownloadState::Failed => Cell::toned(Tone::Bad, "failed"),
        DownloadState::Cancelled => Cell::toned(Tone::Warning, "cancelled"),
    }
}

/// Cancels one of them.
pub(super) async fn cancel(
    device: &Device,
    id: &str,
    output: Output,
    is_json: bool,
) -> Result<(), Failure> {
    let path = format!("{DOWNLOADS}/{}", escaped(id));
    let (reply, over) = device.delete::<Download>(&path).await?;
    if is_json {
        return print_json(&reply, output);
    }
    let (noun, model) = (Work::of(&over).noun(), over.model);
    output.line(&match over.state {
        DownloadState::Cancelled => format!("The {noun} of {model} is cancelled."),
        DownloadState::Succeeded => format!("The {noun} of {model} was done already."),
        DownloadState::Failed | DownloadState::Queued | DownloadState::Running => {
            format!("The {noun} of {model} had failed already.")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_told_as_far_as_it_is_known() {
        let mut download = Download {
            id: "dl_1".to_owned(),
            object: "model.download".to_owned(),
            model: "llama3.2:3b".to_owned(),
            engine: "ollama".to_owned(),
            state: DownloadState::Running,
            status: "pulling manifest".to_owned(),
            bytes: 0,
            total: None,
            bytes_per_second: None,
            created: 0,
            finished: None,
            error: None,
        };
        assert_eq!(progress(&download), "llama3.2:3b  pulling manifest");
        download.status = "downloading".to_owned();
        download.bytes = 734_000_000;
        download.total = Some(2_000_000_000);
        assert_eq!(progress(&download), "llama3.2:3b  734.0 MB of 2.0 GB  36 %");
        download.bytes_per_second = Some(11_500_000);
        assert_eq!(
            progress(&download),
            "llama3.2:3b  734.0 MB of 2.0 GB  36 %  11.5 MB/s  1 min 50 s left"
        );
        download.bytes_per_second = Some(0);
        assert!(progress(&download).ends_with("0 B/s"));
        download.bytes_per_second = None;
        download.total = None;
        download.status = "compiling, 12 min so far".to_owned();
        assert_eq!(
            progress(&download),
            "llama3.2:3b  734.0 MB  compiling, 12 min so far"
        );
    }
}
