//! `thox auth`: whether asking models needs a key.

use super::{keys, print_json};
use crate::{
    arguments::{AuthCommand, Target},
    device::Device,
    failure::Failure,
    output::{self, Output},
};
use http::Method;
use thox_api::{AuthStatus, SetAuth};

const AUTH: &str = "/thox/v1/auth";

/// Carries out the command.
pub(super) async fn run(
    command: AuthCommand,
    target: &Target,
    output: Output,
) -> Result<(), Failure> {
    let device = Device::for_changes(target).await?;
    let is_json = target.json;
    match command {
        AuthCommand::Status => status(&device, output, is_json).await,
        AuthCommand::Enable => set(&device, true, output, is_json).await,
        AuthCommand::Disable => set(&device, false, output, is_json).await,
        AuthCommand::GenerateKey { name, options } => {
            keys::generate(&device, name, &options, output, is_json).await
        }
        AuthCommand::ListKeys => keys::list(&device, output, is_json).await,
        AuthCommand::RevokeKey { key } => keys::revoke(&device, &key, output, is_json).await,
        AuthCommand::RotateKey { key } => keys::rotate(&device, &key, output, is_json).await,
    }
}

async fn status(device: &Device, output: Output, is_json: bool) -> Result<(), Failure> {
    let (reply, status) = device.get::<AuthStatus>(AUTH).await?;
    if is_json {
        return print_json(&reply, output);
    }
    let AuthStatus {
        enabled,
        claimed,
        keys,
        tls,
        warning,
    } = status;
    let is_on = |is_on| if is_on { "on" } else { "off" };
    output.line(&format!("authentication: {}", is_on(enabled)))?;
    output.line(&format!("TLS:            {}", is_on(tls)))?;
    output.line(&format!("keys:           {keys}"))?;
    let claimed = if claimed {
        "yes"
    } else {
        "no; `thox claim-code` on the device shows the code for `thox claim`"
    };
    output.line(&format!("claimed:        {claimed}"))?;
    if let Some(warning) = warning {
        output::warning(&warning);
    }
    Ok(())
}

async fn set(device: &Device, enabled: bool, output: Output, is_json: bool) -> Result<(), Failure> {
    let (reply, status) = device
        .send::<AuthStatus>(Method::PUT, AUTH, &SetAuth { enabled })
        .await?;
    if is_json {
        print_json(&reply, output)?;
    } else {
        output.line(match status.enabled {
            true => "Authentication is on: nobody is answered without a key any more.",
            false => "Authentication is off: everybody on the device's own network is answered.",
        })?;
    }
    if let Some(warning) = &status.warning {
        output::warning(warning);
    }
    if status.enabled && status.keys == 0 {
        output::warning("there is no key yet; make one: thox auth generate-key --name NAME");
    }
    Ok(())
}
