// The device's page in a browser, with everything that goes wrong in it.

import assert from 'node:assert/strict';
import { createServer } from 'node:net';

/** Opens the page; `trouble` gathers what the browser complains of. */
export async function open(browser, device, path = '/', options = {}) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const trouble = [];
  const urls = [];
  page.on('console', (message) => message.type() === 'error' && trouble.push(message.text()));
  page.on('pageerror', (error) => trouble.push(String(error)));
  page.on('request', (request) => urls.push(request.url()));
  await page.addInitScript(() => {
    addEventListener('securitypolicyviolation', (event) => console.error(`CSP: ${event.violatedDirective}`));
  });
  await page.goto(`${device.url}${path}`);
  const tab = (name) => page.getByRole('tab', { name, exact: true }).click();
  return { page, tab, trouble, urls, context };
}

/** Nothing was complained of, and nothing asked of anybody else. */
export function quiet(opened, device) {
  assert.deepEqual(opened.trouble, []);
  assert.deepEqual(
    opened.urls.filter((url) => !url.startsWith(`${device.url}/`)),
    [],
  );
}

/** An admin key of a device that nobody has claimed. */
export async function claim(device) {
  const made = await api(device, 'POST', '/thox/v1/claim', { body: { code: device.claimCode } });
  assert.equal(made.status, 201);
  return made.json.key;
}

/** Asks the device. */
export async function api(device, method, path, { key, body } = {}) {
  const headers = { 'content-type': 'application/json', ...(key && { authorization: `Bearer ${key}` }) };
  const reply = await fetch(`${device.url}${path}`, { method, headers, body: body && JSON.stringify(body) });
  return { status: reply.status, json: await reply.json() };
}

/** Signs in on the page. */
export async function signIn(opened, key, { keep = false } = {}) {
  await opened.tab('Manage');
  await opened.page.getByLabel('Key', { exact: true }).fill(key);
  if (keep) await opened.page.getByLabel(/Stay signed in/).check();
  await opened.page.locator('#manage').getByRole('button', { name: 'Sign in' }).click();
  await opened.page.getByRole('button', { name: 'Sign out' }).waitFor();
}

/** A port that nobody listens on: a device that is to come back has to come back there. */
export async function freePort() {
  const server = createServer();
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  const { port } = server.address();
  await new Promise((closed) => server.close(closed));
  return port;
}
