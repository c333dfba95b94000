// How the device is, for everybody who may see it.

import { claimForm } from './claim.js';
import { code } from './copy.js';
import { byId, h, rows, show } from './dom.js';
import { downloadRow } from './downloads.js';
import { day, parameters, plural, sentence, span } from './words.js';

const VERDICTS = {
  healthy: 'Everything works',
  degraded: 'It works, with limits',
  unhealthy: 'It cannot answer now',
};
const STATES = { up: 'up', unknown: 'not asked yet', resting: 'left alone for a while', down: 'down' };
const TONES = { up: 'good', unknown: 'dim', resting: 'warn', down: 'bad' };

let downloads;

/** Shows what is known of the device. */
export function showOverview(device, session, code, signIn) {
  const { health, status, models, isLocked, isAway } = device;
  const verdict = byId('verdict');
  show(verdict, [isAway, health?.status], () => [
    h('span', { class: `dot ${isAway ? 'dim' : tone(health?.status)}`, 'aria-hidden': 'true' }),
    isAway ? 'It does not answer' : (VERDICTS[health?.status] ?? 'Looking …'),
  ]);
  if (health) {
    show(byId('device'), health.name ?? location.hostname, (name) => name);
    show(byId('facts'), span(health.uptime_seconds), (up) => `thoxd ${health.version} · up ${up}`);
    show(byId('notes'), health.notes, notes);
    show(byId('engines'), health.backends, engines);
    document.title = `${health.name ?? 'Thox'} – ${health.status}`;
  }
  show(byId('welcome'), [kindOfWelcome(device, session, code), code], ([kind]) => WELCOMES[kind]?.(code, signIn));
  showDownloads(status?.downloads ?? []);
  show(byId('models'), [models, isLocked], () => modelList(models, isLocked));
  show(byId('identity'), [status, isLocked, location.host], () => identity(status, isLocked));
}

const tone = (verdict) => ({ healthy: 'good', degraded: 'warn', unhealthy: 'bad' })[verdict] ?? 'dim';

function notes(all) {
  if (!all?.length) return null;
  return h('article', { class: 'card notes' }, h('h2', {}, 'Worth knowing'), [
    h(
      'ul',
      {},
      all.map((note) => h('li', {}, sentence(note))),
    ),
  ]);
}

/** What a person is told first; by its kind, so that a form that is being filled in stays. */
function kindOfWelcome({ status, isLocked }, session, code) {
  if (status?.claimed === false) return 'claim';
  if (session.scope) return null;
  if (code) return status ? 'owned' : 'claim';
  return isLocked ? 'locked' : null;
}

const WELCOMES = {
  claim: (code) =>
    welcome(
      'Make this device yours',
      'The code of a new device gives its first admin key. Whoever has that may change the device.',
      claimForm(code),
    ),
  owned: (_, signIn) =>
    welcome(
      'This device has its owner already',
      'The code of the link is used up. With a key you sign in; its owner can make you one.',
      signInButton(signIn),
    ),
  locked: (_, signIn) =>
    welcome(
      'This device answers with a key only',
      'Its owner has switched authentication on. With a key you see its models, and may ask them.',
      signInButton(signIn),
    ),
};

const welcome = (title, words, what) =>
  h('article', { class: 'card accent' }, h('h2', {}, title), h('p', {}, words), what);

const signInButton = (signIn) =>
  h('div', { class: 'actions' }, h('button', { type: 'button', class: 'main', click: signIn }, 'Sign in'));

function showDownloads(all) {
  const place = byId('downloads');
  if (!downloads) {
    const list = h('ul', { class: 'plain-list' });
    const card = h('article', { class: 'card', hidden: true }, h('h2', {}, 'Models on their way'), list);
    place.append(card);
    downloads = { card, fill: rows(list) };
  }
  downloads.card.hidden = all.length === 0;
  downloads.fill(all, (one) => one.model, downloadRow());
}

