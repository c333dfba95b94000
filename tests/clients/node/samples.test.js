// The documentation's samples for Node.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { start } from './support/device.js';
import { withSample } from './support/sample.js';

const webSocket = fileURLToPath(new URL('./support/websocket-global.js', import.meta.url));

describe('samples', () => {
  let device;
  before(async () => {
    device = await start();
  });
  after(() => device?.end());

  for (const name of ['chat.mjs', 'hello.mjs']) {
    test(name, async () => {
      const { code, output, errors } = await withSample(device, name, (file) => run([file]));
      assert.equal(code, 0, errors);
      assert.ok(output.trim().length > 0, 'it printed the answer');
    });
  }

  // These never close their connection: they are ended when they have printed what they should.
  for (const name of ['stream.mjs', 'stream-hello.mjs']) {
    test(name, async () => {
      const done = (output) => output.trim().split(/\s+/).length >= 3;
      const args = ['--import', webSocket];
      const { output, errors } = await withSample(device, name, (file) => run([...args, file], done));
      assert.ok(done(output), `it printed ${JSON.stringify(output)}`);
      assert.equal(errors, '');
    });
  }
});

/** Runs Node; ends it when `done` says so of its output, or after 20 s. */
function run(args, done = () => false) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    let errors = '';
    const limit = setTimeout(() => child.kill(), 20_000);
    child.stdout.on('data', (data) => {
      output += data;
      if (done(output)) child.kill();
    });
    child.stderr.on('data', (data) => (errors += data));
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(limit);
      resolve({ code, output, errors });
    });
  });
}
