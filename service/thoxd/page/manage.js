// The owner's part: closed until somebody signs in with an admin key.

import * as access from './access.js';
import { claimForm } from './claim.js';
import { box, busy, field, h, problem, show } from './dom.js';
import * as keys from './keys.js';
import * as log from './log.js';
import * as models from './models.js';
import { signIn } from './session.js';
import * as settings from './settings.js';
import { tabbed } from './tabs.js';

const PARTS = [
  ['manage-models', 'Models', models],
  ['manage-keys', 'Keys', keys],
  ['manage-access', 'Access', access],
  ['manage-settings', 'Settings', settings],
  ['manage-log', 'Log', log],
];

/** What is open, where the owner's part is shown: the panels, and the name of the one that is seen. */
let open = { panels: [], seen: null };

/** Shows the owner's part, or the way to it. */
export function showManage(place, { status }, session) {
  show(place, session.scope, () => {
    leaveManage();
    open = { panels: [], seen: null };
    return session.scope === 'admin' ? owner(place) : signInPart(session);
  });
  if (session.scope === 'admin') return;
  // Beside the form, which keeps what is being typed into it.
  show(place.querySelector('.way'), [isReadable(), status?.tls?.ports[0]], () => isReadable() && readable(status));
  show(place.querySelector('.new'), status?.claimed !== true, (mayBeNew) => mayBeNew && newPart());
}

function owner(place) {
  const panels = PARTS.map(([name, label, part]) => ({ name, label, ...part.panel() }));
  open = { panels, seen: null };
  const views = tabbed(
    'What to manage',
    panels.map(({ name, label, node }) => [name, label, node]),
    (name) => {
      leaveManage();
      open.seen = name;
      enterManage();
    },
  );
  queueMicrotask(() => place.isConnected && views.start()(PARTS[0][0]));
  return [h('h1', {}, 'Manage'), views.node];
}

/** The panel that is seen keeps itself fresh; the others ask for nothing. */
export const enterManage = () => seen()?.enter?.();
export const leaveManage = () => seen()?.leave?.();
const seen = () => open.panels.find((panel) => panel.name === open.seen);

function signInPart(session) {
  const input = h('input', {
    type: 'password',
    class: 'mono',
    autocomplete: 'off',
    required: true,
    spellcheck: 'false',
    placeholder: 'sk-…',
  });
  const kept = box('Stay signed in in this tab, until the tab is closed');
  const trouble = problem();
  const button = h('button', { class: 'main' }, 'Sign in');
  const submit = (event) => {
    event.preventDefault();
    return busy(button, trouble, async () => {
      await signIn(input.value.trim(), kept.input.checked);
      input.value = '';
    });
  };
  const form = h(
    'form',
    { submit },
    field('Key', input),
    kept.node,
    h('div', { class: 'actions' }, button),
    trouble.node,
  );
  return [
    h('h1', {}, session.scope ? 'An admin key is needed' : 'Sign in'),
    h(
      'article',
      { class: 'card narrow' },
      session.scope
        ? h('p', {}, 'You are signed in with a key that may ask models. Changing the device takes an admin key.')
        : h('p', {}, 'With an admin key you manage this device. Any other key is for asking its models.'),
      form,
      h('div', { class: 'way' }),
    ),
    h('div', { class: 'new' }),
  ];
}

function newPart() {
  return h(
    'article',
    { class: 'card narrow' },
    h('h2', {}, 'No key yet?'),
    h('p', {}, 'A new device gives its first admin key to whoever has its code.'),
    claimForm(null),
  );
}

/** On the way to another machine, others may read what is not encrypted. */
const isReadable = () =>
  location.protocol === 'http:' &&
  !['localhost', '[::1]'].includes(location.hostname) &&
  !/^127\./.test(location.hostname);

function readable(status) {
  const words = 'You reach the device over plain HTTP: others on the network can read a key on its way. ';
  const url = status?.tls && `https://${location.hostname}:${status.tls.ports[0]}/`;
  const better = url ? ['Better: ', h('a', { href: url }, url)] : 'HTTPS is off; it is switched on under Access.';
  return h('p', { class: 'notice warn' }, words, better);
}
