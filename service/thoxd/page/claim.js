// How a new device gets its owner: by the code that it shows on its console, or by the link that its QR code carries.

import { ask } from './api.js';
import { busy, field, h, problem } from './dom.js';
import { look } from './device.js';
import { showKey } from './secret.js';
import { enter } from './session.js';

/**
 * The code of a link such as `/#claim=K7QM-2XWD`. Browsers send a fragment to nobody; here it is taken out of the address
 * and of the tab's history before anything else happens.
 */
export function takeCode() {
  const found = /^#claim=([^&]*)/.exec(location.hash);
  if (!found) return null;
  history.replaceState(null, '', location.pathname + location.search);
  try {
    return decodeURIComponent(found[1]).slice(0, 40);
  } catch {
    return null;
  }
}

/** The form that takes the code. A link fills it in; the person still presses the button. */
export function claimForm(code, onClaimed) {
  const input = h('input', {
    name: 'code',
    class: 'mono',
    required: true,
    autocomplete: 'off',
    autocapitalize: 'characters',
    spellcheck: 'false',
    placeholder: 'K7QM-2XWD',
    maxlength: '40',
  });
  input.value = code ?? '';
  const trouble = problem();
  const button = h('button', { class: 'main' }, 'Claim this device');
  const submit = (event) => {
    event.preventDefault();
    return busy(button, trouble, async () => {
      input.removeAttribute('aria-invalid');
      try {
        await claim(input.value.trim());
        onClaimed?.();
      } catch (error) {
        if (error.code === 'wrong_claim_code') {
          input.setAttribute('aria-invalid', 'true');
          input.focus();
        }
        throw error;
      }
    });
  };
  return h(
    'form',
    { class: 'row', submit },
    field('Code of the device', input, 'Its console shows it; on the device, “thox claim-code” prints it.'),
    h('div', { class: 'actions' }, button),
    trouble.node,
  );
}

async function claim(code) {
  const made = await ask('POST', '/thox/v1/claim', { body: { code }, open: true });
  // The code is used up: from here on the key must not be lost, whatever else happens.
  enter(made.key, made.scope, false);
  const keep = await showKey('The device is yours: your admin key', made, { keep: true });
  if (keep) enter(made.key, made.scope, true);
  await look();
}
