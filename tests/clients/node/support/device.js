// Starts a device (a thoxd in front of an engine double) through tests/clients/python/device.py.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const launcher = fileURLToPath(new URL('../../python/device.py', import.meta.url));

/** Starts a device with these arguments of device.py; its `end` stops it. */
export async function start(...args) {
  const child = spawn('python3', [launcher, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout });
  const ended = once(child, 'exit');
  const first = await Promise.race([once(lines, 'line'), ended.then(() => null)]);
  if (!first) throw new Error('device.py ended before the device served');
  const { url, claim_code: claimCode } = JSON.parse(first[0]);
  return {
    url,
    claimCode,
    baseURL: `${url}/v1`,
    async end() {
      child.stdin.end();
      await ended;
    },
  };
}

/** The sum over a metric's labels. */
export async function metric(device, name) {
  const text = await (await fetch(`${device.url}/metrics`)).text();
  let sum = 0;
  for (const [, value] of text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)`, 'gm'))) sum += Number(value);
  return sum;
}

/** Waits until the question is answered with yes. */
export async function until(question, limit = 5000) {
  const deadline = Date.now() + limit;
  while (!(await question())) {
    if (Date.now() > deadline) throw new Error(`not within ${limit} ms: ${question}`);
    await sleep(20);
  }
}
