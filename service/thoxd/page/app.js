// The page's life: the link's code first, then the tab's key, then the device every few seconds.

import * as chat from './chat.js';
import { takeCode } from './claim.js';
import { showConnect } from './connect.js';
import { begin, device, look, watch } from './device.js';
import { byId, h, show } from './dom.js';
import { enterManage, leaveManage, showManage } from './manage.js';
import { showOverview } from './overview.js';
import { resume, session, signOut, whenSessionChanges } from './session.js';
import { tabs } from './tabs.js';

let code = takeCode();
let version = null;
let shownTab = '';

const select = tabs(byId('tabs'), (name) => {
  if (shownTab === 'manage' && name !== 'manage') leaveManage();
  shownTab = name;
  // So that a reload comes back here; going back leaves the page, not the tab.
  history.replaceState(null, '', name === 'overview' ? location.pathname : `#${name}`);
  draw();
  if (name === 'manage') enterManage();
});

function openTab() {
  const linked = takeCode();
  code = linked ?? code;
  const wanted = code && linked ? 'overview' : location.hash.slice(1);
  if (wanted === 'main') return;
  if (!['overview', 'connect', 'chat', 'manage'].includes(wanted) || !select(wanted)) select('overview');
}

const signInNow = () => select('manage', { focus: true });

function draw() {
  if (session.scope) code = null;
  showOverview(device, session, code, signInNow);
  if (shownTab === 'connect') showConnect(byId('connect'), device);
  if (shownTab === 'manage') showManage(byId('manage'), device, session);
  show(byId('who'), [session.scope, shownTab], who);
  away();
}

function who() {
  if (session.scope) {
    const name = session.scope === 'admin' ? 'Signed in' : 'Signed in to ask';
    return [
      h('span', { class: 'quiet' }, name),
      h('button', { type: 'button', class: 'plain small', click: signOut }, 'Sign out'),
    ];
  }
  return shownTab !== 'manage' && h('button', { type: 'button', class: 'plain small', click: signInNow }, 'Sign in');
}

/** One banner: the device does not answer, or it has been updated under this page. */
function away() {
  version ??= device.health?.version ?? null;
  const isOther = version !== null && device.health?.version !== version;
  const banner = byId('away');
  banner.hidden = !device.isAway && !isOther;
  show(banner, [device.isAway, isOther], () => {
    if (device.isAway) return 'The device does not answer. This page tries again by itself.';
    if (!isOther) return null;
    return [
      'The device was updated. ',
      h('button', { type: 'button', class: 'plain small', click: () => location.reload() }, 'Reload'),
    ];
  });
}

whenSessionChanges(() => {
  draw();
  look({ isKeyNew: true });
});
watch(draw);
addEventListener('hashchange', openTab);
chat.begin(byId('chat'));
openTab();
await resume();
await begin();
