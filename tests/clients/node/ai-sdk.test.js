// Vercel's AI SDK with its provider for compatible services.

import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { APICallError, Output, embed, generateText, stepCountIs, streamText, tool } from 'ai';
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { z } from 'zod';
import { start } from './support/device.js';

describe('the AI SDK', () => {
  let device;
  let provider;
  before(async () => {
    device = await start();
    provider = createOpenAICompatible({
      name: 'thox',
      baseURL: device.baseURL,
      apiKey: 'not-required',
      includeUsage: true,
      supportsStructuredOutputs: true,
    });
  });
  after(() => device?.end());

  test('generateText', async () => {
    const { text, usage, finishReason } = await generateText({ model: provider('thox-coder'), prompt: 'Hello!' });
    assert.ok(text);
    assert.equal(finishReason, 'stop');
    assert.ok(usage.totalTokens > 0);
  });

  test('streamText', async () => {
    const result = streamText({ model: provider('thox-coder'), prompt: 'Hello!' });
    let text = '';
    for await (const piece of result.textStream) text += piece;
    assert.equal(text, (await generateText({ model: provider('thox-coder'), prompt: 'Hello!' })).text);
    assert.ok((await result.usage).totalTokens > 0);
  });

  test('tools are called and answered', async () => {
    const asked = [];
    await generateText({
      model: provider('thox-coder'),
      prompt: 'What is the weather in Paris?',
      stopWhen: stepCountIs(2),
      tools: {
        get_weather: tool({
          description: 'The weather of a city',
          inputSchema: z.object({ city: z.string() }),
          execute: async ({ city }) => {
            asked.push(city);
            return 'sunny';
          },
        }),
      },
    });
    assert.ok(asked.length > 0);
  });

  test('structured output', async () => {
    const { output } = await generateText({
      model: provider('thox-coder'),
      prompt: 'A city?',
      output: Output.object({ schema: z.object({ name: z.string(), inhabitants: z.number() }) }),
    });
    assert.equal(typeof output.name, 'string');
    assert.equal(typeof output.inhabitants, 'number');
  });

  test('embed', async () => {
    const model = provider.embeddingModel('nomic-embed-text');
    const { embedding } = await embed({ model, value: 'hello' });
    assert.ok(embedding.length > 0);
  });

  test('an unknown model is an error with its status', async () => {
    const asked = generateText({ model: provider('nobody'), prompt: 'Hello!', maxRetries: 0 });
    await assert.rejects(asked, (error) => {
      assert.ok(APICallError.isInstance(error));
      assert.equal(error.statusCode, 404);
      return true;
    });
  });
});
