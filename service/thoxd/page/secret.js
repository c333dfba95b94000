// A new key, shown once.

import { dialog } from './ask.js';
import { copyButton } from './copy.js';
import { box, h } from './dom.js';

/** Shows a key until the person has it. With `keep` it can be kept for this tab; gives whether it shall be. */
export async function showKey(title, made, { keep = false } = {}) {
  const input = h('textarea', {
    class: 'mono secret',
    rows: '2',
    readonly: true,
    'aria-label': 'The key',
    spellcheck: 'false',
  });
  input.value = made.key;
  input.addEventListener('focus', () => input.select());
  const kept = box('Stay signed in with it in this tab, until the tab is closed');
  const answer = await dialog(
    title,
    (close) =>
      [
        h('p', {}, 'This is the only time that the key is shown. Put it where you keep passwords.'),
        h(
          'div',
          { class: 'with-button' },
          input,
          copyButton(() => input.value, 'the key'),
        ),
        made.warning && h('p', { class: 'notice warn' }, `Mind: ${made.warning}.`),
        keep && kept.node,
        h(
          'div',
          { class: 'actions end' },
          h('button', { type: 'button', class: 'main', click: () => close(kept.input.checked) }, 'I have saved it'),
        ),
      ].filter(Boolean),
    // One that is gone by a slip of the finger is gone.
    { mayEscape: false },
  );
  input.value = '';
  return answer === true;
}
