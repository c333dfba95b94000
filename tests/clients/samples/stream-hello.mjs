const ws = new WebSocket('ws://thox.local:8080/v1/stream');
ws.onopen = () => {
ws.send(JSON.stringify({
model: 'thox-coder',
messages: [{ role: 'user', content: 'Hello!' }]
}));
};
ws.onmessage = (event) => {
const data = JSON.parse(event.data);
console.log(data.choices?.[0]?.delta?.content || '');
};
