// The web page in a real browser, when there is one: what everybody sees, and a chat.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { launch, skip } from './support/chromium.js';
import { metric, start, until } from './support/device.js';
import { api, freePort, open, quiet } from './support/page.js';

if (skip) console.error(`page: skipped: ${skip}`);

describe('the page', { skip }, () => {
  let browser;
  let device;
  before(async () => {
    browser = await launch();
    device = await start('--gap-ms', '150', '--set', 'tls.enabled=true', '--set', 'tls.listen=["127.0.0.1:0"]');
  });
  after(async () => {
    await browser?.close();
    await device?.end();
  });

  test('tells how the device is, and again from what the browser has kept', async () => {
    const opened = await open(browser, device);
    const { page } = opened;
    for (let visit = 0; visit < 2; visit += 1) {
      await page.getByText('Everything works').waitFor();
      await page.locator('#models').getByText('thox-coder', { exact: true }).waitFor();
      await page.locator('#engines').getByText('ollama', { exact: true }).waitFor();
      const { json } = await api(device, 'GET', '/thox/v1/status');
      const identity = await page.locator('#identity').textContent();
      assert.ok(identity.includes(json.tls.fingerprint), identity);
      assert.equal(await page.getByRole('heading', { level: 1 }).textContent(), json.name);
      await page.reload();
    }
    quiet(opened, device);
  });

  test('tells how to connect, with the address that it was reached by', async () => {
    const opened = await open(browser, device, '/#connect');
    const { page, tab } = opened;
    await page.getByRole('region', { name: 'the base URL' }).getByText(`${device.url}/v1`).waitFor();
    for (const [name, part] of [
      ['curl', `${device.url}/v1/chat/completions`],
      ['Python', `base_url="${device.url}/v1", api_key="not-required"`],
      ['JavaScript', `baseURL: '${device.url}/v1'`],
      ['Editors', `${device.url}/mcp`],
    ]) {
      await tab(name);
      const text = await page.locator('#connect [role=tabpanel]:visible').textContent();
      assert.ok(text.includes(part), text);
    }
    quiet(opened, device);
  });

  test('every control has a name, tabs go by the arrow keys', async () => {
    const opened = await open(browser, device);
    const { page } = opened;
    await page.getByText('Everything works').waitFor();
    await page.getByRole('tab', { name: 'Overview' }).focus();
    for (const name of ['Connect', 'Chat', 'Manage', 'Overview']) {
      await page.keyboard.press('ArrowRight');
      assert.equal(await page.evaluate(() => document.activeElement.textContent), name);
      await page.getByRole('tab', { name, selected: true }).waitFor();
    }
    const nameless = await page.evaluate(() => {
      const hasName = (one) => one.labels?.length || one.getAttribute('aria-label') || one.textContent.trim();
      return [...document.querySelectorAll('button, input, select, textarea, progress, a')]
        .filter((one) => !hasName(one))
        .map((one) => one.outerHTML);
    });
    assert.deepEqual(nameless, []);
    quiet(opened, device);
  });

  test('a chat streams as text, and stops with the engine', async () => {
    const opened = await open(browser, device, '/#chat');
    const { page } = opened;
    await page.getByLabel('Model').waitFor();
    await page.getByLabel('Message').fill('<img src=x onerror=alert(1)> and some more words');
    await page.keyboard.press('Enter');
    const log = page.getByRole('log');
    await log.getByText('Hello! You said: <img src=x').waitFor();
    assert.equal(await log.locator('img').count(), 0);
    await log.getByText(/tokens a second/).waitFor();
    const cancelled = await metric(device, 'thox_requests_total');
    await page.getByLabel('Message').fill('word '.repeat(400));
    await page.getByRole('button', { name: 'Send' }).click();
    await log.getByText('Hello! You').nth(1).waitFor();
    assert.equal(await metric(device, 'thox_requests_in_flight'), 1);
    await page.getByRole('button', { name: 'Stop' }).click();
    await log.getByText('stopped').waitFor();
    await until(async () => (await metric(device, 'thox_requests_in_flight')) === 0);
    assert.equal(await metric(device, 'thox_requests_total'), cancelled + 1);
    const { json } = await api(device, 'GET', '/v1/router/status');
    assert.equal(json.decisions[0].outcome, 'cancelled');
    await page.getByRole('button', { name: 'Send' }).waitFor();
    quiet(opened, device);
  });
});

describe('the page of a device that comes and goes', { skip }, () => {
  let browser;
  let device;
  before(async () => (browser = await launch()));
  after(async () => {
    await browser?.close();
    await device?.end();
  });

  test('says that it is away, and comes back by itself', async () => {
    const listen = `server.listen=["127.0.0.1:${await freePort()}"]`;
    device = await start('--set', listen);
    const { page } = await open(browser, device);
    await page.getByText('Everything works').waitFor();
    await device.end();
    await page.getByRole('alert').getByText('The device does not answer').waitFor();
    await page.getByText('It does not answer').waitFor();
    device = await start('--set', listen);
    await page.getByText('Everything works').waitFor();
    await page.getByText('The device does not answer').waitFor({ state: 'hidden' });
  });
});
