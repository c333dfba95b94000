//! `thox reboot`

use super::{
    print_json,
    restart::{Awaited, wait_for_another},
    status::STATUS,
};
use crate::{arguments::Target, ask, device::Device, failure::Failure, output::Output};
use http::Method;
use std::time::{Duration, Instant};
use thox_api::{DeviceStatus, Reboot, Rebooting};

/// A board takes a minute to boot, a file system that has to be looked through some more.
const BOOTING: Duration = Duration::from_secs(10 * 60);

/// Restarts the device once that is confirmed, and waits until it answers again; not on the device itself, where there is
/// nobody left to wait.
pub(super) async fn run(
    is_confirmed: bool,
    target: &Target,
    output: Output,
) -> Result<(), Failure> {
    let device = Device::for_changes(target).await?;
    let (_, DeviceStatus { name, .. }) = device.get(STATUS).await?;
    if !is_confirmed {
        let question = format!("Restart the device {name} ({})?", device.url());
        ask::confirm(&question, "thox reboot --yes").await?;
    }
    let begun = Instant::now();
    let (reply, rebooting) = device
        .send::<Rebooting>(Method::POST, "/thox/v1/reboot", &Reboot { confirm: name })
        .await?;
    let Rebooting { name, instance, .. } = rebooting;
    if device.address().is_none() {
        return if target.json {
            print_json(&reply, output)
        } else {
            output.line(&format!("{name} restarts."))
        };
    }
    let (reply, status) = wait_for_another(
        &device,
        &instance,
        Awaited {
            begun,
            most: BOOTING,
            progress: "waiting for the device to end its programs and to start …",
            late: "the device was told to restart and does not answer",
            next: "look at the device itself: is it on, does it show anything?",
        },
    )
    .await?;
    if target.json {
        return print_json(&reply, output);
    }
    output.line(&format!(
        "{} is there again after {} s, with thoxd {}.",
        status.name,
        begun.elapsed().as_secs(),
        status.version
    ))
}
