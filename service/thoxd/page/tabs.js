// Tabs: one of several panels is shown. Arrow keys go from tab to tab (WAI-ARIA's pattern).

import { h } from './dom.js';

/** Makes a list of tabs work; `onSelect` gets the name of the panel that is shown. Gives the function that selects. */
export function tabs(list, onSelect) {
  const all = [...list.querySelectorAll('[role=tab]')];
  const panelOf = (tab) => document.getElementById(tab.getAttribute('aria-controls'));
  const nameOf = (tab) => tab.getAttribute('aria-controls');

  function select(name, { focus = false } = {}) {
    const chosen = all.find((tab) => nameOf(tab) === name);
    if (!chosen) return false;
    for (const tab of all) {
      const isChosen = tab === chosen;
      tab.setAttribute('aria-selected', String(isChosen));
      tab.tabIndex = isChosen ? 0 : -1;
      const panel = panelOf(tab);
      if (panel) panel.hidden = !isChosen;
    }
    if (focus) chosen.focus();
    onSelect?.(name);
    return true;
  }

  list.addEventListener('click', (event) => {
    const tab = event.target.closest('[role=tab]');
    if (tab) select(nameOf(tab));
  });
  list.addEventListener('keydown', (event) => {
    const at = all.indexOf(event.target);
    const steps = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 };
    if (at < 0 || !(event.key in steps)) return;
    event.preventDefault();
    select(nameOf(all[(steps[event.key] + all.length) % all.length]), { focus: true });
  });
  return select;
}

/** A list of tabs with its panels: `parts` are `[name, label, node]`. */
export function tabbed(label, parts, onSelect) {
  const tab = ([name, words]) =>
    h('button', { type: 'button', role: 'tab', id: `tab-${name}`, 'aria-controls': name, tabindex: '-1' }, words);
  const panel = ([name, , node]) =>
    h('div', { id: name, role: 'tabpanel', 'aria-labelledby': `tab-${name}`, hidden: true }, node);
  const list = h('div', { class: 'tabs inner', role: 'tablist', 'aria-label': label }, parts.map(tab));
  const node = h('div', {}, list, parts.map(panel));
  return { node, start: () => tabs(list, onSelect) };
}