function engines(all) {
  if (!all.length) return h('p', { class: 'quiet' }, 'None is configured.');
  return h(
    'ul',
    { class: 'plain-list' },
    all.map((one) =>
      h(
        'li',
        { class: 'entry' },
        h('div', { class: 'head' }, h('strong', {}, one.name), badge(STATES[one.state] ?? one.state, TONES[one.state])),
        h('p', { class: 'quiet small-text' }, about(one)),
        one.reason && h('p', { class: 'small-text' }, sentence(one.reason)),
      ),
    ),
  );
}

function about(one) {
  const parts = [one.version ? `${one.kind} ${one.version}` : one.kind, plural(one.models, 'model')];
  if (one.unit) parts.push(`${one.unit.name}: ${one.unit.state}`);
  if (one.unit?.restarts) parts.push(plural(one.unit.restarts, 'restart'));
  return parts.join(' · ');
}

export const badge = (words, kind) => h('span', { class: `badge ${kind ?? ''}` }, words);

function modelList(models, isLocked) {
  if (isLocked) return h('p', { class: 'quiet' }, 'Shown after signing in.');
  if (!models) return h('p', { class: 'quiet' }, 'Looking …');
  if (!models.length) return h('p', { class: 'quiet' }, 'None yet.');
  return h(
    'ul',
    { class: 'plain-list' },
    named(models).map((one) => modelEntry(one)),
  );
}

/** The names to ask for first, then what the engines have besides; what a name stands for is told with the name. */
function named(models) {
  const meant = new Set(models.map((one) => one.stands_for));
  const isName = (one) => Boolean(one.description ?? one.stands_for);
  const shown = models.filter((one) => isName(one) || !meant.has(one.id));
  return [...shown.filter(isName), ...shown.filter((one) => !isName(one))];
}

/** A model as everybody sees it, with what can be done to it. */
export function modelEntry(one, actions = null) {
  const parts = [one.backend];
  if (one.parameters) parts.push(`${parameters(one.parameters)} parameters`);
  if (one.context_length) parts.push(`${one.context_length.toLocaleString()} tokens of context`);
  if (one.stands_for) parts.unshift(one.stands_for);
  return h(
    'li',
    { class: 'entry' },
    h(
      'div',
      { class: 'head' },
      h('strong', {}, one.id),
      one.loaded && badge('in memory', 'good'),
      actions instanceof Node && actions,
    ),
    one.description && h('p', { class: 'small-text' }, one.description),
    h('p', { class: 'quiet small-text' }, parts.join(' · ')),
  );
}

function identity(status, isLocked) {
  if (!status) return fact('Address', isLocked ? `${location.origin} (more after signing in)` : location.origin);
  const isName = (name) => /[a-z]/i.test(name) && !name.includes(':') && name !== 'localhost';
  const isElsewhere = (name) => !isName(name) && name !== 'localhost' && name !== '::1' && !name.startsWith('127.');
  const { tls } = status;
  return [
    fact('Names', status.names.filter(isName).join(', ')),
    fact('Addresses', status.names.filter(isElsewhere).join(', ') || 'this machine alone'),
    fact(
      'Asking',
      status.key_needed ? 'with a key only' : 'open to this network; changing the device takes an admin key',
    ),
    fact('HTTPS', tls ? httpsAt(status, tls) : 'off: what is sent can be read by others on the network'),
    tls && fact('Certificate', `${tls.self_signed ? 'made by the device' : 'issued'}, good until ${day(tls.expires)}`),
    tls &&
      fact('Fingerprint', [
        code(tls.fingerprint, 'the fingerprint'),
        h('p', { class: 'hint' }, 'The same as “thox status” prints, and the device’s console: compare it there.'),
      ]),
  ];
}

function httpsAt(status, tls) {
  const url = `https://${status.name}:${tls.ports[0]}/`;
  return h('a', { href: url }, url);
}

const fact = (name, value) => [h('dt', {}, name), h('dd', {}, value)];
