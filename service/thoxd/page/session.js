// Who uses the page: nobody in particular, somebody with a key for models, or the owner with an admin key.
//
// The key is kept in memory and is gone with the page. Whoever wants it may have it kept in sessionStorage: for this tab
// alone and until it is closed, so that a reload does not ask again. Nowhere else: localStorage would leave it on the
// disk for whoever uses this browser next, and a cookie would be sent along by itself, which is what other pages that
// want something of the device wait for.

import { ask, carry, needKey, Refused, whenKeyIsBad } from './api.js';
import { say } from './ask.js';

const PLACE = 'thox.key';
const AGAIN = 3000;

/** What may be done, and the beginning of the key by which the device's list shows it. */
export const session = { scope: null, key: '', isKept: false };

const watchers = [];

/** Calls `act` when somebody signs in or out. */
export function whenSessionChanges(act) {
  watchers.push(act);
}

/** Takes a key if the device knows it. Throws what the device says of it otherwise. */
export async function signIn(key, keep) {
  enter(key, await scopeOf(key), keep);
}

/** Takes a key that the device has just given. */
export function enter(key, scope, keep) {
  Object.assign(session, { scope, key, isKept: keep });
  carry(key);
  store(keep ? key : null);
  tell();
}

export function signOut() {
  Object.assign(session, { scope: null, key: '', isKept: false });
  carry('');
  store(null);
  tell();
}

/** Takes up what this tab has kept. A device that is away says nothing of the key: it stays, and is tried later. */
export async function resume() {
  whenKeyIsBad(() => {
    if (!session.key) return;
    signOut();
    say('You are signed out: the device does not know the key any more.');
  });
  const key = stored();
  if (!key) return;
  try {
    await signIn(key, true);
  } catch (error) {
    if (error instanceof Refused && error.status === 401) store(null);
    else setTimeout(() => session.scope ?? resume(), AGAIN);
  }
}

/** What a key may be used for: the owner's part answers an admin key alone. */
async function scopeOf(key) {
  try {
    const auth = await ask('GET', '/thox/v1/auth', { owner: true, as: key });
    needKey(auth.enabled);
    return 'admin';
  } catch (error) {
    if (error instanceof Refused && error.code === 'insufficient_scope') return 'inference';
    throw error;
  }
}

function tell() {
  for (const act of watchers) act(session);
}

function stored() {
  try {
    return sessionStorage.getItem(PLACE);
  } catch {
    return null;
  }
}

/** A browser that keeps nothing is no reason not to sign in. */
function store(key) {
  try {
    if (key) sessionStorage.setItem(PLACE, key);
    else sessionStorage.removeItem(PLACE);
  } catch {
    // Private windows of some browsers.
  }
}
