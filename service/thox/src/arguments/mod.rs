//! The commands and their options, as users type them.
//!
//! - [`access`]: what is about who may do what: keys, claiming, trust.
//! - [`lifetime`]: spans of time.
//! - [`mcp`]: the device as tools of editors and agents.
//! - [`update`]: the device's own system.

mod access;
mod lifetime;
mod mcp;
mod update;

use crate::secret::Secret;
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use std::path::PathBuf;
use thox_api::LogLevel;

pub(crate) use access::{
    ApiKeyCommand, AuthCommand, ClaimArguments, ClaimCodeArguments, DataCommand, KeyOptions,
    ResetArguments, TrustArguments,
};
pub(crate) use mcp::{McpArguments, McpClient, McpCommand};
pub(crate) use update::UpdateCommand;

const AFTER_HELP: &str = "\
Exit codes:
  0    it worked
  1    it failed
  2    the command was typed wrongly
  3    the device cannot be reached
  4    a key is needed, or the given one is not accepted
  5    what was asked for is not there
  130  Ctrl-C

Environment:
  THOX_HOST     the device, as --host
  THOX_API_KEY  the key, as --api-key; it stays out of the list of processes
  NO_COLOR      no colours, if it is not empty

Files:
  $XDG_CONFIG_HOME/thox/credentials.toml (else ~/.config/…)
                the key and the TLS fingerprint of each device
  /run/thox/control.sock, else $XDG_RUNTIME_DIR/thox/control.sock
                by which this machine's own thoxd is changed without a key";

/// Talk to a Thox device: its models, its router, its settings
///
/// Without --host the device is the one on this machine if there is one, and thox.local otherwise.
#[derive(Debug, Parser)]
#[command(name = "thox", version, after_help = AFTER_HELP, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
pub(crate) struct Target {
    /// The device: NAME, NAME:PORT, http://NAME:PORT or https://NAME; the port is 8080 where a name stands alone, and
    /// 8443 with https; auto is the only device of the network
    #[arg(long, global = true, env = "THOX_HOST", value_name = "HOST")]
    pub(crate) host: Option<String>,
    /// The key that the device wants, if it wants one; without it, the one that is stored for the device
    #[arg(
        long,
        global = true,
        env = "THOX_API_KEY",
        hide_env_values = true,
        value_name = "KEY"
    )]
    pub(crate) api_key: Option<Secret>,
    /// The control socket of the thoxd on this machine, where it is not in its usual place
    #[arg(long, global = true, env = "THOX_CONTROL_SOCKET", value_name = "PATH")]
    pub(crate) control_socket: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Whether the device is well, and its engines; exit code 1 if it is unhealthy
    Status,
    /// The devices of this network: name, address, version, health; exit code 5 if there is none
    Discover {
        /// How long to wait for answers
        #[arg(long, value_name = "SECONDS", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=60))]
        wait: u64,
    },
    /// The models that can be asked, and those that come and go
    #[command(subcommand)]
    Models(ModelsCommand),
    /// The engines that compute the answers, and the services that run them
    #[command(subcommand)]
    Engines(EnginesCommand),
    /// Ask a model; without a prompt, talk with it
    ///
    /// The reply is printed as it comes. Ctrl-C stops it, on the device too. What is piped in is the prompt, or is added
    /// to the one that is typed: git diff | thox chat thox-coder "Review this."
    Chat(ChatArguments),
    /// Which engine answers what, and why
    #[command(subcommand)]
    Router(RouterCommand),
    /// The device as tools of editors and agents (MCP): on the standard input and output, for clients that know no other
    /// way
    ///
    /// A client starts this by itself; `thox mcp config CLIENT` prints what tells it to, or how it reaches the device
    /// without it.
    Mcp(McpArguments),
    /// Take a device over by its claim code: its first admin key is stored, and its TLS key pinned
    Claim(ClaimArguments),
    /// The code by which this device is claimed; on the device itself alone
    ClaimCode(ClaimCodeArguments),
    /// Pin a device's TLS key, so that no other is spoken to under its name
    Trust(TrustArguments),
    /// Make a device new again: no key, no owner, no settings of its own
    ///
    /// Its keys end at once; another claim code and another TLS key come; its audit log and the settings that `thox` has
    /// made go. Where the device's own image runs, models and what engines keep go at the next boot.
    Reset(ResetArguments),
    /// Who may ask models: authentication and keys
    ///
    /// On the device itself this needs no key but the membership in the group thox; over the network it needs an admin
    /// key.
    #[command(subcommand)]
    Auth(AuthCommand),
    /// Keys; the same as thox auth generate-key
    #[command(subcommand)]
    ApiKey(ApiKeyCommand),
    /// What the device has kept of requests
    #[command(subcommand)]
    Data(DataCommand),
    /// The device's own system: install an update, see how it fares, go back
    #[command(subcommand)]
    Update(UpdateCommand),
    /// The last lines of the device's log
    Logs(LogsArguments),
    /// Start the device's thoxd anew, and wait until it answers again
    Restart,
    /// Restart the device as a whole, and wait until it answers again
    ///
    /// Requests under way are finished first, programs are ended in order. On the device itself this command ends with
    /// everything else.
    Reboot {
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// The settings files of this machine, or the settings of a device that --host names; and the key that thox uses
    ///
    /// Beside the settings of the files there are: api.key, the key that thox uses for the device; api.rate_limit, which
    /// is limits.remote_requests_per_minute; default_model, which is router.default_model.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print what makes a shell complete this command
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page, or write all of them to a folder
    Man {
        /// The folder, which is made if it is not there
        folder: Option<PathBuf>,
    },
}

