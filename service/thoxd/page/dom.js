// Elements. What is given as a child and is no element becomes text: nothing that a device, a model or a person says is
// ever read as HTML.

/** An element with attributes and children; a function is a listener, false and null leave an attribute out. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === 'function') element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(...children.flat(2).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const byId = (id) => document.getElementById(id);

const shown = new WeakMap();

/**
 * Fills `place` with what `build` makes of `state`, only if the state is another one: what a person has focused or
 * selected stays while nothing changes.
 */
export function show(place, state, build) {
  const now = JSON.stringify(state) ?? '';
  if (shown.get(place) === now) return;
  shown.set(place, now);
  const content = build(state);
  place.replaceChildren(...[content].flat(2).filter(Boolean));
}

/** Keeps one row for each item: `make` gives `{ node, update }`, and rows stay as long as their items do. */
export function rows(place) {
  const known = new Map();
  return (items, keyOf, make) => {
    const wanted = new Set(items.map(keyOf));
    for (const [key, row] of known) {
      if (wanted.has(key)) continue;
      row.node.remove();
      known.delete(key);
    }
    for (const item of items) {
      let row = known.get(keyOf(item));
      if (!row) {
        row = make(item);
        known.set(keyOf(item), row);
        place.append(row.node);
      }
      row.update(item);
    }
  };
}

/** A field with its label, and a hint that screen readers tell with it. */
export function field(label, control, hint) {
  control.id ||= `field-${++fields}`;
  const parts = [h('label', { for: control.id }, label), control];
  if (hint) {
    control.setAttribute('aria-describedby', `${control.id}-hint`);
    parts.push(h('p', { class: 'hint', id: `${control.id}-hint` }, hint));
  }
  return h('div', { class: 'field' }, parts);
}
let fields = 0;

/** A choice: `options` are pairs of value and label. */
export function choice(options, chosen, attributes = {}) {
  const make = ([value, label]) => h('option', { value, selected: value === chosen }, label);
  return h('select', attributes, options.map(make));
}

/** A box to tick, with its words. */
export function box(words, attributes = {}) {
  const input = h('input', { type: 'checkbox', ...attributes });
  return { input, node: h('label', { class: 'box' }, input, h('span', {}, words)) };
}

/** A place for what went wrong, told at once to screen readers. */
export function problem() {
  const node = h('p', { class: 'problem', role: 'alert', hidden: true });
  return {
    node,
    tell(error) {
      node.hidden = !error;
      node.textContent = error ? (error.message ?? String(error)) : '';
    },
  };
}

/** Runs `work` with the button out of use, so that nothing is asked for twice; what fails is told in `trouble`. */
export async function busy(button, trouble, work) {
  if (button.getAttribute('aria-disabled') === 'true') return;
  trouble?.tell(null);
  // Not `disabled`, which would take the focus away.
  button.setAttribute('aria-disabled', 'true');
  try {
    await work();
  } catch (error) {
    if (trouble) trouble.tell(error);
    else throw error;
  } finally {
    button.removeAttribute('aria-disabled');
  }
}

/** A button that does some work. */
export function button(label, attributes, trouble, work) {
  const node = h('button', { type: 'button', ...attributes }, label);
  node.addEventListener('click', () => busy(node, trouble, work));
  return node;
}
