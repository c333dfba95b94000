// The owner's models: fetched with their progress, taken into memory, dropped from it, deleted.

import { ask } from './api.js';
import { say, sure } from './ask.js';
import { button, field, h, problem, rows, show } from './dom.js';
import { downloadRow, isBuild } from './downloads.js';
import { device, look } from './device.js';
import { modelEntry } from './overview.js';

const DOWNLOADS = '/thox/v1/models/downloads';
const BUILDS = '/thox/v1/models/builds';
const MOVING = 1000;
const STILL = 5000;

/** The panel. */
export function panel() {
  const trouble = problem();
  const input = h('input', { required: true, spellcheck: 'false', autocapitalize: 'none', placeholder: 'llama3.2:3b' });
  const list = h('ul', { class: 'plain-list' });
  const none = h('p', { class: 'quiet' }, 'Nothing is on its way.');
  const models = h('ul', { class: 'plain-list' });
  const fill = rows(list);
  let timer;
  let isHere = false;

  const submit = async (event) => {
    event.preventDefault();
    trouble.tell(null);
    try {
      await pull(input.value.trim());
      input.value = '';
    } catch (error) {
      trouble.tell(error);
    }
  };
  const node = [
    h(
      'article',
      { class: 'card' },
      h('h2', {}, 'Get a model'),
      h(
        'form',
        { class: 'row', submit },
        field('Name', input, 'As in Ollama’s library, or hf.co/OWNER/NAME of Hugging Face.'),
        h('div', { class: 'actions' }, h('button', { class: 'main' }, 'Get it')),
      ),
      trouble.node,
      h('h3', {}, 'Downloads and builds'),
      none,
      list,
    ),
    h('article', { class: 'card' }, h('h2', {}, 'On this device'), models),
  ];

  async function pull(model, route = DOWNLOADS) {
    const begun = await ask('POST', route, { owner: true, body: { model } });
    say(`${begun.model} is on its way.`);
    await refresh();
  }

  function actions(one) {
    if (one.state === 'running' || one.state === 'queued') {
      return [
        button('Cancel', { class: 'plain small', 'aria-label': `Cancel ${one.model}` }, trouble, () => cancel(one)),
      ];
    }
    if (one.state === 'succeeded') return [];
    return [
      button('Try again', { class: 'plain small', 'aria-label': `Try ${one.model} again` }, trouble, () =>
        pull(one.model, isBuild(one) ? BUILDS : DOWNLOADS),
      ),
    ];
  }

  async function cancel(one) {
    await ask('DELETE', `${DOWNLOADS}/${encodeURIComponent(one.id)}`, { owner: true });
    say(`${one.model} is cancelled.`);
    await refresh();
  }

  let before = '';
  async function refresh() {
    clearTimeout(timer);
    let isMoving = false;
    try {
      const all = latest((await ask('GET', DOWNLOADS, { owner: true })).data);
      none.hidden = all.length > 0;
      fill(all, (one) => one.id, downloadRow(actions));
      isMoving = all.some((one) => one.state === 'running' || one.state === 'queued');
      // One that has just come is in the device's list.
      const states = all.map((one) => one.state).join();
      if (before && before !== states) await look();
      before = states;
      show(models, device.models, (all) =>
        real(all ?? []).map((one) => modelEntry(one, modelActions(one, trouble, refresh))),
      );
    } catch (error) {
      if (isHere) trouble.tell(error);
    }
    clearTimeout(timer);
    if (isHere && !document.hidden) timer = setTimeout(refresh, isMoving ? MOVING : STILL);
  }
  const onSeen = () => isHere && !document.hidden && refresh();

  return {
    node,
    enter() {
      isHere = true;
      document.addEventListener('visibilitychange', onSeen);
      refresh();
    },
    leave() {
      isHere = false;
      document.removeEventListener('visibilitychange', onSeen);
      clearTimeout(timer);
    },
  };
}

/** Of each model the last try, newest first. */
function latest(all) {
  const newest = new Map();
  for (const one of all) {
    newest.delete(`${one.engine} ${one.model}`);
    newest.set(`${one.engine} ${one.model}`, one);
  }
  return [...newest.values()].reverse();
}

/** What lies on the disk: of several names for one model the engine's own, or the first. */
function real(models) {
  const ids = new Set(models.map((one) => one.id));
  const known = new Map();
  for (const one of models) {
    if (one.stands_for && ids.has(one.stands_for)) continue;
    known.set(one.stands_for ?? one.id, known.get(one.stands_for ?? one.id) ?? one);
  }
  return [...known.values()];
}

function modelActions(one, trouble, refresh) {
  const act = (label, verb, done) =>
    button(label, { class: 'plain small', 'aria-label': `${label} ${one.id}` }, trouble, async () => {
      await ask('POST', `/thox/v1/models/${verb}`, { owner: true, body: { model: one.id } });
      say(`${one.id} ${done}.`);
      await look();
      await refresh();
    });
  const remove = button('Delete', { class: 'plain small bad', 'aria-label': `Delete ${one.id}` }, trouble, async () => {
    const real = one.stands_for ?? one.id;
    const also = one.stands_for ? `${one.id} is a name for ${real}. ` : '';
    const text = `${also}${real} goes from the device’s disk; to have it again it has to be downloaded.`;
    if (!(await sure(`Delete ${real}?`, text, 'Delete it'))) return;
    await ask('POST', '/thox/v1/models/delete', { owner: true, body: { model: one.id } });
    say(`${real} is deleted.`);
    await look();
    await refresh();
  });
  const memory = one.loaded ? act('Unload', 'unload', 'is no longer in memory') : act('Load', 'load', 'is in memory');
  return h('span', { class: 'actions' }, memory, remove);
}
