// The WebSocket protocol with the package `ws`, as a program would use it.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import WebSocket from 'ws';
import { start } from './support/device.js';

describe('/v1/stream', () => {
  let device;
  before(async () => {
    device = await start('--gap-ms', '20');
  });
  after(() => device?.end());

  async function open() {
    const socket = new WebSocket(`${device.url.replace('http', 'ws')}/v1/stream`);
    await once(socket, 'open');
    return socket;
  }

  /** Every message until `last` says that one is the last. */
  async function read(socket, last) {
    const messages = [];
    for await (const [data] of events(socket)) {
      messages.push(JSON.parse(data.toString()));
      if (last(messages.at(-1), messages)) return messages;
    }
    throw new Error(`closed after ${JSON.stringify(messages)}`);
  }

  const ask = (more) =>
    JSON.stringify({ model: 'thox-coder', messages: [{ role: 'user', content: 'Hello!' }], ...more });

  test('deltas, then done with usage', async () => {
    const socket = await open();
    socket.send(ask());
    const messages = await read(socket, (message) => message.type !== 'delta');
    const done = messages.pop();
    assert.equal(done.type, 'done', JSON.stringify(done));
    assert.equal(done.backend, 'ollama');
    assert.equal(done.model, 'thox-coder');
    assert.equal(done.finish_reason, 'stop');
    assert.ok(done.usage.total_tokens > 0);
    assert.ok(messages.some((message) => message.choices?.[0]?.delta?.content));
    socket.close();
  });

  test('two requests share a connection, one is cancelled', async () => {
    const socket = await open();
    socket.send(ask({ request_id: 'a' }));
    socket.send(ask({ request_id: 'b' }));
    let cancelled = false;
    const messages = await read(socket, (message) => {
      if (message.request_id === 'a' && !cancelled) {
        cancelled = true;
        socket.send(JSON.stringify({ type: 'cancel', request_id: 'a' }));
      }
      return message.type === 'done' && message.request_id === 'b';
    });
    const of = (id) => messages.filter((message) => message.request_id === id);
    assert.ok(of('b').length > of('a').length);
    socket.close();
  });

  test('an unknown model is an error event and the connection stays', async () => {
    const socket = await open();
    socket.send(ask({ model: 'nobody', request_id: 'x' }));
    const [error] = await read(socket, () => true);
    assert.equal(error.type, 'error');
    assert.equal(error.request_id, 'x');
    assert.equal(error.error.code, 'model_not_found');
    socket.send(ask());
    const messages = await read(socket, (message) => message.type === 'done');
    assert.ok(messages.length > 1);
    socket.close();
  });
});

/** The messages of a socket; ends when it closes. */
async function* events(socket) {
  const waiting = [];
  let wake = () => {};
  const take = (...message) => {
    waiting.push(message);
    wake();
  };
  let isOpen = true;
  const close = () => {
    isOpen = false;
    wake();
  };
  socket.on('message', take);
  socket.on('close', close);
  try {
    while (isOpen || waiting.length > 0) {
      if (waiting.length > 0) yield waiting.shift();
      else await new Promise((resolve) => (wake = resolve));
    }
  } finally {
    socket.off('message', take);
    socket.off('close', close);
  }
}
