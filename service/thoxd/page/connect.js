// How to point programs and editors at this device.

import { code } from './copy.js';
import { h, show } from './dom.js';
import { editors, programs } from './snippets.js';
import { tabbed } from './tabs.js';

let chosen = 'curl';

/** Shows the address and what to paste; anew when the device's answers make it another text. */
export function showConnect(place, device) {
  const { status, models, isLocked } = device;
  const base = location.origin;
  const needsKey = status?.key_needed ?? isLocked;
  const model = models?.some((one) => one.id === 'thox-coder') ? 'thox-coder' : (models?.[0]?.id ?? 'thox-coder');
  const isOwnCertificate = location.protocol === 'https:' && (status?.tls?.self_signed ?? false);
  show(place, [base, needsKey, model, isOwnCertificate], () => {
    const parts = programs({ base, model, key: needsKey ? 'sk-your-key' : null }).map(([name, label, text]) => [
      `snippet-${name}`,
      label,
      code(text, `the ${label} sample`),
    ]);
    parts.push(['snippet-editors', 'Editors', editorPart(base, needsKey)]);
    const samples = tabbed('Languages', parts, (name) => (chosen = name.replace('snippet-', '')));
    // The tabs look for their panels in the page.
    queueMicrotask(() => samples.start()(`snippet-${chosen}`));
    return [
      h('h1', {}, 'Connect'),
      h(
        'article',
        { class: 'card' },
        h('p', {}, 'The device speaks OpenAI’s API. Give any program that does this address:'),
        h(
          'dl',
          { class: 'facts' },
          fact('Base URL', code(`${base}/v1`, 'the base URL')),
          fact(
            'API key',
            needsKey ? 'one of yours, “sk-…”: the owner makes them' : 'none is needed here; “not-required” will do',
          ),
          fact('Model', code(model, 'the model’s name')),
        ),
        isOwnCertificate && h('p', { class: 'notice' }, OWN_CERTIFICATE),
      ),
      h('article', { class: 'card' }, samples.node),
    ];
  });
}

const OWN_CERTIFICATE =
  'The device made its certificate itself, so programs refuse it until they trust it. “thox trust” pins it for the ' +
  'command line, and “thox mcp config” makes editors go through that.';

function editorPart(base, needsKey) {
  return [
    h('p', {}, 'As a server of tools (MCP): complete, explain, refactor and test code.'),
    needsKey && h('p', { class: 'quiet' }, 'The key comes from the variable THOX_API_KEY, set where the editor runs.'),
    editors({ base, needsKey }).map(([name, label, where, text]) =>
      h(
        'details',
        { open: name === 'claude-code', name: 'editor' },
        h('summary', {}, label),
        h('p', { class: 'quiet small-text' }, where),
        code(text, `what ${label} takes`),
      ),
    ),
  ];
}

const fact = (name, value) => [h('dt', {}, name), h('dd', {}, value)];
