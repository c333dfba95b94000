// The web page in a real browser, when there is one: claiming the device, and what its owner does.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { launch, skip } from './support/chromium.js';
import { start, until } from './support/device.js';
import { api, claim, freePort, open, quiet, signIn } from './support/page.js';

const stored = (opened) => opened.page.evaluate(() => Object.values({ ...sessionStorage, ...localStorage }));

describe('the owner’s page', { skip }, () => {
  let browser;
  let device;
  let admin;
  before(async () => {
    browser = await launch();
    device = await start('--pull-gap-ms', '700', '--set', `server.listen=["127.0.0.1:${await freePort()}"]`);
  });
  after(async () => {
    await browser?.close();
    await device?.end();
  });

  test('a link claims the device; its code stays in no address', async () => {
    const opened = await open(browser, device, '/#claim=0000-0000');
    const { page } = opened;
    const code = page.locator('#overview').getByLabel('Code of the device');
    assert.equal(await code.inputValue(), '0000-0000');
    assert.equal(page.url(), `${device.url}/`);
    assert.equal(await page.evaluate(() => history.length), 2, 'about:blank, and the page once');
    const press = () => page.locator('#overview').getByRole('button', { name: 'Claim this device' }).click();
    await press();
    await page.getByRole('alert').getByText('The claim code is wrong').waitFor();
    // A browser complains of a 403 by itself.
    assert.match(opened.trouble.pop(), /403/);
    // The same tab gets the right link.
    await page.evaluate((code) => location.assign(`/#claim=${code}`), device.claimCode);
    await until(async () => (await code.inputValue()) === device.claimCode);
    assert.equal(page.url(), `${device.url}/`);
    await press();
    const dialog = page.getByRole('dialog');
    admin = await dialog.getByLabel('The key', { exact: true }).inputValue();
    assert.match(admin, /^sk-[0-9A-Za-z]{43}$/);
    await page.keyboard.press('Escape');
    assert.ok(await dialog.isVisible(), 'a key that is shown once does not go by a slip');
    await dialog.getByRole('button', { name: 'I have saved it' }).click();
    await page.getByRole('button', { name: 'Sign out' }).waitFor();
    await page.getByText('Make this device yours').waitFor({ state: 'detached' });
    assert.ok(!(await page.content()).includes(admin), 'the key is in the page no more');
    assert.deepEqual(await stored(opened), [], 'the key is kept nowhere');
    assert.deepEqual(
      opened.urls.filter((url) => url.includes(device.claimCode) || url.includes(admin)),
      [],
    );
    await page.reload();
    await page.getByRole('button', { name: 'Sign in' }).waitFor();
    quiet(opened, device);
  });

  test('a key is kept for the tab if wanted, and gone with the signing out', async () => {
    admin ??= await claim(device);
    const opened = await open(browser, device);
    const { page, context } = opened;
    await signIn(opened, admin, { keep: true });
    await page.reload();
    await page.getByRole('button', { name: 'Sign out' }).waitFor();
    const other = await context.newPage();
    await other.goto(device.url);
    await other.getByRole('button', { name: 'Sign in' }).waitFor();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.locator('#manage').getByRole('button', { name: 'Sign in' }).waitFor();
    assert.deepEqual(await stored(opened), []);
    quiet(opened, device);
    await page.getByLabel('Key', { exact: true }).fill(`sk-${'a'.repeat(43)}`);
    await page.locator('#manage').getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('alert').getByText('The key is wrong, expired or revoked').waitFor();
    assert.match(opened.trouble.pop(), /401/);
  });

  test('makes a key, shows it once, replaces and revokes it', async () => {
    admin ??= await claim(device);
    const opened = await open(browser, device);
    const { page, tab } = opened;
    const answer = (name) => page.getByRole('dialog').getByRole('button', { name }).click();
    const shown = async () => {
      const key = await page.getByRole('dialog').getByLabel('The key', { exact: true }).inputValue();
      await answer('I have saved it');
      return key;
    };
    const standing = async (key) => (await api(device, 'GET', '/thox/v1/auth', { key })).status;
    await signIn(opened, admin);
    await tab('Keys');
    await page.locator('#manage-keys').getByLabel('Name').fill('<b>laptop</b>');
    await page.getByLabel('Ends').selectOption('after 90 days');
    await page.getByText('Limits').click();
    await page.getByLabel('Requests a minute').fill('60');
    await page.getByRole('button', { name: 'Make the key' }).click();
    const first = await shown();
    assert.equal(await standing(first), 403, 'for asking, not for changing');
    const entry = page.getByRole('listitem').filter({ hasText: '<b>laptop</b>' });
    await entry.getByText('60 requests a minute').waitFor();
    await entry.getByRole('button', { name: 'Replace' }).click();
    await answer('Replace it');
    const second = await shown();
    assert.deepEqual([await standing(first), await standing(second)], [401, 403]);
    await entry.getByRole('button', { name: 'Revoke' }).click();
    await answer('Cancel');
    assert.equal(await standing(second), 403);
    await entry.getByRole('button', { name: 'Revoke' }).click();
    await answer('Revoke it');
    await entry.waitFor({ state: 'detached' });
    assert.equal(await standing(second), 401);
    quiet(opened, device);
  });

  test('fetches a model; everybody sees how far it is; it is cancelled', async () => {
    admin ??= await claim(device);
    const owner = await open(browser, device);
    await signIn(owner, admin);
    await owner.page.locator('#manage-models').getByLabel('Name').fill('llama3.2:3b');
    await owner.page.getByRole('button', { name: 'Get it' }).click();
    const visitor = await open(browser, device);
    for (const { page } of [owner, visitor]) {
      const row = page
        .getByRole('listitem')
        .filter({ has: page.getByLabel('Download of llama3.2:3b') })
        .filter({ visible: true });
      await row.getByText(/^\d\d? %$/).waitFor();
      await row.getByText('of 1.0 kB').waitFor();
    }
    await owner.page.getByRole('button', { name: 'Cancel llama3.2:3b' }).click();
    await owner.page.locator('#manage-models').getByText('Cancelled.').waitFor();
    await visitor.page.getByText('Models on their way').waitFor({ state: 'hidden' });
    await owner.page.getByRole('button', { name: 'Try llama3.2:3b again' }).click();
    await owner.page.getByRole('button', { name: 'Delete llama3.2:3b' }).waitFor();
    quiet(owner, device);
    quiet(visitor, device);
  });

  test('loads, unloads and deletes a model, and asks before', async () => {
    admin ??= await claim(device);
    const opened = await open(browser, device);
    const { page } = opened;
    await signIn(opened, admin);
    const name = 'nomic-embed-text:latest';
    await page.getByRole('button', { name: `Load ${name}` }).click();
    await page.getByRole('button', { name: `Unload ${name}` }).click();
    await page.getByRole('button', { name: `Load ${name}` }).waitFor();
    await page.getByRole('button', { name: `Delete ${name}` }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete it' }).click();
    await page.getByRole('button', { name: `Delete ${name}` }).waitFor({ state: 'detached' });
    const { json } = await api(device, 'GET', '/v1/models');
    assert.ok(!json.data.some((one) => one.id.startsWith('nomic')), JSON.stringify(json.data));
    quiet(opened, device);
  });

  test('changes a setting and takes it back; says what is wrong', async () => {
    admin ??= await claim(device);
    const opened = await open(browser, device);
    const { page, tab } = opened;
    await signIn(opened, admin);
    await tab('Settings');
    await page.getByLabel('Find').fill('router.large');
    const setting = page.locator('details').filter({ hasText: 'router.large_model_threshold' });
    await setting.locator('summary').click();
    const value = setting.getByLabel('Value');
    const now = async () => (await api(device, 'GET', '/v1/router/status')).json.rules.large_model_threshold;
    await value.fill('huge');
    await setting.getByRole('button', { name: 'Save' }).click();
    await setting.getByRole('alert').waitFor();
    assert.match(opened.trouble.pop(), /40[09]|422/);
    await value.fill('13B');
    await setting.getByRole('button', { name: 'Save' }).click();
    await until(async () => (await now()) === '13B');
    await setting.getByRole('button', { name: 'Use the default' }).click();
    await until(async () => (await now()) === '10B');
    await tab('Log');
    await page.getByText('a setting was changed').first().waitFor();
    quiet(opened, device);
  });

  test('with authentication on, a key opens what it is for', async () => {
    admin ??= await claim(device);
    const { json } = await api(device, 'POST', '/thox/v1/keys', { key: admin, body: { name: 'asker' } });
    const owner = await open(browser, device);
    await signIn(owner, admin);
    await owner.tab('Access');
    await owner.page.getByRole('button', { name: 'Ask for keys' }).click();
    await owner.page.getByRole('dialog').getByRole('button', { name: 'Ask for keys' }).click();
    await owner.page.getByText('Whoever asks models needs a key.').waitFor();
    const visitor = await open(browser, device);
    await visitor.page.getByText('This device answers with a key only').waitFor();
    assert.equal(await visitor.page.locator('#models').textContent(), 'Shown after signing in.');
    // What the browser says of the first look, and of no more than that.
    assert.ok(
      visitor.trouble.length <= 2 && visitor.trouble.every((line) => line.includes('401')),
      visitor.trouble.join(),
    );
    visitor.trouble.length = 0;
    await signIn(visitor, json.key);
    await visitor.page.getByText('An admin key is needed').waitFor();
    // It was asked whether the key is an admin's.
    assert.match(visitor.trouble.pop(), /403/);
    await visitor.tab('Overview');
    await visitor.page.locator('#models').getByText('thox-coder', { exact: true }).waitFor();
    await api(device, 'DELETE', `/thox/v1/keys/${json.id}`, { key: admin });
    await visitor.page.getByText('You are signed out').waitFor();
    await owner.page.getByRole('button', { name: 'Let the network ask without a key' }).click();
    await owner.page.getByText('Everybody on the device’s own network may ask').waitFor();
    // A look may have been under way while the key came to be needed.
    owner.trouble = owner.trouble.filter((line) => !line.includes('401'));
    quiet(owner, device);
  });

  test('restarts it and sees it again', async () => {
    const opened = await open(browser, device);
    admin ??= await claim(device);
    await signIn(opened, admin);
    const before = (await api(device, 'GET', '/thox/v1/status')).json.instance;
    await opened.tab('Access');
    await opened.page.getByRole('button', { name: 'Restart thoxd' }).click();
    await opened.page.getByRole('dialog').getByRole('button', { name: 'Restart it' }).click();
    await opened.page.getByText('thoxd runs anew.').waitFor();
    assert.notEqual((await api(device, 'GET', '/thox/v1/status')).json.instance, before);
    // Still the same key: it is the device's, not the run's.
    await opened.tab('Keys');
    await opened.page.getByText('owner', { exact: true }).waitFor();
  });
});
