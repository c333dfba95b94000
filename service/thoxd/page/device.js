// The device as it is: looked at every few seconds while the page is seen, sooner while a model is on its way or the
// device does not answer.

import { ask, needKey, Refused } from './api.js';

const USUAL = 5000;
const SOON = 1000;
const AWAY = 2000;
/** A device that says nothing for so long is away. */
const PATIENCE = 8000;
/** While a key is needed and there is none, every so many looks it is tried whether that is still so. */
const LOCKED_LOOKS = 6;

/** What is known of it; null is not known. */
export const device = { health: null, status: null, models: null, isLocked: false, isAway: false };

const watchers = [];
let timer;
let looking = null;
let lockedLooks = 1;

/** Calls `act` after each look. */
export function watch(act) {
  watchers.push(act);
  if (device.health || device.isAway) act(device);
}

/** Begins to look. */
export function begin() {
  document.addEventListener('visibilitychange', () => {
    clearTimeout(timer);
    if (!document.hidden) look();
  });
  return look();
}

/** Looks now; who asks while a look goes on waits for the next one. */
export async function look({ isKeyNew = false } = {}) {
  clearTimeout(timer);
  if (isKeyNew) lockedLooks = 0;
  while (looking) await looking;
  looking = lookOnce();
  try {
    await looking;
  } finally {
    looking = null;
  }
  for (const act of watchers) act(device);
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(look, pause());
}

function pause() {
  if (device.isAway) return AWAY;
  return device.status?.downloads?.some((one) => one.state === 'running') ? SOON : USUAL;
}

async function lookOnce() {
  const signal = AbortSignal.timeout(PATIENCE);
  try {
    // Unhealthy is an answer too, sent with 503 so that other programs see it.
    device.health = await health(signal);
    device.isAway = false;
  } catch {
    device.isAway = true;
    return;
  }
  if (device.isLocked && lockedLooks++ % LOCKED_LOOKS !== 0) return;
  try {
    const [status, models] = await Promise.all([
      ask('GET', '/thox/v1/status', { signal }),
      ask('GET', '/v1/models', { signal }),
    ]);
    Object.assign(device, { status, models: models.data, isLocked: false });
    lockedLooks = 1;
    needKey(status.key_needed);
  } catch (error) {
    if (!(error instanceof Refused) || error.status !== 401) return;
    needKey(true);
    Object.assign(device, { status: null, models: null, isLocked: true });
  }
}

async function health(signal) {
  const response = await fetch('/health', { signal, cache: 'no-store', credentials: 'omit' });
  const document = await response.json();
  if (!document.status) throw new Error('no health');
  return document;
}
