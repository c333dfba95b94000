// The official MCP conformance suite, without an engine, for each revision with a requirement set: against thoxd itself,
// and against a thoxd built with the fixtures that most scenarios want (THOXD_FIXTURES_BIN; `ci/clients mcp` builds it).
// It wants Node 22: where this one is older, the one of package.json runs it.

import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';

const HERE = import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname);
const TARGET = process.env.CARGO_TARGET_DIR ?? path.resolve(HERE, '../../../target');
const SUITE = path.join(HERE, 'node_modules/@modelcontextprotocol/conformance/dist/index.js');
const SERVERS = {
  thoxd: process.env.THOXD_BIN ?? path.join(TARGET, 'debug/thoxd'),
  fixtures: process.env.THOXD_FIXTURES_BIN ?? path.join(TARGET, 'clients/thoxd-mcp-fixtures'),
};
const REVISIONS = ['2025-11-25', '2026-07-28'];
const MINUTES = 60_000;

function node22() {
  if (Number(process.versions.node.split('.')[0]) >= 22) return process.execPath;
  const own = createRequire(import.meta.url).resolve(`node-linux-${process.arch}/package.json`);
  return path.join(path.dirname(own), 'bin/node');
}

/** A thoxd on a free port; gives its URL. */
async function start(program, folder) {
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

/** The suite's exit status: 0 where just the baseline's scenarios fail. */
function judge(name, url, revision) {
  const baseline = path.join(HERE, `baseline-${name}-${revision}.yml`);
  const run = spawnSync(
    node22(),
    [SUITE, 'server', '--url', url, '--requirements', revision, '--expected-failures', baseline],
    { encoding: 'utf8', timeout: 5 * MINUTES },
  );
  console.log(run.stdout.slice(run.stdout.indexOf('=== SUMMARY ===')), run.stderr);
  console.log(`conformance ${name} ${revision}: ${run.status === 0 ? 'as the baseline says' : 'NOT as the baseline says'}`);
  return run.status ?? 1;
}

let worst = 0;
for (const [name, program] of Object.entries(SERVERS)) {
  const folder = mkdtempSync(path.join(tmpdir(), 'thox-conformance-'));
  const { thoxd, url } = await start(program, folder);
  try {
    for (const revision of REVISIONS) worst = Math.max(worst, judge(name, url, revision));
  } finally {
    thoxd.kill();
    rmSync(folder, { recursive: true, force: true });
  }
}
process.exit(worst);
