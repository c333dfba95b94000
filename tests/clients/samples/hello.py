from openai import OpenAI
client = OpenAI(
base_url="http://thox.local:8080/v1",
api_key="not-required" # Set any value if auth is disabled
)
response = client.chat.completions.create(
model="thox-coder",
messages=[{"role": "user", "content": "Write a hello world"}]
)
print(response.choices[0].message.content)
