// Who may ask, how it is encrypted, what is kept of it; and the restart.

import { ask, needKey } from './api.js';
import { say, sure } from './ask.js';
import { button, h, problem } from './dom.js';
import { device, look } from './device.js';
import { badge } from './overview.js';

const SETTINGS = '/thox/v1/settings/';

/** The panel. */
export function panel() {
  const trouble = problem();
  const cards = h('div', {});

  async function refresh() {
    try {
      const [auth, tls, audit] = await Promise.all([
        ask('GET', '/thox/v1/auth', { owner: true }),
        ask('GET', `${SETTINGS}tls.enabled`, { owner: true }),
        ask('GET', `${SETTINGS}audit.enabled`, { owner: true }),
      ]);
      cards.replaceChildren(
        authentication(auth, trouble, refresh),
        encryption(tls, trouble, refresh),
        auditing(audit, trouble, refresh),
        restarting(trouble),
      );
    } catch (error) {
      trouble.tell(error);
    }
  }
  return { node: [trouble.node, cards], enter: refresh };
}

function card(title, state, kind, text, ...actions) {
  return h(
    'article',
    { class: 'card' },
    h('div', { class: 'head' }, h('h2', {}, title), state && badge(state, kind)),
    [text].flat().map((part) => part && h('p', { class: 'quiet' }, part)),
    h('div', { class: 'actions' }, actions),
  );
}

function authentication(auth, trouble, refresh) {
  const flip = async () => {
    if (!auth.enabled) {
      const text = [
        'Programs and people without a key are refused at once, also on this network. Make keys for them first.',
      ];
      if (!auth.tls) {
        text.push(
          'HTTPS is off: over plain HTTP others on the network can read a key on its way. Switch HTTPS on below.',
        );
      }
      if (!(await sure('Ask everybody for a key?', text, 'Ask for keys', { isDangerous: false }))) return;
    }
    const now = await ask('PUT', '/thox/v1/auth', { owner: true, body: { enabled: !auth.enabled } });
    needKey(now.enabled);
    say(auth.enabled ? 'The network may ask without a key again.' : 'Asking needs a key from now on.');
    await look();
    await refresh();
  };
  const text = auth.enabled
    ? 'Whoever asks models needs a key.'
    : 'Everybody on the device’s own network may ask models. Changing the device always takes an admin key.';
  const label = auth.enabled ? 'Let the network ask without a key' : 'Ask for keys';
  const state = auth.enabled ? ['on', 'good'] : ['off'];
  const warning = auth.warning && `Mind: ${auth.warning}.`;
  return card('Authentication', ...pad(state), [text, warning], button(label, { class: 'plain' }, trouble, flip));
}

function encryption(setting, trouble, refresh) {
  const flip = async () => {
    await ask('PUT', `${SETTINGS}tls.enabled`, { owner: true, body: { value: !setting.value } });
    await refresh();
    say('It counts when thoxd is started anew.');
  };
  const isOn = Boolean(device.status?.tls);
  const text = [
    setting.value
      ? 'HTTPS is served beside plain HTTP, with the device’s own certificate or yours.'
      : 'What is sent to the device, keys too, can be read by others on the network.',
    setting.restart_needed && 'This counts when thoxd is started anew: restart it below.',
  ];
  const label = setting.value ? 'Switch HTTPS off' : 'Switch HTTPS on';
  return card('HTTPS', ...pad(isOn ? ['on', 'good'] : ['off']), text, button(label, { class: 'plain' }, trouble, flip));
}

function auditing(setting, trouble, refresh) {
  const flip = async () => {
    await ask('PUT', `${SETTINGS}audit.enabled`, { owner: true, body: { value: !setting.value } });
    await refresh();
    say('It counts when thoxd is started anew.');
  };
  const clear = async () => {
    const text = 'The audit log and the list of the last requests are deleted.';
    if (!(await sure('Delete what is kept of requests?', text, 'Delete it'))) return;
    const gone = await ask('DELETE', '/thox/v1/data', { owner: true });
    say(`Deleted: ${gone.audit_lines} lines of the audit log.`);
  };
  const text = [
    'Time, route, address, the key’s beginning and the outcome of each request; never what was asked or answered.',
    setting.restart_needed && 'This counts when thoxd is started anew: restart it below.',
  ];
  return card(
    'Audit log',
    ...pad(setting.value ? ['on', 'good'] : ['off']),
    text,
    button(setting.value ? 'Switch it off' : 'Switch it on', { class: 'plain' }, trouble, flip),
    button('Delete what is kept', { class: 'plain bad' }, trouble, clear),
  );
}

const pad = ([words, kind]) => [words, kind ?? ''];

function restarting(trouble) {
  const restart = async () => {
    const text = 'Requests under way are finished first; new ones wait some seconds.';
    if (!(await sure('Restart thoxd?', text, 'Restart it', { isDangerous: false }))) return;
    const { instance, drain_seconds: drain } = await ask('POST', '/thox/v1/restart', { owner: true });
    say('thoxd is being started anew …');
    await isBack(instance, drain);
    say('thoxd runs anew.');
  };
  const text = 'The service starts anew, with all settings as they are now. The machine goes on.';
  return card('Restart', null, '', text, button('Restart thoxd', { class: 'plain' }, trouble, restart));
}

/** Waits until another run of thoxd answers. */
async function isBack(instance, drain) {
  const deadline = Date.now() + (drain + 60) * 1000;
  while (Date.now() < deadline) {
    await new Promise((done) => setTimeout(done, 500));
    await look();
    if (!device.isAway && device.status && device.status.instance !== instance) return;
  }
  throw new Error(
    'thoxd was told to start anew and does not answer. Its log on the device says why: journalctl -u thoxd',
  );
}
