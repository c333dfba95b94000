// Words with the person: a question that waits for an answer, and a remark that passes.

import { byId, h } from './dom.js';

/** Shows a dialog until it is closed; gives what it was closed with. `build` gets the function that closes it. */
export function dialog(title, build, { mayEscape = true } = {}) {
  const before = document.activeElement;
  return new Promise((resolve) => {
    const node = h('dialog', { 'aria-labelledby': 'dialog-title' });
    const close = (answer) => {
      node.close();
      node.remove();
      if (before?.isConnected) before.focus();
      resolve(answer);
    };
    node.append(h('h2', { id: 'dialog-title' }, title), ...build(close));
    node.addEventListener('cancel', (event) => {
      event.preventDefault();
      if (mayEscape) close(undefined);
    });
    document.body.append(node);
    node.showModal();
  });
}

/** Asks before something is done that cannot be taken back. */
export async function sure(title, text, action, { isDangerous = true } = {}) {
  const answer = await dialog(title, (close) => [
    ...[text].flat().map((part) => h('p', {}, part)),
    h(
      'div',
      { class: 'actions end' },
      h('button', { type: 'button', class: 'plain', autofocus: true, click: () => close(false) }, 'Cancel'),
      h('button', { type: 'button', class: isDangerous ? 'danger' : 'main', click: () => close(true) }, action),
    ),
  ]);
  return answer === true;
}

let timer;

/** Says something that passes. */
export function say(text) {
  const place = byId('said');
  place.textContent = text;
  place.classList.add('on');
  clearTimeout(timer);
  timer = setTimeout(() => {
    place.classList.remove('on');
    place.textContent = '';
  }, 4000);
}
