// What is asked of the device, always the one that the page came from; and the key that it is asked with, which is kept
// here and nowhere else.

import { sentence } from './words.js';

let key = '';
let isKeyNeeded = false;
let onBadKey = () => {};

/** The device did not answer. */
export class Away extends Error {
  constructor() {
    super('The device does not answer. Is it switched on, and are you on its network?');
  }
}

/** The device refused; the message is its own. */
export class Refused extends Error {
  constructor(status, error, retryAfter) {
    super(sentence(error?.message ?? `The device answered with status ${status}.`));
    this.status = status;
    this.code = error?.code ?? null;
    this.retryAfter = retryAfter;
  }
}

/** The key to ask with from now on; none is an empty text. */
export function carry(newKey) {
  key = newKey;
}

/** Whether asking models needs a key, as the device says. */
export function needKey(isNeeded) {
  isKeyNeeded = isNeeded;
}

/** What is done when the device knows the key no more. */
export function whenKeyIsBad(act) {
  onBadKey = act;
}

/**
 * Asks; gives the response. A key goes along only where it has to: what is public is asked without, what is about models
 * only while a key is needed for that (a key's limits are for its owner's work), what is the owner's (`owner`) always.
 */
export async function send(method, path, { body, signal, owner = false, open = false, as } = {}) {
  const isKeyed = Boolean(as ?? key) && !open && (owner || Boolean(as) || isKeyNeeded);
  const headers = {};
  if (body !== undefined) headers['content-type'] = 'application/json';
  if (isKeyed) headers.authorization = `Bearer ${as ?? key}`;
  const text = body === undefined ? undefined : JSON.stringify(body);
  let response;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: text,
      signal,
      cache: 'no-store',
      credentials: 'omit',
      redirect: 'error',
    });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Away();
  }
  if (response.ok) return response;
  if (response.status === 401 && !open && !owner && !as && key && !isKeyed) {
    // It needs one by now.
    isKeyNeeded = true;
    return send(method, path, { body, signal });
  }
  const refused = await refusal(response);
  if (response.status === 401 && isKeyed && !as) onBadKey(refused);
  throw refused;
}

/** Asks; gives the document. */
export async function ask(method, path, options) {
  const response = await send(method, path, options);
  try {
    return await response.json();
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Away();
  }
}

async function refusal(response) {
  const document = await response.json().catch(() => null);
  return new Refused(response.status, document?.error, Number(response.headers.get('retry-after')) || null);
}
