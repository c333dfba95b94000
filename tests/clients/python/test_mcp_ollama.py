"""The official MCP client for Python with a real Ollama behind thoxd: each tool with progress, and cancelled.

What such small models answer is nonsense: a tool may well say that it is no use. What counts is its form.
"""

import asyncio
import os
import time

import pytest
import real_ollama
from mcp import Client
from test_mcp import CALLS, MODES

pytestmark = pytest.mark.skipif(
    real_ollama.VARIABLE not in os.environ, reason=f"no real Ollama: {real_ollama.VARIABLE} is not set"
)

ENDLESS = "endless:latest"
# How long Ollama may go on after the call is cancelled, its log line included.
CANCEL_LIMIT = 2.0


@pytest.fixture(scope="module")
def ollama():
    with real_ollama.stocked() as engine:
        yield engine


@pytest.fixture(scope="module")
def device(ollama):
    with real_ollama.device_before(ollama) as device:
        yield device


def is_well_formed(result) -> bool:
    """Either what the output schema says (the client checks that) or an error in words."""
    if result.is_error:
        return bool(result.content[0].text) and "ai.thox/code" in (result.meta or {})
    return result.structured_content["backend"] == "ollama" and result.content[0].type == "text"


@pytest.mark.parametrize("model", ["thox-coder", ENDLESS])
@pytest.mark.parametrize("mode", MODES)
def test_each_tool_with_progress(device, mode: str, model: str) -> None:
    async def run() -> None:
        async with Client(f"{device.url}/mcp", mode=mode) as client:
            for name, arguments in CALLS.items():
                told: list[float] = []

                async def hear(progress: float, _total: float | None, _message: str | None, told: list[float] = told) -> None:
                    told.append(progress)

                result = await client.call_tool(name, arguments | {"model": model}, progress_callback=hear)
                assert is_well_formed(result), result
                assert told == sorted(set(told)), told
                if model == ENDLESS:
                    assert len(told) > 1, f"{name} told no progress: {told}, {result}"

    asyncio.run(run())


@pytest.mark.parametrize("mode", MODES)
def test_a_cancelled_tool_stops_ollama(device, ollama, mode: str) -> None:
    async def run() -> None:
        async with Client(f"{device.url}/mcp", mode=mode) as client:
            for name, arguments in CALLS.items():
                answers = asyncio.Event()

                async def hear(progress: float, _total: float | None, _message: str | None, answers=answers) -> None:
                    if progress >= 1:
                        answers.set()

                finished = ollama.answered()
                call = asyncio.create_task(
                    client.call_tool(name, arguments | {"model": ENDLESS}, progress_callback=hear)
                )
                await asyncio.wait_for(answers.wait(), 30)
                assert ollama.answered() == finished, f"{name} was over before it was cancelled"
                call.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await call
                await asyncio.to_thread(wait_answered, ollama, finished + 1)

    asyncio.run(run())


def wait_answered(ollama: real_ollama.Ollama, count: int) -> None:
    deadline = time.monotonic() + CANCEL_LIMIT
    while ollama.answered() < count:
        assert time.monotonic() < deadline, "Ollama goes on:\n" + "\n".join(ollama.program.lines[-5:])
        time.sleep(0.01)
