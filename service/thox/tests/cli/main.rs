//! The binary as users run it, in front of a little server with canned replies.
//!
//! - [`server`]: that server, over TCP, TLS and Unix sockets; [`identity`]: its certificates; [`command`]: runs the binary, bounded in time.
//! - [`looking`]: status, models, router, and which device is asked.
//! - [`chatting`]: prompts, streams, pipes, Ctrl-C, the conversation in a terminal.
//! - [`configuring`]: the settings files.
//! - [`managing`]: models that come and go, the log; [`updating`]: the device's system.
//! - [`device`]: a device that keeps keys; [`keys`], [`claiming`], [`trusting`], [`storing`], [`resetting`]: what is done with them.
//! - [`pages`]: help, completions, manual pages, mistakes in typing.

// Always true here; clippy's rules for tests reach helpers only in what is marked so.
#[cfg(test)]
mod chatting;
#[cfg(test)]
mod claiming;
#[cfg(test)]
mod command;
#[cfg(test)]
mod configuring;
#[cfg(test)]
mod device;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod looking;
#[cfg(test)]
mod managing;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod resetting;
#[cfg(test)]
mod server;
#[cfg(test)]
mod storing;
#[cfg(test)]
mod trusting;
#[cfg(test)]
mod updating;
