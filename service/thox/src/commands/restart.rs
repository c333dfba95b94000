//! `thox restart`, and waiting for a device that is on its way back.

use super::{print_json, status::STATUS};
use crate::{
    device::{Device, Reply},
    failure::{Exit, Failure},
    output::{self, Output},
};
use http::Method;
use serde_json::Value;
use std::time::{Duration, Instant};
use thox_api::{DeviceStatus, Restarting};

/// From the last request to the first look at the engines; a slow disk needs it.
const STARTING: Duration = Duration::from_secs(60);
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

/// What is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Awaited {
    pub(super) begun: Instant,
    /// Since it was begun.
    pub(super) most: Duration,
    /// What a person reads meanwhile.
    pub(super) progress: &'static str,
    /// What is wrong where it takes longer.
    pub(super) late: &'static str,
    /// And what to do about that.
    pub(super) next: &'static str,
}

/// Has thoxd start anew, and waits until the new one answers.
pub(super) async fn run(device: &Device, output: Output, is_json: bool) -> Result<(), Failure> {
    let begun = Instant::now();
    let restarting: (_, Restarting) = device
        .send(Method::POST, "/thox/v1/restart", &Value::Null)
        .await?;
    let Restarting {
        instance,
        drain_seconds,
        ..
    } = restarting.1;
    let (reply, status) = wait_for_another(
        device,
        &instance,
        Awaited {
            begun,
            most: Duration::from_secs(drain_seconds) + STARTING,
            progress: "waiting for requests under way to end, and for thoxd to start …",
            late: "thoxd was told to start anew and does not answer",
            next: "the journal of the device tells why: journalctl -u thoxd",
        },
    )
    .await?;
    if is_json {
        return print_json(&reply, output);
    }
    let took = begun.elapsed();
    output.line(&format!(
        "thoxd {} runs anew after {}.{} s.",
        status.version,
        took.as_secs(),
        took.subsec_millis() / 100
    ))
}

/// Waits until another run of thoxd than this one answers.
pub(super) async fn wait_for_another(
    device: &Device,
    instance: &str,
    awaited: Awaited,
) -> Result<(Reply, DeviceStatus), Failure> {
    output::progress(awaited.progress);
    let deadline = awaited.begun + awaited.most;
    loop {
        tokio::time::sleep(BETWEEN_LOOKS).await;
        let status = device.get::<DeviceStatus>(STATUS).await;
        match status {
            Ok((reply, status)) if status.instance != instance => {
                output::progress("");
                return Ok((reply, status));
            }
            // Between the two there is nobody.
            Ok(_) | Err(_) if Instant::now() < deadline => {}
            Ok(_) | Err(_) => {
                output::progress("");
                let message = format!("{} after {:?}", awaited.late, awaited.begun.elapsed());
                return Err(Failure::with(Exit::Unreachable, message).next(awaited.next));
            }
        }
    }
}
