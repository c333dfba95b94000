//! `thox restart`

use super::print_json;
use crate::{
    device::Device,
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
    output::progress("waiting for requests under way to end, and for thoxd to start …");
    let deadline = begun + Duration::from_secs(drain_seconds) + STARTING;
    loop {
        tokio::time::sleep(BETWEEN_LOOKS).await;
        let status = device.get::<DeviceStatus>("/thox/v1/status").await;
        match status {
            Ok((reply, status)) if status.instance != instance => {
                output::progress("");
                if is_json {
                    return print_json(&reply, output);
                }
                let took = begun.elapsed();
                return output.line(&format!(
                    "thoxd {} runs anew after {}.{} s.",
                    status.version,
                    took.as_secs(),
                    took.subsec_millis() / 100
                ));
            }
            // Between the two there is nobody.
            Ok(_) | Err(_) if Instant::now() < deadline => {}
            Ok(_) | Err(_) => {
                output::progress("");
                return Err(Failure::with(
                    Exit::Unreachable,
                    format!(
                        "thoxd was told to start anew and does not answer after {:?}",
                        begun.elapsed()
                    ),
                )
                .next("the journal of the device tells why: journalctl -u thoxd"));
            }
        }
    }
}
