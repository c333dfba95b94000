// The settings: what counts, where it is from, what it means; and changes to them.

import { ask } from './api.js';
import { say } from './ask.js';
import { busy, button, choice, field, h, problem } from './dom.js';
import { badge } from './overview.js';

const SETTINGS = '/thox/v1/settings';

/** The panel. */
export function panel() {
  const trouble = problem();
  const filter = h('input', { type: 'search', placeholder: 'such as limits', spellcheck: 'false' });
  const changed = h('input', { type: 'checkbox' });
  const list = h('ul', { class: 'plain-list' });
  let all = [];

  function draw() {
    const words = filter.value.trim().toLowerCase();
    const isMeant = (one) =>
      (!words || `${one.key} ${one.documentation}`.toLowerCase().includes(words)) &&
      (!changed.checked || isChanged(one));
    const meant = all.filter(isMeant);
    let section = '';
    list.replaceChildren(
      ...meant.flatMap((one) => {
        const before = section;
        section = one.key.split('.')[0];
        return [section !== before && h('li', {}, h('h3', {}, section)), entry(one, replace)].filter(Boolean);
      }),
    );
    if (!meant.length) list.append(h('li', { class: 'quiet' }, 'There is none.'));
  }
  /** The row alone, still open: the others stay as they are. */
  function replace(now, row) {
    all = all.map((one) => (one.key === now.key ? now : one));
    const fresh = entry(now, replace);
    row.replaceWith(fresh);
    fresh.querySelector('details').open = true;
    fresh.querySelector('summary').focus();
  }
  async function refresh() {
    try {
      all = (await ask('GET', SETTINGS, { owner: true })).data;
      draw();
    } catch (error) {
      trouble.tell(error);
    }
  }
  filter.addEventListener('input', draw);
  changed.addEventListener('change', draw);
  const node = h(
    'article',
    { class: 'card' },
    h('h2', {}, 'Settings'),
    h(
      'div',
      { class: 'row' },
      field('Find', filter),
      h('label', { class: 'box' }, changed, h('span', {}, 'Changed ones only')),
    ),
    trouble.node,
    list,
  );
  return { node, enter: refresh };
}

const isChanged = (one) => JSON.stringify(one.value) !== JSON.stringify(one.default);

function entry(one, replace) {
  const summary = h(
    'summary',
    {},
    h('code', {}, one.key),
    h('span', { class: 'value mono' }, written(one.value)),
    one.restart_needed && badge('after a restart', 'warn'),
  );
  const body = h('div', {});
  const node = h('details', { class: 'setting' }, summary, body);
  // Some hundred forms that nobody opens are not built.
  node.addEventListener(
    'toggle',
    () => node.open && !body.firstChild && body.append(...inside(one, (now) => replace(now, row))),
  );
  const row = h('li', {}, node);
  return row;
}

function inside(one, replace) {
  const trouble = problem();
  const input = control(one);
  const save = h('button', { class: 'main' }, 'Save');
  const path = `${SETTINGS}/${encodeURIComponent(one.key)}`;
  const done = (now) => {
    say(now.restart_needed ? `${one.key} counts when thoxd is started anew.` : `${one.key} is changed.`);
    replace(now);
  };
  const submit = (event) => {
    event.preventDefault();
    return busy(save, trouble, async () => {
      done(await ask('PUT', path, { owner: true, body: { value: read(one, input.value) } }));
    });
  };
  const reset = button('Use the default', { class: 'plain' }, trouble, async () => {
    done(await ask('DELETE', path, { owner: true }));
  });
  return [
    h('p', { class: 'small-text documentation' }, one.documentation),
    h('p', { class: 'quiet small-text' }, `From ${one.source} · default ${written(one.default)}`),
    h(
      'form',
      { class: 'row', submit },
      field('Value', input),
      h('div', { class: 'actions' }, save, isChanged(one) && reset),
    ),
    trouble.node,
  ];
}

/** What the setting is like: its value says, or its default. */
const sample = (one) => one.value ?? one.default;

function control(one) {
  if (typeof sample(one) === 'boolean') {
    const options = [
      ['true', 'yes'],
      ['false', 'no'],
    ];
    return choice(options, String(one.value), { class: 'mono' });
  }
  if (Array.isArray(sample(one))) {
    const area = h('textarea', { class: 'mono', rows: '3', spellcheck: 'false', placeholder: 'one a line' });
    area.value = (one.value ?? []).join('\n');
    return area;
  }
  const type = typeof sample(one) === 'number' ? 'number' : 'text';
  const input = h('input', { class: 'mono', type, spellcheck: 'false', step: 'any' });
  input.value = one.value ?? '';
  return input;
}

function read(one, text) {
  if (typeof sample(one) === 'boolean') return text === 'true';
  if (typeof sample(one) === 'number') return Number(text);
  if (!Array.isArray(sample(one))) return text;
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);
}

function written(value) {
  if (value === null || value === undefined) return 'not set';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (Array.isArray(value)) return value.length ? value.join(', ') : 'none';
  return String(value) || '“”';
}
