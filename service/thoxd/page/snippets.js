// What people paste into their programs, with this device's address. The forms of editors are those of
// `thox mcp config`.

const pretty = (value) => JSON.stringify(value, null, 2);

/** Programs: `[name, label, text]`. `at` is where, `key` what stands for the key, if one is needed. */
export function programs({ base, model, key }) {
  const given = key ?? 'not-required';
  const header = key ? ` \\\n  -H "Authorization: Bearer ${key}"` : '';
  return [
    [
      'curl',
      'curl',
      `curl ${base}/v1/chat/completions${header} \\
  -H "Content-Type: application/json" \\
  -d '{"model": "${model}", "messages": [{"role": "user", "content": "Hello!"}]}'`,
    ],
    [
      'python',
      'Python',
      `# pip install openai
from openai import OpenAI

client = OpenAI(base_url="${base}/v1", api_key="${given}")
reply = client.chat.completions.create(
    model="${model}",
    messages=[{"role": "user", "content": "Hello!"}],
)
print(reply.choices[0].message.content)`,
    ],
    [
      'javascript',
      'JavaScript',
      `// npm install openai
import OpenAI from 'openai';

const client = new OpenAI({ baseURL: '${base}/v1', apiKey: '${given}' });
const stream = await client.chat.completions.create({
  model: '${model}',
  messages: [{ role: 'user', content: 'Hello!' }],
  stream: true,
});
for await (const chunk of stream) process.stdout.write(chunk.choices[0]?.delta?.content ?? '');`,
    ],
  ];
}

/** Editors and agents, which take the device as a server of tools (MCP): name, label, where it goes, text. */
export function editors({ base, needsKey }) {
  const server = (kind, bearer) => ({
    ...(kind && { type: kind }),
    url: `${base}/mcp`,
    ...(needsKey && { headers: { Authorization: `Bearer ${bearer}` } }),
  });
  const vscode = { servers: { thox: server('http', '${input:thox-api-key}') } };
  if (needsKey) {
    const description = 'API key of the Thox device';
    vscode.inputs = [{ type: 'promptString', id: 'thox-api-key', password: true, description }];
  }
  return [
    ['claude-code', 'Claude Code', '.mcp.json of a project', servers(server('http', '${THOX_API_KEY}'))],
    ['vscode', 'VS Code', '.vscode/mcp.json', pretty(vscode)],
    ['cursor', 'Cursor', '~/.cursor/mcp.json', servers(server(null, '${env:THOX_API_KEY}'))],
    ['zed', 'Zed', 'settings.json', pretty({ context_servers: { thox: server(null, 'YOUR_KEY') } })],
    ['codex', 'Codex', '~/.codex/config.toml', codex(base, needsKey)],
  ];
}

const servers = (server) => pretty({ mcpServers: { thox: server } });

function codex(base, needsKey) {
  const text = `[mcp_servers.thox]\nurl = "${base}/mcp"`;
  return needsKey ? `${text}\nbearer_token_env_var = "THOX_API_KEY"` : text;
}
