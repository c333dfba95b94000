// What `thox mcp config` prints, in the clients that it is for: each is given its configuration as it stands, in a home of
// its own, and says itself that it has reached the device. None of them has a model or an account here.

import { parseConfigYaml } from '@continuedev/config-yaml';
import assert from 'node:assert/strict';
import { execFile, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { start } from '../node/support/device.js';

const run = promisify(execFile);
const here = dirname(fileURLToPath(import.meta.url));
const built = join(process.env.CARGO_TARGET_DIR ?? join(here, '../../../target'), 'debug');
// One that hangs is no success.
const LIMIT = 90_000;
const TRIPLE = { x64: 'x86_64-unknown-linux-musl', arm64: 'aarch64-unknown-linux-musl' }[process.arch];
const platform = `linux-${process.arch}`;
const installed = (...path) => join(here, 'node_modules', ...path);
const PROGRAMS = {
  claude: installed('@anthropic-ai', `claude-code-${platform}`, 'claude'),
  codex: installed('@openai', `codex-${platform}`, 'vendor', TRIPLE ?? '', 'bin', 'codex'),
  opencode: installed(`opencode-${platform}`, 'bin', 'opencode'),
};

let device;
let home;
let project;
let env;

before(async () => {
  device = await start();
  home = mkdtempSync(join(tmpdir(), 'thox-editors-'));
  project = join(home, 'project');
  mkdirSync(project);
  env = {
    PATH: [built, process.env.PATH].join(delimiter),
    HOME: home,
    // Nothing of theirs goes out, and nothing new comes in.
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    DISABLE_AUTOUPDATER: '1',
    DISABLE_TELEMETRY: '1',
    OPENCODE_DISABLE_AUTOUPDATE: '1',
  };
});

after(async () => {
  await device?.end();
  if (home) rmSync(home, { recursive: true, force: true });
});

/** What thox prints for a client. */
function snippet(client, way) {
  const host = device.url.replace('http://', '');
  const more = way === 'stdio' ? ['--stdio'] : [];
  const all = ['--host', host, 'mcp', 'config', client, ...more];
  return execFileSync(join(built, 'thox'), all, { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
}

async function said(program, ...args) {
  const { stdout, stderr } = await run(program, args, { cwd: project, env, timeout: LIMIT });
  return stdout + stderr;
}

/** A reason to skip, said out loud. */
const absent = (name) => (existsSync(PROGRAMS[name]) ? false : `${name} is not to be had for ${platform}`);

for (const way of ['http', 'stdio']) {
  test(`Claude Code, ${way}`, { skip: absent('claude') }, async () => {
    const { mcpServers } = JSON.parse(snippet('claude-code', way));
    await said(PROGRAMS.claude, 'mcp', 'add-json', 'thox', JSON.stringify(mcpServers.thox));
    const list = await said(PROGRAMS.claude, 'mcp', 'list');
    await said(PROGRAMS.claude, 'mcp', 'remove', 'thox');
    assert.match(list, /thox: .*Connected/);
    // The file is read too; what it says runs once somebody has approved it.
    writeFileSync(join(project, '.mcp.json'), snippet('claude-code', way));
    assert.match(await said(PROGRAMS.claude, 'mcp', 'get', 'thox'), /Project config[^]*Pending approval/);
    rmSync(join(project, '.mcp.json'));
  });

  test(`opencode, ${way}`, { skip: absent('opencode') }, async () => {
    writeFileSync(join(project, 'opencode.json'), snippet('opencode', way));
    assert.match(await said(PROGRAMS.opencode, 'mcp', 'list'), /✓ thox/);
  });

  test(`Codex, ${way}`, { skip: absent('codex') }, async () => {
    mkdirSync(join(home, '.codex'), { recursive: true });
    writeFileSync(join(home, '.codex', 'config.toml'), snippet('codex', way));
    assert.match(await said(PROGRAMS.codex, 'mcp', 'list'), /thox[^]*enabled/);
    const [server] = (await codexServers()).data;
    assert.equal(server.serverInfo.name, 'thox');
    assert.deepEqual(Object.keys(server.tools).sort(), [
      'thox_complete',
      'thox_explain',
      'thox_refactor',
      'thox_test',
    ]);
  });

  test(`Continue's own reader, ${way}`, () => {
    const [server] = parseConfigYaml(snippet('continue', way)).mcpServers;
    if (way === 'http') assert.equal(server.url, `${device.url}/mcp`);
    else assert.equal(server.command, 'thox');
  });
}

/** What Codex's own server for editors says of its MCP servers, once it has connected them. */
async function codexServers() {
  const child = spawn(PROGRAMS.codex, ['app-server'], { env, cwd: project, stdio: ['pipe', 'pipe', 'ignore'] });
  const impatience = setTimeout(() => child.kill(), LIMIT);
  const say = (message) => child.stdin.write(`${JSON.stringify(message)}\n`);
  try {
    say({ id: 1, method: 'initialize', params: { clientInfo: { name: 'thox', title: 'thox', version: '1' } } });
    say({ method: 'initialized' });
    say({ id: 2, method: 'mcpServerStatus/list', params: {} });
    for await (const line of createInterface({ input: child.stdout })) {
      const { id, result, error } = JSON.parse(line);
      if (id === 2) return result ?? assert.fail(JSON.stringify(error));
    }
    return assert.fail('Codex said nothing of its servers');
  } finally {
    clearTimeout(impatience);
    child.kill();
  }
}
