// A chat as the device streams it: server-sent events (HTML, 9.2.6), each a chunk of OpenAI's shape.

import { Away, Refused, send } from './api.js';

/** The chunks of a chat, one by one. Ending the loop, or `signal`, ends the request, and with it the engine's work. */
export async function* chat(body, signal) {
  const response = await send('POST', '/v1/chat/completions', { body, signal });
  const route = response.headers.get('x-thox-route');
  let isWhole = false;
  for await (const data of events(response.body)) {
    if (data === '[DONE]') {
      isWhole = true;
      break;
    }
    const chunk = JSON.parse(data);
    if (chunk.error) throw new Refused(response.status, chunk.error, null);
    yield { chunk, route };
  }
  // A stream that has just stopped is no answer.
  if (!isWhole) throw new Away();
}

/** The data of each event. */
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  try {
    for (;;) {
      const { value, done } = await read(reader);
      if (done) return;
      const lines = (rest + value).split('\n');
      rest = lines.pop();
      for (const line of lines) {
        // Lines that begin with a colon are comments, while the model is being loaded.
        if (line.startsWith('data:')) yield line.slice('data:'.length).trim();
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

async function read(reader) {
  try {
    return await reader.read();
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Away();
  }
}
