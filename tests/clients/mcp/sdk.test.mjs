// The official clients for TypeScript, 1.x (2025-11-25, with a session) and 2.x (2026-07-28, without one): each tool with
// progress, and cancelled.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { metric, start, until } from '../node/support/device.js';
import { CALLS, CLIENTS } from './clients.mjs';

for (const [version, connect] of Object.entries(CLIENTS)) {
  test(`client ${version}: each tool, with progress`, async (t) => {
    const device = await start('--gap-ms', '5');
    t.after(() => device.end());
    const { client, call } = await connect(device.url);
    t.after(() => client.close());
    assert.equal(client.getServerVersion()?.name, 'thox');
    if (version === '2.x') assert.equal(client.getNegotiatedProtocolVersion(), '2026-07-28');
    const { tools } = await client.listTools();
    assert.deepEqual(tools.map((tool) => tool.name), CALLS.map(([name]) => name));
    for (const [name, args] of CALLS) {
      const told = [];
      const result = await call(name, args, { onprogress: (progress) => told.push(progress.progress) });
      assert.ok(told.length > 0, `${name} told no progress`);
      assert.equal(result.content[0].type, 'text');
      // The double repeats the prompt, whose fence is code enough; what a client checks is that the result keeps to the
      // tool's output schema.
      if (!result.isError) assert.equal(typeof result.structuredContent.model, 'string');
    }
    const { contents } = await client.readResource({ uri: 'thox://models' });
    assert.ok(JSON.parse(contents[0].text).data.length > 0);
    const { messages } = await client.getPrompt({ name: 'test', arguments: { code: 'let a = 1;' } });
    assert.equal(messages[0].role, 'user');
  });

  test(`client ${version}: a cancelled tool stops the engine`, async (t) => {
    const device = await start('--fault', 'hang:2');
    t.after(() => device.end());
    const { client, call } = await connect(device.url);
    t.after(() => client.close());
    for (const [name, args] of CALLS) {
      const cancelling = new AbortController();
      const called = call(name, args, { signal: cancelling.signal, onprogress: () => {} });
      await until(async () => (await metric(device, 'thox_requests_in_flight')) === 1);
      cancelling.abort('changed my mind');
      await assert.rejects(called);
      await until(async () => (await metric(device, 'thox_requests_in_flight')) === 0, 2000);
    }
  });
}
