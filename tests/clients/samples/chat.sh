curl http://thox.local:8080/v1/chat/completions \
-H "Authorization: Bearer sk-your-key" \
-H "Content-Type: application/json" \
-d '{"model": "thox-coder", "messages": [{"role": "user", "content": "Hello"}]}'
