// Copying to the clipboard, also where browsers keep their clipboard's interface back: on pages over plain HTTP.

import { say } from './ask.js';
import { h } from './dom.js';

/** A button that copies what `text` gives at that moment; `what` names it for screen readers. */
export function copyButton(text, what) {
  const node = h('button', { type: 'button', class: 'plain small', 'aria-label': `Copy ${what}` }, 'Copy');
  node.addEventListener('click', async () => {
    const isCopied = await copy(text(), node);
    say(
      isCopied ? `Copied ${what}.` : 'This browser does not let the page copy: select the text and copy it yourself.',
    );
    if (!isCopied) return;
    node.textContent = 'Copied';
    setTimeout(() => (node.textContent = 'Copy'), 2000);
  });
  return node;
}

async function copy(text, near) {
  if (navigator.clipboard && window.isSecureContext) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // Not allowed: the old way.
    }
  }
  // Beside the button, since a dialog takes the focus only for what is in it.
  const area = h('textarea', { class: 'off-screen', readonly: true, 'aria-hidden': 'true', tabindex: '-1' });
  area.value = text;
  near.after(area);
  area.select();
  const isCopied = document.execCommand('copy');
  area.remove();
  near.focus();
  return isCopied;
}

/** A line or more of code with a button to copy it. */
export function code(text, what) {
  const place = h('code', {}, text);
  const node = h('div', { class: 'code' }, h('pre', { tabindex: '0', role: 'region', 'aria-label': what }, place));
  node.append(copyButton(() => place.textContent, what));
  return node;
}
