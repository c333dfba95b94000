// The official clients for TypeScript with a real Ollama behind thoxd: each tool with progress, and cancelled. What such
// small models answer is nonsense: a tool may well say that it is no use. What counts is its form.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { until } from '../node/support/device.js';
import { CALLS, CLIENTS } from './clients.mjs';

const skip = process.env.THOX_OLLAMA_BIN ? false : 'no real Ollama: THOX_OLLAMA_BIN is not set';
const ENDLESS = 'endless:latest';
// How long Ollama may go on after the call is cancelled, its log line included.
const CANCEL_LIMIT = 2000;
// The first call loads the model, on a machine that may be busy.
const CALL_LIMIT = 110_000;

let launcher;
let lines;
let url;

before(async () => {
  if (skip) return;
  const program = fileURLToPath(new URL('../python/real_ollama.py', import.meta.url));
  launcher = spawn('python3', [program], { stdio: ['pipe', 'pipe', 'inherit'] });
  lines = createInterface({ input: launcher.stdout })[Symbol.asyncIterator]();
  ({ url } = JSON.parse((await lines.next()).value));
});

after(async () => {
  if (skip) return;
  launcher.stdin.end();
  await once(launcher, 'exit');
});

/** How many answers Ollama itself has reported as finished. */
async function answered() {
  launcher.stdin.write('\n');
  return Number((await lines.next()).value);
}

for (const [version, connect] of Object.entries(CLIENTS)) {
  for (const model of ['thox-coder', ENDLESS]) {
    test(`client ${version}: each tool of ${model}, with progress`, { skip }, async (t) => {
      const { client, call } = await connect(url);
      t.after(() => client.close());
      for (const [name, args] of CALLS) {
        const told = [];
        const result = await call(name, { ...args, model }, {
          onprogress: ({ progress }) => told.push(progress),
          timeout: CALL_LIMIT,
        });
        // The client checks a result against the tool's output schema.
        if (result.isError) assert.equal(typeof result._meta['ai.thox/code'], 'string', JSON.stringify(result));
        else assert.equal(result.structuredContent.backend, 'ollama');
        assert.ok(result.content[0].text.length > 0 || model === ENDLESS);
        assert.deepEqual(told, [...new Set(told)].sort((a, b) => a - b));
        if (model === ENDLESS) assert.ok(told.length > 1, `${name} told no progress: ${told} ${JSON.stringify(result)}`);
      }
    });
  }

  test(`client ${version}: a cancelled tool stops Ollama`, { skip }, async (t) => {
    const { client, call } = await connect(url);
    t.after(() => client.close());
    for (const [name, args] of CALLS) {
      const cancelling = new AbortController();
      const finished = await answered();
      let tokens = 0;
      const onprogress = ({ progress }) => (tokens = progress);
      const called = call(name, { ...args, model: ENDLESS }, { signal: cancelling.signal, onprogress });
      await Promise.race([until(() => tokens >= 1, 30_000), called]);
      assert.equal(await answered(), finished, `${name} was over before it was cancelled`);
      cancelling.abort('changed my mind');
      await assert.rejects(called);
      await until(async () => (await answered()) === finished + 1, CANCEL_LIMIT);
    }
  });
}
