// The official clients for TypeScript, and a call of each tool.

import * as two from '@modelcontextprotocol/client';
import { Client as ClientOne } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as TransportOne } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

const INFO = { name: 'thox-tests', version: '1.0.0' };
export const CALLS = [
  ['thox_complete', { before: 'def add(a, b):\n    return ', after: '\n\nprint(add(1, 2))' }],
  ['thox_explain', { code: 'a + b', level: 'beginner' }],
  ['thox_refactor', { code: 'let a = 1;', goal: 'a better name' }],
  ['thox_test', { code: 'let a = 1;' }],
];

export const CLIENTS = {
  '1.x': async (url) => {
    const client = new ClientOne(INFO);
    await client.connect(new TransportOne(new URL(`${url}/mcp`)));
    return { client, call: (name, args, options) => client.callTool({ name, arguments: args }, undefined, options) };
  },
  '2.x': async (url) => {
    const client = new two.Client(INFO, { versionNegotiation: { mode: 'auto' } });
    await client.connect(new two.StreamableHTTPClientTransport(new URL(`${url}/mcp`)));
    return { client, call: (name, args, options) => client.callTool({ name, arguments: args }, options) };
  },
};
