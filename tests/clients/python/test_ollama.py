"""A real Ollama behind thoxd: what the doubles claim of it, seen in the thing itself."""

import json
import os
import time
import urllib.error
import urllib.request

import openai
import pytest
import real_ollama
from conftest import client_of
from device import Device
from real_ollama import Ollama, names

pytestmark = pytest.mark.skipif(
    real_ollama.VARIABLE not in os.environ, reason=f"no real Ollama: {real_ollama.VARIABLE} is not set"
)

HELLO = [{"role": "user", "content": "Hello!"}]
# How long Ollama may go on after its client's client has gone, its log line included.
CANCEL_LIMIT = 1.0


@pytest.fixture(scope="module")
def ollama():
    with real_ollama.stocked() as engine:
        yield engine


@pytest.fixture(scope="module")
def device(ollama):
    with real_ollama.device_before(ollama) as device:
        yield device


@pytest.fixture(scope="module")
def client(device):
    return client_of(device)


def test_chat_is_what_ollama_says_itself(client, ollama):
    asked = {"messages": HELLO, "temperature": 0, "seed": 1, "max_tokens": 40}
    through = client.chat.completions.create(model="thox-coder", **asked)
    direct = openai.OpenAI(base_url=ollama.url + "/v1", api_key="x").chat.completions.create(
        model="starter", **asked
    )
    assert through.choices[0].message.content == direct.choices[0].message.content != ""
    assert through.model == "thox-coder"
    assert through.model_extra["backend"] == "ollama"
    assert through.usage.total_tokens == direct.usage.total_tokens > 0


def test_stream(client):
    asked = {"model": "thox-coder", "messages": HELLO, "temperature": 0, "seed": 1, "max_tokens": 40}
    whole = client.chat.completions.create(**asked).choices[0].message.content
    chunks = list(client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == whole
    assert chunks[-1].usage.completion_tokens > 0


def test_the_newer_name_of_the_token_limit_is_honoured(client):
    reply = client.chat.completions.create(
        model="endless", messages=HELLO, temperature=0, max_completion_tokens=7
    )
    assert reply.usage.completion_tokens == 7
    assert reply.choices[0].finish_reason == "length"


def test_embeddings(client):
    first, second = client.embeddings.create(model="thox-coder", input=["one", "two"]).data
    assert len(first.embedding) == len(second.embedding) > 0
    assert first.embedding != second.embedding


def test_models(device, client):
    listed = {model["id"]: model for model in device.get("/v1/models")["data"]}
    assert {"thox-coder", "endless:latest"} <= set(listed)
    endless = client.models.retrieve("endless:latest").model_extra
    assert endless["backend"] == "ollama"
    assert endless["context_length"] == 4096
    assert "completion" in endless["capabilities"]


def test_unknown_model(client):
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="nobody", messages=HELLO)
    assert caught.value.code == "model_not_found"


def test_leaving_a_stream_stops_ollama(client, ollama):
    before = ollama.finished("/v1/chat/completions")
    stream = client.chat.completions.create(
        model="endless", messages=HELLO, temperature=0, max_tokens=30_000, stream=True
    )
    for _, chunk in zip(range(20), stream, strict=False):
        assert chunk.choices
    assert ollama.finished("/v1/chat/completions") == before, "it is still at it"
    stream.close()
    assert_finished(ollama, before + 1)


def test_leaving_before_the_first_byte_stops_ollama(client, ollama):
    before = ollama.finished("/v1/chat/completions")
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=1).chat.completions.create(
            model="endless", messages=HELLO, temperature=0, max_tokens=30_000
        )
    assert_finished(ollama, before + 1)


def assert_finished(ollama: Ollama, count: int) -> None:
    deadline = time.monotonic() + CANCEL_LIMIT
    while ollama.finished("/v1/chat/completions") < count:
        assert time.monotonic() < deadline, "Ollama goes on:\n" + "\n".join(ollama.program.lines[-5:])
        time.sleep(0.01)


def test_an_answer_that_ollama_breaks_off_is_an_error(client):
    """Ollama gives up when a model says the same thirty times, and says nothing of it."""
    with pytest.raises(openai.APIError) as caught:
        list(client.chat.completions.create(model="stuttering", messages=HELLO, temperature=0, stream=True))
    assert "ollama" in caught.value.message.lower()


def test_a_whole_answer_that_ollama_breaks_off_is_an_error_too(client):
    """Ollama sends it with status 200 and without a finish reason."""
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model="stuttering", messages=HELLO, temperature=0)
    assert caught.value.status_code == 502


def test_unloading_is_seen_and_the_next_request_loads_again(device, client, ollama):
    ask = {"model": "thox-coder", "messages": HELLO, "max_tokens": 4}
    client.chat.completions.create(**ask)
    device.wait_until(lambda: loaded(device), limit=10)
    ollama.post("/api/generate", '{"model":"starter","keep_alive":0}')
    device.wait_until(lambda: not loaded(device), limit=10)
    assert client.chat.completions.create(**ask).choices[0].finish_reason


def loaded(device: Device) -> bool:
    [model] = [model for model in device.get("/v1/models")["data"] if model["id"] == "thox-coder"]
    return model["loaded"]


def test_ollama_goes_and_comes_back(device, client, ollama):
    ollama.program.end()
    device.wait_until(lambda: state(device) != "up", limit=20)
    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(model="thox-coder", messages=HELLO)
    assert caught.value.status_code == 503
    ollama.program = ollama.serve()
    device.wait_until(lambda: "thox-coder" in names(device) and state(device) == "up", limit=20)
    assert client.chat.completions.create(model="thox-coder", messages=HELLO, max_tokens=4).id


def state(device: Device) -> str:
    """The engine's state as /health has it; an unhealthy device answers 503 with the same body."""
    try:
        with urllib.request.urlopen(device.url + "/health", timeout=10) as reply:
            health = json.load(reply)
    except urllib.error.HTTPError as refusal:
        health = json.load(refusal)
    [backend] = [backend for backend in health["backends"] if backend["name"] == "ollama"]
    return backend["state"]
