//! What makes a client use the device, in the client's own form. Each form's source stands beside it.

use crate::{
    arguments::McpClient,
    device::{Device, Scheme},
    failure::{Exit, Failure},
    output::{Output, remark},
};
use serde_json::{Value, json};

/// The key is never printed: the client takes it from here.
const KEY: &str = "THOX_API_KEY";

/// How a client reaches the device.
enum Way {
    /// By itself.
    Http { url: String, wants_key: bool },
    /// Through this program.
    Stdio {
        arguments: Vec<String>,
        wants_key: bool,
    },
}

/// Prints the snippet, and where it goes.
pub(super) fn print(
    device: &Device,
    client: McpClient,
    stdio: bool,
    output: Output,
) -> Result<(), Failure> {
    let Some(address) = device.address() else {
        return Err(Failure::with(
            Exit::Usage,
            "a client reaches a device over the network, not over the control socket",
        ));
    };
    // A client checks certificates by the system's authorities, which know nothing of a pinned key.
    let is_pinned = address.scheme() == Scheme::Https && !device.is_vouched_for();
    let way = if stdio || is_pinned {
        Way::Stdio {
            arguments: vec!["--host".to_owned(), device.url(), "mcp".to_owned()],
            wants_key: device.has_key(),
        }
    } else {
        Way::Http {
            url: format!("{}/mcp", device.url()),
            wants_key: device.has_key(),
        }
    };
    let (place, text) = snippet(client, &way);
    remark(&format!("{place}:"));
    if let Way::Http {
        wants_key: true, ..
    } = way
    {
        remark(&format!("({})", whence(client)));
    }
    output.line(&text)
}

/// Where a client that reaches the device by itself has the key from.
fn whence(client: McpClient) -> String {
    match client {
        McpClient::ClaudeCode | McpClient::Codex | McpClient::Cursor | McpClient::Opencode => {
            format!("the key comes from the variable {KEY}, set where the client runs")
        }
        McpClient::Continue => format!(
            "the key comes from the variable {KEY}, set where the client runs or in ~/.continue/.env"
        ),
        McpClient::Vscode => "VS Code asks for the key, once".to_owned(),
        McpClient::Zed => "write the key in the place of YOUR_KEY".to_owned(),
    }
}

fn snippet(client: McpClient, way: &Way) -> (&'static str, String) {
    match client {
        // https://code.claude.com/docs/en/mcp
        McpClient::ClaudeCode => {
            let server = server(way, Some("http"), &format!("Bearer ${{{KEY}}}"));
            (
                ".mcp.json of a project, or `claude mcp add-json thox '…'` with what stands after \"thox\"",
                pretty(&json!({"mcpServers": {"thox": server}})),
            )
        }
        // https://developers.openai.com/codex/mcp
        McpClient::Codex => ("~/.codex/config.toml", codex(way)),
        // https://code.visualstudio.com/docs/agents/reference/mcp-configuration
        McpClient::Vscode => {
            let mut config = json!({"servers": {
                "thox": server(way, Some("http"), "Bearer ${input:thox-api-key}"),
            }});
            if let (
                Way::Http {
                    wants_key: true, ..
                },
                Some(fields),
            ) = (way, config.as_object_mut())
            {
                let input = json!({
                    "type": "promptString", "id": "thox-api-key", "password": true,
                    "description": "API key of the Thox device",
                });
                fields.insert("inputs".to_owned(), json!([input]));
            }
            (
                ".vscode/mcp.json, or the command \"MCP: Open User Configuration\"",
                pretty(&config),
            )
        }
        // https://cursor.com/docs/mcp
        McpClient::Cursor => {
            let server = server(way, None, &format!("Bearer ${{env:{KEY}}}"));
            (
                "~/.cursor/mcp.json, or .cursor/mcp.json of a project",
                pretty(&json!({"mcpServers": {"thox": server}})),
            )
        }
        // https://zed.dev/docs/ai/mcp
        McpClient::Zed => {
            // Zed puts no variables into headers: the key has to be written in its place.
            let server = server(way, None, "Bearer YOUR_KEY");
            (
                "Zed's settings.json (command \"zed: open settings file\")",
                pretty(&json!({"context_servers": {"thox": server}})),
            )
        }
        // https://docs.continue.dev/customize/deep-dives/mcp
        McpClient::Continue => (
            ".continue/mcpServers/thox.yaml, or the same folder below ~",
            yaml(way),
        ),
        // https://opencode.ai/docs/mcp-servers
        McpClient::Opencode => {
            let server = match way {
                Way::Http { url, wants_key } => {
                    let mut server = json!({"type": "remote", "url": url});
                    add_key(&mut server, *wants_key, &format!("Bearer {{env:{KEY}}}"));
                    server
                }
                Way::Stdio { arguments, .. } => {
                    let command: Vec<&str> = std::iter::once("thox")
                        .chain(arguments.iter().map(String::as_str))
                        .collect();
                    json!({"type": "local", "command": command})
                }
            };
            (
                "opencode.json of a project, or ~/.config/opencode/opencode.json (one that knows no \"servers\" is old: there \"thox\" stands right below \"mcp\")",
                pretty(&json!({
                    "$schema": "https://opencode.ai/config.json",
                    "mcp": {"servers": {"thox": server}},
                })),
            )
        }
    }
}

