// Node has a global WebSocket from version 22 on; before, the package `ws` is what people use.

import WebSocket from 'ws';

globalThis.WebSocket = WebSocket;
