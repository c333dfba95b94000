"""The devices that the tests talk to; each is started once."""

from collections.abc import Iterator

import openai
import pytest

import device as devices


@pytest.fixture(scope="session")
def device() -> Iterator[devices.Device]:
    """Quick answers from an Ollama double."""
    with devices.usual() as device:
        yield device


@pytest.fixture(scope="session")
def slow_device() -> Iterator[devices.Device]:
    """A token every 200 ms: time to change one's mind."""
    with devices.usual("--gap-ms", "200") as device:
        yield device


@pytest.fixture(scope="session")
def breaking_device() -> Iterator[devices.Device]:
    """An engine that drops each stream after its second token."""
    with devices.usual("--fault", "reset:2") as device:
        yield device


@pytest.fixture(scope="session")
def dead_device() -> Iterator[devices.Device]:
    """No engine at all."""
    with devices.dead() as device:
        yield device


@pytest.fixture(scope="session")
def client(device: devices.Device) -> openai.OpenAI:
    return client_of(device)


def client_of(device: devices.Device) -> openai.OpenAI:
    """The SDK as the documentation sets it up, but without its own retries: a test sees the first answer."""
    return openai.OpenAI(base_url=device.base_url, api_key="not-required", max_retries=0, timeout=30)
