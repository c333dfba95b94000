// The device's keys: made, shown once, replaced, revoked.

import { ask } from './api.js';
import { say, sure } from './ask.js';
import { busy, button, choice, field, h, problem } from './dom.js';
import { badge } from './overview.js';
import { showKey } from './secret.js';
import { enter, session, signOut } from './session.js';
import { ago, ahead, day, plural } from './words.js';

const DAY = 86400;
const ENDS = [
  ['', 'never'],
  [String(30 * DAY), 'after 30 days'],
  [String(90 * DAY), 'after 90 days'],
  [String(365 * DAY), 'after a year'],
];
const SCOPES = [
  ['inference', 'ask models'],
  ['admin', 'manage the device, and ask models'],
];
const CLASSES = [
  ['interactive', 'with everybody else'],
  ['batch', 'behind everybody else'],
];

/** The panel. */
export function panel() {
  const trouble = problem();
  const list = h('ul', { class: 'plain-list' });

  async function refresh() {
    try {
      const { data } = await ask('GET', '/thox/v1/keys', { owner: true });
      list.replaceChildren(...data.reverse().map((one) => entry(one, trouble, refresh)));
    } catch (error) {
      trouble.tell(error);
    }
  }
  const node = [
    h('article', { class: 'card' }, h('h2', {}, 'New key'), form(refresh)),
    h('article', { class: 'card' }, h('h2', {}, 'Keys'), trouble.node, list),
  ];
  return { node, enter: refresh };
}

function form(refresh) {
  const name = h('input', { required: true, maxlength: '64', placeholder: 'my-app', autocomplete: 'off' });
  const scope = choice(SCOPES, 'inference');
  const end = choice(ENDS, '');
  const requests = h('input', { type: 'number', min: '1', placeholder: 'no limit' });
  const tokens = h('input', { type: 'number', min: '1', placeholder: 'no limit' });
  const kind = choice(CLASSES, 'interactive');
  const trouble = problem();
  const make = h('button', { class: 'main' }, 'Make the key');
  const submit = (event) => {
    event.preventDefault();
    return busy(make, trouble, async () => {
      const body = { name: name.value.trim(), scope: scope.value };
      if (end.value) body.expires_in = Number(end.value);
      if (requests.value) body.requests_per_minute = Number(requests.value);
      if (tokens.value) body.tokens_per_minute = Number(tokens.value);
      if (kind.value !== 'interactive') body.class = kind.value;
      const made = await ask('POST', '/thox/v1/keys', { owner: true, body });
      event.target.reset();
      await refresh();
      await showKey(`The key “${made.name}”`, made);
    });
  };
  return h(
    'form',
    { submit },
    h('div', { class: 'grid' }, field('Name', name), field('May', scope), field('Ends', end)),
    h(
      'details',
      {},
      h('summary', {}, 'Limits'),
      h('div', { class: 'grid' }, [
        field('Requests a minute', requests),
        field('Tokens a minute', tokens),
        field('Waits', kind),
      ]),
    ),
    h('div', { class: 'actions' }, make),
    trouble.node,
  );
}

function entry(one, trouble, refresh) {
  const isOwn = session.key.startsWith(one.prefix);
  const isOver = one.expires !== null && one.expires * 1000 <= Date.now();
  const rotate = button('Replace', { class: 'plain small', 'aria-label': `Replace ${one.name}` }, trouble, async () => {
    const text =
      'The old key ends at once, for what is under way too. The new one has the same name, rights and limits.';
    if (!(await sure(`Replace the key “${one.name}”?`, text, 'Replace it'))) return;
    const made = await ask('POST', `/thox/v1/keys/${encodeURIComponent(one.id)}/rotate`, { owner: true });
    if (isOwn) enter(made.key, made.scope, session.isKept);
    await refresh();
    await showKey(`The new key “${one.name}”`, made);
  });
  const revoke = button(
    'Revoke',
    { class: 'plain small bad', 'aria-label': `Revoke ${one.name}` },
    trouble,
    async () => {
      const text = ['Whoever uses it is refused from now on, and what is under way with it ends.'];
      if (isOwn) text.push('It is the key that you are signed in with: you will be signed out.');
      if (!(await sure(`Revoke the key “${one.name}”?`, text, 'Revoke it'))) return;
      await ask('DELETE', `/thox/v1/keys/${encodeURIComponent(one.id)}`, { owner: true });
      say(`The key “${one.name}” is revoked.`);
      if (isOwn) signOut();
      else await refresh();
    },
  );
  return h(
    'li',
    { class: 'entry' },
    h(
      'div',
      { class: 'head' },
      h('strong', {}, one.name),
      one.scope === 'admin' && badge('admin', 'warn'),
      isOver && badge('expired', 'bad'),
      isOwn && badge('yours'),
      h('span', { class: 'actions' }, rotate, revoke),
    ),
    h('p', { class: 'quiet small-text' }, h('code', {}, `${one.prefix}…`), ` · ${about(one)}`),
  );
}

function about(one) {
  const parts = [`made ${day(one.created)}`, one.last_used ? `used ${ago(one.last_used)}` : 'never used'];
  if (one.expires) parts.push(`ends ${ahead(one.expires)}`);
  if (one.requests_per_minute) parts.push(`${plural(one.requests_per_minute, 'request')} a minute`);
  if (one.tokens_per_minute) parts.push(`${plural(one.tokens_per_minute, 'token')} a minute`);
  if (one.class === 'batch') parts.push('waits behind everybody else');
  return parts.join(' · ');
}
