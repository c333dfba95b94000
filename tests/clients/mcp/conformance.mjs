// The official MCP conformance suite against thoxd itself, without an engine, for each revision with a requirement set.
// It wants Node 22: where this one is older, the one of package.json runs it.

import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';

const HERE = import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname);
const ROOT = path.resolve(HERE, '../../..');
const REVISIONS = ['2025-11-25', '2026-07-28'];
const MINUTES = 60_000;

function node22() {
  if (Number(process.versions.node.split('.')[0]) >= 22) return process.execPath;
  const own = createRequire(import.meta.url).resolve(`node-linux-${process.arch}/package.json`);
  return path.join(path.dirname(own), 'bin/node');
}

/** A thoxd on a free port; gives its URL. */
async function start(folder) {
  const program = process.env.THOXD_BIN ?? path.join(process.env.CARGO_TARGET_DIR ?? path.join(ROOT, 'target'), 'debug/thoxd');
  const settings = [
    `state_dir="${folder}"`,
    'server.listen=["127.0.0.1:0"]',
    'server.control_socket=""',
    'engines.ollama.enabled=false',
  ];
  const thoxd = spawn(program, settings.flatMap((setting) => ['--set', setting]), { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  const port = await new Promise((found, failed) => {
    thoxd.once('error', failed);
    thoxd.once('exit', () => failed(new Error(`thoxd has ended:\n${log}`)));
    thoxd.stderr.on('data', (data) => {
      log += data;
      const listening = log.match(/listening on http:\/\/127\.0\.0\.1:(\d+)/);
      if (listening) found(listening[1]);
    });
  });
  return { thoxd, url: `http://localhost:${port}/mcp` };
}

const folder = mkdtempSync(path.join(tmpdir(), 'thox-conformance-'));
const { thoxd, url } = await start(folder);
let worst = 0;
try {
  const suite = path.join(HERE, 'node_modules/@modelcontextprotocol/conformance/dist/index.js');
  for (const revision of REVISIONS) {
    const baseline = path.join(HERE, `baseline-${revision}.yml`);
    const run = spawnSync(
      node22(),
      [suite, 'server', '--url', url, '--requirements', revision, '--expected-failures', baseline],
      { encoding: 'utf8', timeout: 5 * MINUTES },
    );
    console.log(run.stdout.slice(run.stdout.indexOf('=== SUMMARY ===')), run.stderr);
    console.log(`conformance ${revision}: ${run.status === 0 ? 'as the baseline says' : 'NOT as the baseline says'}`);
    worst = Math.max(worst, run.status ?? 1);
  }
} finally {
  thoxd.kill();
  rmSync(folder, { recursive: true, force: true });
}
process.exit(worst);