/// A server as most clients have it.
fn server(way: &Way, kind: Option<&str>, key: &str) -> Value {
    match way {
        Way::Http { url, wants_key } => {
            let mut server = json!({});
            if let (Some(kind), Some(fields)) = (kind, server.as_object_mut()) {
                fields.insert("type".to_owned(), kind.into());
            }
            if let Some(fields) = server.as_object_mut() {
                fields.insert("url".to_owned(), url.as_str().into());
            }
            add_key(&mut server, *wants_key, key);
            server
        }
        Way::Stdio { arguments, .. } => json!({"command": "thox", "args": arguments}),
    }
}

fn add_key(server: &mut Value, wants_key: bool, value: &str) {
    if let (true, Some(fields)) = (wants_key, server.as_object_mut()) {
        fields.insert("headers".to_owned(), json!({"Authorization": value}));
    }
}

fn codex(way: &Way) -> String {
    let quoted = |text: &str| toml_edit::Value::from(text).to_string();
    match way {
        Way::Http { url, wants_key } => {
            let mut text = format!("[mcp_servers.thox]\nurl = {}", quoted(url));
            if *wants_key {
                text.push_str(&format!("\nbearer_token_env_var = {}", quoted(KEY)));
            }
            text
        }
        Way::Stdio {
            arguments,
            wants_key,
        } => {
            let list: Vec<String> = arguments.iter().map(|text| quoted(text)).collect();
            let mut text = format!(
                "[mcp_servers.thox]\ncommand = \"thox\"\nargs = [{}]",
                list.join(", ")
            );
            // Codex gives a program that it starts none of its variables but the usual ones.
            if *wants_key {
                text.push_str(&format!("\nenv_vars = [{}]", quoted(KEY)));
            }
            text
        }
    }
}

/// JSON strings are YAML strings.
fn yaml(way: &Way) -> String {
    let quoted = |text: &str| Value::from(text).to_string();
    let head = "name: Thox\nversion: 0.0.1\nschema: v1\nmcpServers:\n  - name: thox\n";
    match way {
        Way::Http { url, wants_key } => {
            let mut text = format!("{head}    type: streamable-http\n    url: {}", quoted(url));
            if *wants_key {
                let key = quoted(&format!("Bearer ${{{{ secrets.{KEY} }}}}"));
                text.push_str(&format!(
                    "\n    requestOptions:\n      headers:\n        Authorization: {key}"
                ));
            }
            text
        }
        Way::Stdio { arguments, .. } => {
            let mut text = format!("{head}    type: stdio\n    command: thox\n    args:");
            for argument in arguments {
                text.push_str(&format!("\n      - {}", quoted(argument)));
            }
            text
        }
    }
}

fn pretty(config: &Value) -> String {
    serde_json::to_string_pretty(config).unwrap_or_default()
}
