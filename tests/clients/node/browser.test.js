// The documentation's WebSocket sample in a real browser, when there is one.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { chromium } from 'playwright-core';
import { start } from './support/device.js';
import { sampleFor } from './support/sample.js';

const places = [process.env.THOX_CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const executablePath = places.find((place) => place && existsSync(place));
const skip = executablePath ? false : 'no Chromium here (apt-get install chromium, or THOX_CHROMIUM=/path)';
if (skip) console.error(`browser: skipped: ${skip}`);

describe('in Chromium', { skip }, () => {
  let device;
  let browser;
  before(async () => {
    device = await start();
    browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  });
  after(async () => {
    await browser?.close();
    await device?.end();
  });

  test('the WebSocket sample prints the answer', async () => {
    const page = await browser.newPage();
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

  test('a page of another origin is refused', async () => {
    const page = await browser.newPage();
    await page.goto('data:text/html,<p>elsewhere</p>');
    const event = await page.evaluate(
      (url) =>
        new Promise((resolve) => {
          const socket = new WebSocket(url);
          socket.onopen = () => resolve('open');
          socket.onerror = () => resolve('refused');
        }),
      `${device.url.replace('http', 'ws')}/v1/stream`,
    );
    assert.equal(event, 'refused');
  });
});
