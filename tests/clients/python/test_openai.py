"""The OpenAI SDK for Python."""

import asyncio
import json

import openai
import pydantic
import pytest
from conftest import client_of
from device import EMBEDDING_MODEL

HELLO = [{"role": "user", "content": "Hello!"}]
WEATHER = [{"role": "user", "content": "What is the weather in Paris?"}]
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "The weather of a city",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
            },
        },
    }
]


def test_chat(client):
    reply = client.chat.completions.create(model="thox-coder", messages=HELLO)
    assert reply.object == "chat.completion"
    assert reply.model == "thox-coder"
    assert reply.id.startswith("chatcmpl-")
    assert reply.model_extra["backend"] == "ollama"
    assert reply.choices[0].message.content
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens > 0


def test_chat_with_every_usual_field(client):
    reply = client.chat.completions.create(
        model="thox-coder",
        messages=[{"role": "system", "content": "You are brief."}, *HELLO],
        temperature=0.2,
        top_p=0.9,
        max_completion_tokens=3,
        seed=1,
        stop=["\n\n"],
        presence_penalty=0.1,
        frequency_penalty=0.1,
        user="somebody",
        metadata={"a": "b"},
        parallel_tool_calls=False,
        tools=TOOLS,
        tool_choice="none",
    )
    assert reply.choices[0].finish_reason == "length", "max_completion_tokens is honoured"


def test_ids_do_not_collide(client):
    ids = {client.chat.completions.create(model="thox-coder", messages=HELLO).id for _ in range(50)}
    assert len(ids) == 50


def test_stream(client):
    whole = client.chat.completions.create(model="thox-coder", messages=HELLO).choices[0].message.content
    chunks = list(
        client.chat.completions.create(
            model="thox-coder", messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == whole
    assert {chunk.model for chunk in chunks} == {"thox-coder"}
    assert {chunk.model_extra["backend"] for chunk in chunks} == {"ollama"}
    assert len({chunk.id for chunk in chunks}) == 1
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].usage.total_tokens > 0


def test_stream_without_usage_has_none(client):
    for chunk in client.chat.completions.create(model="thox-coder", messages=HELLO, stream=True):
        assert chunk.choices, "a client that asked for no usage gets no chunk without choices"
        assert chunk.usage is None


def test_the_sdk_s_own_accumulator(client):
    with client.chat.completions.stream(model="thox-coder", messages=HELLO) as stream:
        text = "".join(event.delta for event in stream if event.type == "content.delta")
        final = stream.get_final_completion()
    assert final.choices[0].message.content == text != ""


def test_tools(client):
    reply = client.chat.completions.create(model="thox-coder", messages=WEATHER, tools=TOOLS)
    [call] = reply.choices[0].message.tool_calls
    assert reply.choices[0].finish_reason == "tool_calls"
    assert call.function.name == "get_weather"
    assert "city" in json.loads(call.function.arguments)
    # The answer of the tool goes back and is answered.
    after = client.chat.completions.create(
        model="thox-coder",
        messages=[
            *WEATHER,
            reply.choices[0].message,
            {"role": "tool", "tool_call_id": call.id, "content": "sunny"},
        ],
        tools=TOOLS,
    )
    assert after.id != reply.id


def test_tools_in_a_stream(client):
    with client.chat.completions.stream(model="thox-coder", messages=WEATHER, tools=TOOLS) as stream:
        for _ in stream:
            pass
        final = stream.get_final_completion()
    [call] = final.choices[0].message.tool_calls
    assert final.choices[0].finish_reason == "tool_calls"
    assert "city" in json.loads(call.function.arguments)


def test_json_object(client):
    reply = client.chat.completions.create(
        model="thox-coder", messages=HELLO, response_format={"type": "json_object"}
    )
    assert isinstance(json.loads(reply.choices[0].message.content), dict)


class City(pydantic.BaseModel):
    name: str
    inhabitants: int


def test_json_schema(client):
    reply = client.chat.completions.parse(model="thox-coder", messages=HELLO, response_format=City)
    assert isinstance(reply.choices[0].message.parsed, City)


def test_completion(client):
    reply = client.completions.create(model="thox-coder", prompt="def add(", suffix="return c", max_tokens=20)
    assert reply.object == "text_completion"
    assert reply.choices[0].text
    streamed = client.completions.create(
        model="thox-coder", prompt="def add(", suffix="return c", max_tokens=20, stream=True
    )
    assert "".join(chunk.choices[0].text for chunk in streamed if chunk.choices) == reply.choices[0].text


def test_embeddings(client):
    # The SDK asks for base64 by itself and for floats when told to.
    [binary] = client.embeddings.create(model=EMBEDDING_MODEL, input="hello").data
    [floats] = client.embeddings.create(model=EMBEDDING_MODEL, input="hello", encoding_format="float").data
    assert binary.embedding == pytest.approx(floats.embedding, abs=1e-6)
    several = client.embeddings.create(model=EMBEDDING_MODEL, input=["hello", "other"], dimensions=16).data
    assert [item.index for item in several] == [0, 1]
    assert [len(item.embedding) for item in several] == [16, 16]


def test_models(client):
    models = {model.id: model for model in client.models.list()}
    assert "thox-coder" in models
    for name in models:
        assert client.models.retrieve(name).id == name
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nobody/has:this")


def test_request_id(client):
    raw = client.chat.completions.with_raw_response.create(
        model="thox-coder", messages=HELLO, extra_headers={"x-request-id": "mine-1"}
    )
    assert raw.headers["x-request-id"] == "mine-1"
    assert raw.headers["x-thox-route"].startswith("ollama")
    assert raw.parse()._request_id == "mine-1"


def test_unknown_model_is_not_found(client):
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="thox-codre", messages=HELLO)
    assert caught.value.code == "model_not_found"
    assert "thox-codre" in caught.value.message
    with pytest.raises(openai.NotFoundError):
        list(client.chat.completions.create(model="thox-codre", messages=HELLO, stream=True))


