//! End to end: the real `thoxd` in front of engine doubles, seen by clients that read every byte.
//!
//! - `doubles`, `faults`: the doubles themselves: each trap and each fault really happens
//! - `rest`, `stream`, `tools`, `completions`, `embeddings`, `models`, `errors`, `websocket`: what API consumers see
//! - `routing`, `discovery`, `first_run`: which engine answers, as engines come and go
//! - `discovery_lan`: how the device is found on a network, which the tests make of namespaces
//! - `cancellation`, `broken_streams`, `fallback`, `slow_start`, `circuit`, `usage`: behaviour under trouble
//! - `privacy`: no prompt and no reply in any log
//! - `tls`: the encrypted port, its certificates, HTTP/2, and how many connections one client may have
//! - `mcp`: `/mcp` and its tools, as MCP clients see them
//! - `bus`: D-Bus: what programs of the machine see and may, the engines' units, no bus at all
//! - `rfc6455`: the WebSocket frame by frame, right and wrong, in the order of Autobahn's groups
//! - `soak`: minutes of broken connections, only where asked for
//! - `page`: the web page's files and what a browser may do with them
//! - `manage`: models that come and go, settings, the log, the restart
//! - `supervised`: what a service manager is told, reloads, sockets that are handed over; `listening`: where it listens
//! - `skipped`: why a test was not made
//! - `stage`: one thoxd and its engines, as most tests want them

#[cfg(test)]
mod broken_streams;
#[cfg(test)]
mod bus;
#[cfg(test)]
mod cancellation;
#[cfg(test)]
mod circuit;
#[cfg(test)]
mod completions;
#[cfg(test)]
mod discovery;
#[cfg(test)]
mod discovery_lan;
#[cfg(test)]
mod doubles;
#[cfg(test)]
mod embeddings;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod fallback;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod first_run;
#[cfg(test)]
mod listening;
#[cfg(test)]
mod manage;
#[cfg(test)]
mod mcp;
#[cfg(test)]
mod models;
#[cfg(test)]
mod page;
#[cfg(test)]
mod privacy;
#[cfg(test)]
mod rest;
#[cfg(test)]
mod rfc6455;
#[cfg(test)]
mod routing;
#[cfg(test)]
mod skipped;
#[cfg(test)]
mod slow_start;
#[cfg(test)]
mod soak;
#[cfg(test)]
mod stage;
#[cfg(test)]
mod stopping;
#[cfg(test)]
mod stream;
#[cfg(test)]
mod supervised;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod tools;
mod trust;
#[cfg(test)]
mod usage;
#[cfg(test)]
mod websocket;
