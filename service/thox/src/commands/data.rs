//! `thox data`: what the device has kept of requests.

use super::print_json;
use crate::{arguments::Target, ask, device::Device, failure::Failure, output::Output};
use thox_api::DataCleared;

/// Deletes it, once that is confirmed.
pub(super) async fn clear(
    is_confirmed: bool,
    target: &Target,
    output: Output,
) -> Result<(), Failure> {
    let device = Device::for_changes(target).await?;
    if !is_confirmed {
        let question = format!(
            "Delete the audit log and the last decisions of {}?",
            device.url()
        );
        ask::confirm(&question, "thox data clear --yes").await?;
    }
    let (reply, cleared) = device.delete::<DataCleared>("/thox/v1/data").await?;
    if target.json {
        return print_json(&reply, output);
    }
    output.line(&format!(
        "Deleted: {} lines of the audit log, {} decisions.",
        cleared.audit_lines, cleared.decisions
    ))
}
