//! What each command does.

mod auth;
mod chat;
mod claim;
mod claim_code;
mod config;
mod data;
mod discover;
mod downloads;
mod engines;
mod follow;
mod keys;
mod logs;
mod mcp;
mod models;
mod own_key;
mod pages;
mod qr;
mod reboot;
mod reset;
mod restart;
mod router;
mod settings;
mod status;
mod trust;
mod update;
mod which;
mod words;

use crate::{
    arguments::{
        ApiKeyCommand, Arguments, Command, DataCommand, ModelsCommand, RouterCommand, Target,
    },
    device::{Device, Reply, around},
    failure::{Exit, Failure},
    interrupt::Interrupt,
    output::Output,
};
use downloads::Work;
use std::time::Duration;

/// Carries out a command; Ctrl-C ends it.
pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments {
        mut target,
        command,
    } = arguments;
    let output = Output::new();
    let mut interrupt = Interrupt::listen()?;
    if asks_a_device(&command) && target.host.as_deref() == Some(AUTO) {
        let has_key = target.api_key.is_some();
        let only = tokio::select! {
            only = around::only(has_key) => only,
            () = interrupt.wait() => Err(Failure::Silent(Exit::Interrupted)),
        };
        target.host = Some(only?);
    }
    if let Command::Chat(arguments) = command {
        // Between two prompts Ctrl-C does not end the conversation, so it waits for it itself.
        return chat::run(arguments, &target, output, &mut interrupt).await;
    }
    tokio::select! {
        done = carry_out(command, &target, output) => done,
        () = interrupt.wait() => Err(Failure::Silent(Exit::Interrupted)),
    }
}

/// What stands in a host's place for the only device of the network.
const AUTO: &str = "auto";

fn asks_a_device(command: &Command) -> bool {
    !matches!(
        command,
        Command::Discover { .. } | Command::Completions { .. } | Command::Man { .. }
    )
}

async fn carry_out(command: Command, target: &Target, output: Output) -> Result<(), Failure> {
    let is_json = target.json;
    let device = Device::find(target);
    match command {
        Command::Status => status::show(&device.await?, output, is_json).await,
        Command::Discover { wait } => {
            discover::run(Duration::from_secs(wait), output, is_json).await
        }
        Command::Models(ModelsCommand::List) => models::list(&device.await?, output, is_json).await,
        Command::Models(command) => {
            let device = Device::for_changes(target).await?;
            change_models(command, &device, output, is_json).await
        }
        Command::Engines(command) => engines::run(command, target, output).await,
        Command::Reboot { yes } => reboot::run(yes, target, output).await,
        Command::Logs(arguments) => {
            let device = Device::for_changes(target).await?;
            logs::show(&device, &arguments, output, is_json).await
        }
        Command::Update(command) => update::run(command, target, output).await,
        Command::Restart => {
            let device = Device::for_changes(target).await?;
            restart::run(&device, output, is_json).await
        }
        Command::Router(RouterCommand::Status) => {
            router::status(&device.await?, output, is_json).await
        }
        Command::Router(RouterCommand::Explain { model }) => {
            router::explain(&device.await?, &model, output, is_json).await
        }
        Command::Mcp(arguments) => mcp::run(arguments, target, output).await,
        Command::Claim(arguments) => claim::claim(arguments, target, output).await,
        Command::ClaimCode(arguments) => claim_code::run(arguments, target, output).await,
        Command::Reset(arguments) => reset::run(arguments, target, output).await,
        Command::Trust(arguments) => trust::run(arguments, target, output).await,
        Command::Auth(command) => auth::run(command, target, output).await,
        Command::ApiKey(ApiKeyCommand::Generate { name, options }) => {
            let device = Device::for_changes(target).await?;
            let name = name.unwrap_or_else(words::this_user);
            keys::generate(&device, name, &options, output, is_json).await
        }
        Command::Data(DataCommand::Clear { yes }) => data::clear(yes, target, output).await,
        Command::Config(command) => config::run(command, target, output).await,
        Command::Completions { shell } => pages::completions(shell, output),
        Command::Man { folder } => pages::manual(folder.as_deref(), output),
        Command::Chat(_) => Ok(()),
    }
}

async fn change_models(
    command: ModelsCommand,
    device: &Device,
    output: Output,
    is_json: bool,
) -> Result<(), Failure> {
    let (change, arguments) = match command {
        ModelsCommand::List => return models::list(device, output, is_json).await,
        ModelsCommand::Pull(arguments) => {
            return downloads::begin(device, Work::Pull, arguments, output, is_json).await;
        }
        ModelsCommand::Build(arguments) => {
            return downloads::begin(device, Work::Build, arguments, output, is_json).await;
        }
        ModelsCommand::Downloads { cancel: None } => {
            return downloads::list(device, output, is_json).await;
        }
        ModelsCommand::Downloads { cancel: Some(id) } => {
            return downloads::cancel(device, &id, output, is_json).await;
        }
        ModelsCommand::Load(arguments) => (models::Change::Load, arguments),
        ModelsCommand::Unload(arguments) => (models::Change::Unload, arguments),
        ModelsCommand::Rm(arguments) => (models::Change::Delete, arguments),
    };
    models::change(device, change, arguments, output, is_json).await
}

/// Prints a reply as the device sent it, so that fields that this version does not know are not lost.
fn print_json(reply: &Reply, output: Output) -> Result<(), Failure> {
    output.line(String::from_utf8_lossy(&reply.body).trim_end())
}