/// `thox models`
#[derive(Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    /// List them
    List,
    /// Fetch a model and show how far it is; it goes on without this command too
    Pull(ModelArguments),
    /// Compile an engine for a model that is on the device, and show how far it is; it goes on without this command too
    ///
    /// For TensorRT: the model is a folder of /data/tensorrt-llm on the device, with what was published in its folder
    /// model. It takes half an hour and more, and the device serves the model then. Ctrl-C leaves it going;
    /// thox models downloads --cancel ends it.
    Build(ModelArguments),
    /// Take a model into memory
    Load(ModelArguments),
    /// Drop a model from memory
    Unload(ModelArguments),
    /// Remove a model from the disk
    Rm(ModelArguments),
    /// The downloads and builds under way and the last ones
    Downloads {
        /// Cancel the one of this id
        #[arg(long, value_name = "ID")]
        cancel: Option<String>,
    },
}

/// `thox engines`
#[derive(Debug, Subcommand)]
pub(crate) enum EnginesCommand {
    /// List them, with the unit of the service manager that runs each
    List,
    /// Start an engine's unit, and wait until it runs; also one that was given up after too many failures
    Start(EngineArguments),
    /// Stop an engine's unit until it is started again, or the device restarts
    Stop(EngineArguments),
    /// End an engine's unit and run it anew
    Restart(EngineArguments),
}

/// An engine.
#[derive(Debug, Args)]
pub(crate) struct EngineArguments {
    /// Its name in the settings; thox engines list shows them
    #[arg(value_name = "NAME")]
    pub(crate) engine: String,
}

/// A model, and where.
#[derive(Debug, Args)]
pub(crate) struct ModelArguments {
    /// Its name: llama3.2:3b, hf.co/OWNER/MODEL:TAG, or one that thox models list shows
    pub(crate) model: String,
    /// The engine that is meant, by its name in the settings, where several could be
    #[arg(long)]
    pub(crate) engine: Option<String>,
}

/// `thox logs`
#[derive(Debug, Args)]
pub(crate) struct LogsArguments {
    /// So many of the last lines
    #[arg(short = 'n', long, default_value_t = 100)]
    pub(crate) lines: usize,
    /// Go on with those that come, until Ctrl-C
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Those that matter at least so much: error, warn, info, debug or trace
    #[arg(long)]
    pub(crate) level: Option<LogLevel>,
}

/// `thox chat`
#[derive(Debug, Args)]
pub(crate) struct ChatArguments {
    /// The model; without it, the device's default model
    pub(crate) model: Option<String>,
    /// The prompt; its words need no quotes
    #[arg(trailing_var_arg = true)]
    pub(crate) prompt: Vec<String>,
}

/// `thox router`
#[derive(Debug, Subcommand)]
pub(crate) enum RouterCommand {
    /// The rules, each engine's health and load, where each model goes, the last decisions
    Status,
    /// Where a request for a model would go now, why, and why not elsewhere
    Explain {
        /// The model
        model: String,
    },
}

/// `thox config`
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print the value of a key, or of all keys of a table, or of all
    Get {
        /// The key, such as server.listen, or a table, such as engines
        key: Option<String>,
        #[command(flatten)]
        from: SettingsFile,
        /// Print api.key whole
        #[arg(long)]
        reveal: bool,
    },
    /// Take a key out of the file that set changes, so that its default counts again
    Unset {
        /// The key
        key: String,
        /// The file to change; without it, the same as for set
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Change a key, if all settings are valid with it
    Set {
        /// The key
        key: String,
        /// The value: TOML, or a bare word; of api.key, - reads it from the standard input and '' forgets it
        #[arg(allow_hyphen_values = true)]
        value: Secret,
        /// The file to change; without it, /etc/thox/config.d/90-thox.toml as root, and the user's own file otherwise
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Have thoxd read its settings files again: what can change at once changes, the rest waits for a restart
    ///
    /// All or nothing: settings that are not valid change nothing.
    Reload,
    /// What a key means, its default, its value, and which file that is from
    Explain {
        /// The key
        key: String,
        #[command(flatten)]
        from: SettingsFile,
    },
}

/// Another file than the usual ones.
#[derive(Debug, Args)]
pub(crate) struct SettingsFile {
    /// Read this file instead of the system's and the user's, as thoxd --config does
    #[arg(long = "config", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_commands_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn what_was_typed_can_be_shown_without_its_keys() {
        for typed in [
            &["thox", "--api-key", "sk-SECRET", "status"][..],
            &["thox", "config", "set", "api.key", "sk-SECRET"],
        ] {
            let arguments = Arguments::try_parse_from(typed).unwrap();
            assert!(
                !format!("{arguments:?}").contains("SECRET"),
                "{arguments:?}"
            );
        }
    }

    #[test]
    fn a_prompt_needs_no_quotes_and_options_stand_anywhere_before_it() {
        let typed = [
            "thox",
            "chat",
            "--json",
            "--host",
            "box",
            "thox-coder",
            "how",
            "-many",
            "--x",
        ];
        let arguments = Arguments::try_parse_from(typed).unwrap();
        assert!(arguments.target.json);
        let Command::Chat(chat) = arguments.command else {
            panic!("another command");
        };
        assert_eq!(chat.model.as_deref(), Some("thox-coder"));
        assert_eq!(chat.prompt, ["how", "-many", "--x"]);
    }
}
