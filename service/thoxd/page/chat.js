// A small chat, to try the device. What a model says is text, whatever it looks like.

import { copyButton } from './copy.js';
import { choice, h, problem, show } from './dom.js';
import { chat } from './stream.js';
import { watch } from './device.js';

let messages = [];
let running = null;

/** Builds the chat into its place. */
export function begin(place) {
  const log = h('div', { class: 'log', role: 'log', 'aria-label': 'Conversation', tabindex: '0' });
  const empty = h('p', { class: 'empty' }, 'Ask something. What you write stays on this device and in this page.');
  const trouble = problem();
  const model = h('div', { class: 'field' });
  const input = h('textarea', { rows: '3', placeholder: 'Write a message', 'aria-label': 'Message' });
  const submit = h('button', { class: 'main' }, 'Send');
  const stop = h('button', { type: 'button', class: 'main', hidden: true }, 'Stop');
  const anew = h('button', { type: 'button', class: 'plain' }, 'New chat');
  const form = h(
    'form',
    { class: 'composer' },
    input,
    h('div', { class: 'actions' }, model, h('span', { class: 'grow' }), anew, stop, submit),
  );
  log.append(empty);
  place.append(h('h1', { class: 'off-screen' }, 'Chat'), h('article', { class: 'card chat' }, log, trouble.node, form));

  watch(({ models }) => show(model, names(models), (all) => picker(all)));
  stop.addEventListener('click', () => running?.abort());
  anew.addEventListener('click', () => {
    running?.abort();
    messages = [];
    log.replaceChildren(empty);
    trouble.tell(null);
    input.focus();
  });
  input.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const text = input.value.trim();
    if (!text || running) return;
    empty.remove();
    input.value = '';
    trouble.tell(null);
    running = new AbortController();
    submit.hidden = true;
    stop.hidden = false;
    try {
      await turn(text, model.querySelector('select')?.value ?? 'thox-coder', log, running.signal);
    } catch (error) {
      trouble.tell(error);
    }
    running = null;
    if (document.activeElement === stop) input.focus();
    stop.hidden = true;
    submit.hidden = false;
  });
}

/** One question and its answer. */
async function turn(text, model, log, signal) {
  const question = { role: 'user', content: text };
  const conversation = messages;
  const before = [...conversation];
  conversation.push(question);
  log.append(bubble('you', 'You', text).node);
  const answer = bubble('model', model, '');
  // Told to screen readers when it is whole, not word by word.
  log.setAttribute('aria-busy', 'true');
  log.append(answer.node);
  const said = { role: 'assistant', content: '' };
  const began = performance.now();
  let [first, usage, route] = [null, null, null];
  try {
    const body = { model, messages: [...before, question], stream: true, stream_options: { include_usage: true } };
    for await (const part of chat(body, signal)) {
      const delta = part.chunk.choices[0]?.delta ?? {};
      ({ route } = part);
      usage = part.chunk.usage ?? usage;
      if (delta.content || delta.reasoning_content) first ??= performance.now();
      said.content += delta.content ?? '';
      answer.add(delta, log);
    }
    answer.finish(summary(usage, route, began, first));
  } catch (error) {
    answer.finish(error.name === 'AbortError' ? 'stopped' : 'broken off');
    if (error.name !== 'AbortError') throw error;
  } finally {
    // What was said stays part of the conversation; a question without any answer does not.
    if (said.content) conversation.push(said);
    else conversation.splice(conversation.indexOf(question), 1);
    log.removeAttribute('aria-busy');
  }
}

function bubble(kind, name, text) {
  const content = h('div', { class: 'text' }, text);
  const thoughts = h('div', { class: 'text' });
  const thinking = h('details', { class: 'thinking', hidden: true }, h('summary', {}, 'Thoughts'), thoughts);
  const foot = h('p', { class: 'foot' });
  const node = h('div', { class: `bubble ${kind}` }, h('p', { class: 'name' }, name), thinking, content, foot);
  return {
    node,
    add(delta, log) {
      const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 60;
      if (delta.reasoning_content) {
        thinking.hidden = false;
        thoughts.append(delta.reasoning_content);
      }
      if (delta.content) content.append(delta.content);
      // Whoever has scrolled up reads.
      if (isAtEnd) log.scrollTop = log.scrollHeight;
    },
    finish(words) {
      content.normalize();
      foot.textContent = words;
      if (content.textContent) foot.append(copyButton(() => content.textContent, 'the answer'));
    },
  };
}

function summary(usage, route, began, first) {
  const parts = [];
  if (route) parts.push(route.split(';')[0]);
  if (first) parts.push(`first word after ${((first - began) / 1000).toFixed(1)} s`);
  const seconds = first ? (performance.now() - first) / 1000 : 0;
  if (usage?.completion_tokens > 1 && seconds > 0.2) {
    parts.push(`${(usage.completion_tokens / seconds).toFixed(0)} tokens a second`);
  }
  return parts.join(' · ');
}

/** Models that talk. */
function names(models) {
  const talks = (one) => !one.capabilities || one.capabilities.includes('completion');
  return (models ?? []).filter(talks).map((one) => one.id);
}

function picker(all) {
  if (!all.length) return h('span', { class: 'quiet' }, 'No model is there yet.');
  const usual = all.includes('thox-coder') ? 'thox-coder' : all[0];
  const options = all.map((name) => [name, name]);
  return choice(options, usual, { 'aria-label': 'Model' });
}
