//! `thox mcp`: the device as tools of editors and agents.

use clap::{Args, Subcommand, ValueEnum};

/// `thox mcp`
#[derive(Debug, Args)]
pub(crate) struct McpArguments {
    #[command(subcommand)]
    pub(crate) command: Option<McpCommand>,
}

/// What else there is to do.
#[derive(Debug, Subcommand)]
pub(crate) enum McpCommand {
    /// Print what makes a client use the device, in the client's own form
    ///
    /// No key is printed: where the device wants one, the client is told to take it from the variable THOX_API_KEY.
    Config {
        /// The client
        client: McpClient,
        /// Let the client start `thox mcp` instead of reaching the device itself; for a device whose TLS key is pinned
        /// there is no other way
        #[arg(long)]
        stdio: bool,
    },
}

/// The clients whose form is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum McpClient {
    /// Claude Code
    ClaudeCode,
    /// Codex CLI
    Codex,
    /// Visual Studio Code
    Vscode,
    /// Cursor
    Cursor,
    /// Zed
    Zed,
    /// Continue
    Continue,
    /// opencode
    Opencode,
}
