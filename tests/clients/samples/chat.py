from openai import OpenAI

client = OpenAI(
    base_url="http://thox.local:8080/v1",
    api_key="not-required"  # Local device doesn't need auth
)

response = client.chat.completions.create(
    model="thox-coder",
    messages=[
        {"role": "user", "content": "Write a quicksort in Python"}
    ]
)

print(response.choices[0].message.content)
