//! `thox mcp`
//!
//! - `bridge`: MCP over the standard input and output, to the device and back.
//! - `input`: the lines of the standard input; `order`: which of them may go now.
//! - `line`: a message as it stands on a line, and errors in its form.
//! - `session`: what a client of an older revision has at the device.
//! - `config`: what makes a client use the device.

mod bridge;
mod config;
mod input;
mod line;
mod order;
mod session;

use crate::{
    arguments::{McpArguments, McpCommand, Target},
    device::Device,
    failure::Failure,
    output::Output,
};

pub(super) async fn run(
    arguments: McpArguments,
    target: &Target,
    output: Output,
) -> Result<(), Failure> {
    match arguments.command {
        None => bridge::run(Device::find(target).await?, output).await,
        Some(McpCommand::Config { client, stdio }) => {
            let device = Device::find(target).await?;
            config::print(&device, client, stdio, output)
        }
    }
}
