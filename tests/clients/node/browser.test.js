// A real browser, when there is one: the documentation's WebSocket sample, and what foreign pages try.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { launch, skip } from './support/chromium.js';
import { start } from './support/device.js';
import { sampleFor } from './support/sample.js';

if (skip) console.error(`browser: skipped: ${skip}`);

describe('in Chromium', { skip }, () => {
  let device;
  let browser;
  let elsewhere;
  before(async () => {
    device = await start();
    // A name that its owner has pointed at the device: DNS rebinding.
    browser = await launch('--host-resolver-rules=MAP rebound.example 127.0.0.1');
    elsewhere = createServer((_, reply) => reply.setHeader('content-type', 'text/html').end('<p>elsewhere</p>'));
    await new Promise((ready) => elsewhere.listen(0, '127.0.0.1', ready));
  });
  after(async () => {
    elsewhere?.close();
    await browser?.close();
    await device?.end();
  });

  test('the WebSocket sample prints the answer', async () => {
    // The sample stands for what a person types into the console, which the page's own rules do not bind.
    const page = await browser.newPage({ bypassCSP: true });
    const printed = [];
    const errors = [];
    page.on('console', (message) => printed.push(message.text()));
    page.on('pageerror', (error) => errors.push(String(error)));
    // A page of the device itself: a browser tells its origin, and a foreign one is refused.
    await page.goto(`${device.url}/health`);
    await page.addScriptTag({ content: await sampleFor(device, 'stream-hello.mjs') });
    const deadline = Date.now() + 20_000;
    while (printed.filter((text) => text.trim()).length < 2 && Date.now() < deadline) await page.waitForTimeout(50);
    assert.deepEqual(errors, []);
    assert.ok(printed.filter((text) => text.trim()).length >= 2, JSON.stringify(printed));
  });

  // What a page gets when it asks: the text that it could read, or that it could not.
  const attempts = (url) => ({
    read: async () => (await fetch(`${url}/v1/models`)).text(),
    ask: async () =>
      (
        await fetch(`${url}/v1/chat/completions`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ model: 'thox-coder', messages: [{ role: 'user', content: 'hi' }] }),
        })
      ).text(),
    askWithoutPreflight: async () =>
      (await fetch(`${url}/thox/v1/claim`, { method: 'POST', mode: 'no-cors', body: '{"code":"0000-0000"}' })).text(),
    socket: () =>
      new Promise((resolve, reject) => {
        const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/stream`);
        socket.onopen = () => resolve('open');
        socket.onerror = () => reject(new Error('refused'));
      }),
  });

  const tried = (page, url) =>
    page.evaluate(
      async ([attempts, url]) => {
        const results = {};
        for (const [name, attempt] of Object.entries(eval(`(${attempts})`)(url))) {
          try {
            results[name] = await attempt();
          } catch {
            results[name] = 'refused';
          }
        }
        return results;
      },
      [attempts.toString(), url],
    );

  test('a page of another origin can neither read, ask nor open a socket', async () => {
    for (const place of [`http://127.0.0.1:${elsewhere.address().port}/`, 'data:text/html,<p>elsewhere</p>']) {
      const page = await browser.newPage();
      await page.goto(place);
      const { askWithoutPreflight, ...results } = await tried(page, device.url);
      assert.deepEqual(results, { read: 'refused', ask: 'refused', socket: 'refused' }, place);
      // Sent from some pages, and then of no use: refused by the device, and the reply is kept from the page.
      assert.ok(['', 'refused'].includes(askWithoutPreflight), askWithoutPreflight);
    }
  });

  test('a form of another origin changes nothing', async () => {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${elsewhere.address().port}/`);
    const form = `<form method=post enctype=text/plain action="${device.url}/thox/v1/claim"><input name='{"code":"' value='0"}'></form>`;
    const [reply] = await Promise.all([
      page.waitForResponse((reply) => reply.url().endsWith('/claim')),
      page.evaluate((form) => {
        document.body.innerHTML = form;
        document.forms[0].submit();
      }, form),
    ]);
    assert.equal(reply.status(), 403);
    assert.equal((await reply.json()).error.code, 'foreign_origin');
  });

  test('a name that was pointed at the device is none of its names', async () => {
    const port = new URL(device.url).port;
    const page = await browser.newPage({ bypassCSP: true });
    const reply = await page.goto(`http://rebound.example:${port}/v1/models`);
    assert.equal(reply.status(), 403);
    assert.match(await reply.text(), /foreign_host/);
    const results = await tried(page, `http://rebound.example:${port}`);
    assert.match(results.read, /foreign_host/);
    assert.match(results.ask, /foreign_host/);
    assert.equal(results.socket, 'refused');
  });
});