def test_bad_requests(client):
    for body, param in [({"messages": HELLO}, "model"), ({"model": "thox-coder"}, "messages")]:
        with pytest.raises(openai.BadRequestError) as caught:
            client.post("/chat/completions", body=body, cast_to=object)
        assert caught.value.type == "invalid_request_error"
        assert caught.value.param == param


def test_no_engine_is_unavailable(dead_device):
    with pytest.raises(openai.APIStatusError) as caught:
        client_of(dead_device).chat.completions.create(model="thox-coder", messages=HELLO)
    assert caught.value.status_code == 503
    assert isinstance(caught.value, openai.InternalServerError)
    assert "ollama" in caught.value.message.lower(), "it says which engine"


def test_a_broken_stream_is_an_error(breaking_device):
    client = client_of(breaking_device)
    with pytest.raises(openai.APIError) as caught:
        list(client.chat.completions.create(model="thox-coder", messages=HELLO, stream=True))
    assert "ollama" in caught.value.message.lower()


def test_closing_a_stream_ends_the_request(slow_device):
    client = client_of(slow_device)
    stream = client.chat.completions.create(model="thox-coder", messages=HELLO, stream=True)
    next(iter(stream))
    assert slow_device.metric("thox_requests_in_flight") == 1
    stream.close()
    slow_device.wait_until(lambda: slow_device.metric("thox_requests_in_flight") == 0, limit=2)


def test_the_sdk_s_timeout_ends_the_request(slow_device):
    client = client_of(slow_device).with_options(timeout=0.3)
    with pytest.raises(openai.APITimeoutError):
        client.chat.completions.create(model="thox-coder", messages=HELLO)
    slow_device.wait_until(lambda: slow_device.metric("thox_requests_in_flight") == 0, limit=2)


def test_many_at_once(device):
    async def ask() -> list[str]:
        async with openai.AsyncOpenAI(base_url=device.base_url, api_key="x", max_retries=0) as client:
            replies = await asyncio.gather(
                *(client.chat.completions.create(model="thox-coder", messages=HELLO) for _ in range(40))
            )
        return [reply.id for reply in replies]

    assert len(set(asyncio.run(ask()))) == 40
