import OpenAI from 'openai';
const client = new OpenAI({
baseURL: 'http://thox.local:8080/v1',
apiKey: 'not-required'
});
const response = await client.chat.completions.create({
model: 'thox-coder',
messages: [{ role: 'user', content: 'Write a hello world' }]
});
console.log(response.choices[0].message.content);
