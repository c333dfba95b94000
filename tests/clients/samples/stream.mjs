const ws = new WebSocket('ws://thox.local:8080/v1/stream');

ws.onopen = () => {
  ws.send(JSON.stringify({
    model: 'thox-coder',
    messages: [
      { role: 'user', content: 'Explain async/await' }
    ]
  }));
};

ws.onmessage = (event) => {
  const data = JSON.parse(event.data);
  if (data.choices?.[0]?.delta?.content) {
    process.stdout.write(data.choices[0].delta.content);
  }
};

ws.onerror = (error) => console.error('WebSocket error:', error);
ws.onclose = () => console.log('Connection closed');
