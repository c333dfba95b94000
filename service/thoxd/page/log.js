// The last lines of the device's log.

import { send } from './api.js';
import { button, choice, h, problem } from './dom.js';

const LEVELS = [
  ['error', 'errors'],
  ['warn', 'warnings too'],
  ['info', 'what happens'],
  ['debug', 'everything'],
];
const LINES = 200;

/** The panel. */
export function panel() {
  const trouble = problem();
  const level = choice(LEVELS, 'info', { 'aria-label': 'Which lines' });
  const list = h('ol', { class: 'lines', tabindex: '0', 'aria-label': 'Lines of the log, the newest last' });

  async function refresh() {
    const response = await send('GET', `/thox/v1/logs?lines=${LINES}&level=${level.value}`, { owner: true });
    const lines = (await response.text()).split('\n').filter(Boolean).map(JSON.parse);
    list.replaceChildren(...lines.map(row));
    if (!lines.length) list.append(h('li', { class: 'quiet' }, 'There is none.'));
    list.scrollTop = list.scrollHeight;
  }
  const again = button('Look again', { class: 'plain' }, trouble, refresh);
  level.addEventListener('change', () => again.click());
  const node = h(
    'article',
    { class: 'card' },
    h('div', { class: 'head' }, h('h2', {}, 'Log'), h('span', { class: 'actions' }, level, again)),
    trouble.node,
    list,
  );
  return { node, enter: () => again.click() };
}

const time = new Intl.DateTimeFormat(undefined, { dateStyle: 'short', timeStyle: 'medium' });

function row(line) {
  return h(
    'li',
    { class: `level-${line.level}` },
    h('time', { datetime: new Date(line.at_ms).toISOString() }, time.format(line.at_ms)),
    ' ',
    h('b', {}, line.level),
    ' ',
    line.message,
  );
}
