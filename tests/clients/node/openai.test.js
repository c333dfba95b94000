// The OpenAI SDK for Node.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import OpenAI from 'openai';
import { metric, start, until } from './support/device.js';

const HELLO = [{ role: 'user', content: 'Hello!' }];
const WEATHER = [{ role: 'user', content: 'What is the weather in Paris?' }];
const TOOLS = [
  {
    type: 'function',
    function: {
      name: 'get_weather',
      parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
    },
  },
];

// Without the SDK's own retries: a test sees the first answer.
const clientOf = (device) => new OpenAI({ baseURL: device.baseURL, apiKey: 'not-required', maxRetries: 0 });

describe('with a quick engine', () => {
  let device;
  let client;
  before(async () => {
    device = await start();
    client = clientOf(device);
  });
  after(() => device?.end());

  test('chat', async () => {
    const reply = await client.chat.completions.create({ model: 'thox-coder', messages: HELLO });
    assert.equal(reply.model, 'thox-coder');
    assert.equal(reply.backend, 'ollama');
    assert.ok(reply.choices[0].message.content);
    assert.ok(reply.usage.total_tokens > 0);
  });

  test('stream', async () => {
    const whole = await client.chat.completions.create({ model: 'thox-coder', messages: HELLO });
    const stream = await client.chat.completions.create({
      model: 'thox-coder',
      messages: HELLO,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = '';
    let usage;
    for await (const chunk of stream) {
      assert.equal(chunk.backend, 'ollama');
      text += chunk.choices[0]?.delta?.content ?? '';
      usage = chunk.usage ?? usage;
    }
    assert.equal(text, whole.choices[0].message.content);
    assert.ok(usage.total_tokens > 0);
  });

  test('tools, whole and streamed', async () => {
    const reply = await client.chat.completions.create({ model: 'thox-coder', messages: WEATHER, tools: TOOLS });
    assert.equal(reply.choices[0].finish_reason, 'tool_calls');
    const whole = reply.choices[0].message.tool_calls[0].function;
    const streamed = await client.chat.completions
      .stream({ model: 'thox-coder', messages: WEATHER, tools: TOOLS })
      .finalChatCompletion();
    assert.deepEqual(streamed.choices[0].message.tool_calls[0].function.arguments, whole.arguments);
    assert.ok('city' in JSON.parse(whole.arguments));
  });

  test('JSON by a schema', async () => {
    const reply = await client.chat.completions.parse({
      model: 'thox-coder',
      messages: HELLO,
      response_format: {
        type: 'json_schema',
        json_schema: {
          name: 'city',
          strict: true,
          schema: {
            type: 'object',
            properties: { name: { type: 'string' } },
            required: ['name'],
            additionalProperties: false,
          },
        },
      },
    });
    assert.equal(typeof JSON.parse(reply.choices[0].message.content).name, 'string');
  });

  test('completions', async () => {
    const reply = await client.completions.create({ model: 'thox-coder', prompt: 'def add(', max_tokens: 16 });
    assert.ok(reply.choices[0].text);
  });

  test('embeddings: the SDK asks for base64 and decodes it', async () => {
    const [binary] = (await client.embeddings.create({ model: 'nomic-embed-text', input: 'hello' })).data;
    const [floats] = (
      await client.embeddings.create({ model: 'nomic-embed-text', input: 'hello', encoding_format: 'float' })
    ).data;
    assert.equal(binary.embedding.length, floats.embedding.length);
    binary.embedding.forEach((value, at) => assert.ok(Math.abs(value - floats.embedding[at]) < 1e-6));
  });

  test('models', async () => {
    const ids = [];
    for await (const model of client.models.list()) ids.push(model.id);
    assert.ok(ids.includes('thox-coder'));
    for (const id of ids) assert.equal((await client.models.retrieve(id)).id, id);
  });

  test('errors are of the right classes', async () => {
    const unknown = client.chat.completions.create({ model: 'nobody', messages: HELLO });
    await assert.rejects(unknown, (error) => {
      assert.ok(error instanceof OpenAI.NotFoundError);
      assert.equal(error.code, 'model_not_found');
      return true;
    });
    const broken = client.post('/chat/completions', { body: { messages: HELLO } });
    await assert.rejects(broken, OpenAI.BadRequestError);
  });
});

test('no engine is a 503', async (t) => {
  const device = await start('--dead');
  t.after(() => device.end());
  const asked = clientOf(device).chat.completions.create({ model: 'thox-coder', messages: HELLO });
  await assert.rejects(asked, (error) => {
    assert.ok(error instanceof OpenAI.InternalServerError);
    assert.equal(error.status, 503);
    return true;
  });
});

test('a stream that breaks throws', async (t) => {
  const device = await start('--fault', 'reset:2');
  t.after(() => device.end());
  const stream = await clientOf(device).chat.completions.create({
    model: 'thox-coder',
    messages: HELLO,
    stream: true,
  });
  await assert.rejects(
    async () => {
      for await (const chunk of stream) assert.ok(chunk.id);
    },
    OpenAI.APIError,
  );
});

test('abort ends the request', async (t) => {
  const device = await start('--gap-ms', '200');
  t.after(() => device.end());
  const stream = await clientOf(device).chat.completions.create({
    model: 'thox-coder',
    messages: HELLO,
    stream: true,
  });
  for await (const chunk of stream) {
    assert.ok(chunk.id);
    assert.equal(await metric(device, 'thox_requests_in_flight'), 1);
    break; // the SDK aborts the request
  }
  await until(async () => (await metric(device, 'thox_requests_in_flight')) === 0, 2000);
});
