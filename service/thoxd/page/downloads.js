// Models on their way, downloaded or compiled for an engine, with how far they are.

import { h } from './dom.js';
import { bytes, sentence, span } from './words.js';

/** A row for a download, kept while it goes on; `actions` gives what can be done to one in this state. */
export function downloadRow(actions = () => []) {
  return (first) => {
    const bar = h('progress', { 'aria-label': `${isBuild(first) ? 'Build' : 'Download'} of ${first.model}` });
    const far = h('span', { class: 'far' });
    const words = h('p', { class: 'quiet small-text' });
    const buttons = h('span', { class: 'actions' });
    const head = h('div', { class: 'head' }, h('strong', {}, first.model), far, buttons);
    const node = h('li', { class: 'download' }, head, bar, words);
    let state = null;
    return {
      node,
      update(now) {
        const isMoving = now.state === 'running' || now.state === 'queued';
        bar.hidden = !isMoving;
        if (now.total) {
          bar.max = now.total;
          bar.value = now.bytes;
        } else {
          bar.removeAttribute('value');
        }
        far.textContent = now.state === 'running' && now.total ? `${percent(now)} %` : '';
        words.textContent = told(now);
        words.classList.toggle('bad', now.state === 'failed');
        // Rebuilt only when there is something else to do: the focus stays.
        if (state !== now.state) buttons.replaceChildren(...actions(now));
        state = now.state;
      },
    };
  };
}

/** Whether an engine is compiled for it. */
export const isBuild = (one) => one.object === 'model.build';

/** Never 100 before it is there. */
const percent = (one) => Math.min(99, Math.floor((100 * one.bytes) / one.total));

function told(one) {
  switch (one.state) {
    case 'queued':
      return 'Waiting for others';
    case 'failed':
      return (
        (one.error && sentence(one.error.message)) ??
        'It has failed. The device’s log says why; it is tried again when asked for.'
      );
    case 'succeeded':
      return isBuild(one) ? 'It is built.' : 'It is there.';
    case 'cancelled':
      return 'Cancelled.';
    default:
      return moving(one);
  }
}

function moving(one) {
  // Nobody knows how much a build makes; to those who manage the device its engine tells how long it has taken.
  if (isBuild(one)) return one.status ? sentence(one.status) : 'Being compiled: that takes half an hour and more.';
  if (!one.total) return 'Beginning …';
  if (one.bytes >= one.total) return 'Nearly there: the device is checking it';
  const parts = [`${bytes(one.bytes)} of ${bytes(one.total)}`];
  if (one.bytes_per_second > 0) {
    parts.push(`${bytes(one.bytes_per_second)}/s`, `${span((one.total - one.bytes) / one.bytes_per_second)} left`);
  }
  return parts.join(' · ');
}
