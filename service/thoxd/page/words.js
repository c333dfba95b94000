// Numbers and times as people read them.

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

/** 4700000000 → `4.7 GB`. */
export function bytes(count) {
  let at = 0;
  let value = count;
  while (value >= 999.5 && at < UNITS.length - 1) {
    value /= 1000;
    at += 1;
  }
  return `${value.toFixed(value < 10 && at > 0 ? 1 : 0)} ${UNITS[at]}`;
}

/** 7600000000 → `7.6B`. */
export function parameters(count) {
  const [size, letter] = count >= 1e9 ? [count / 1e9, 'B'] : [count / 1e6, 'M'];
  return `${size < 10 ? Number(size.toFixed(1)) : Math.round(size)}${letter}`;
}

/** Seconds → `3 days`, in the largest unit that says something. */
export function span(seconds) {
  for (const [unit, length] of [
    ['day', 86400],
    ['hour', 3600],
    ['minute', 60],
  ]) {
    const count = Math.floor(seconds / length);
    if (count >= 1) return `${count} ${unit}${count === 1 ? '' : 's'}`;
  }
  return `${Math.max(0, Math.round(seconds))} s`;
}

const date = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });

/** A day, of Unix seconds. */
export const day = (seconds) => date.format(seconds * 1000);

/** Day and time, of Unix seconds. */
export const dayAndTime = (seconds) => moment.format(seconds * 1000);

/** How long ago, of Unix seconds. */
export function ago(seconds) {
  const since = Date.now() / 1000 - seconds;
  if (since < 90) return 'just now';
  return since < 30 * 86400 ? `${span(since)} ago` : day(seconds);
}

/** How long until, of Unix seconds. */
export function ahead(seconds) {
  const left = seconds - Date.now() / 1000;
  return left <= 0 ? 'over' : `in ${span(left)}`;
}

export const plural = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;

/** The device's messages begin small, for programs that put something before them. */
export const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);
