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


def completed(device, code: str):
    """The shortest answer that there is: it takes long enough, with all that is read before it."""

    async def run():
        async with Client(f"{device.url}/mcp") as client:
            return await client.call_tool("thox_complete", {"before": code, "lines": 1, "model": ENDLESS})

    return asyncio.run(run())


def refusal(result) -> str:
    assert result.is_error, result
    return result.content[0].text


# The endless model's tokens are bytes, which nobody who counts tokens as tokenizers for code make them would think of:
# to thoxd a word of six letters is one. The tool's own words are some hundreds of them.
WORD = "absent "


def test_what_ollama_cuts_silently_is_not_answered(device, ollama):
    told = len(ollama.program.lines)
    text = refusal(completed(device, WORD * 700))
    assert "context of 4096 tokens" in text and "OLLAMA_CONTEXT_LENGTH" in text
    # It really did.
    assert any("truncating input prompt" in line for line in ollama.program.lines[told:])


def test_what_ollama_has_read_whole_is_answered(device, ollama):
    told, measured = len(ollama.program.lines), ollama.finished("/api/chat")
    result = completed(device, WORD * 300)
    assert not result.is_error and result.structured_content["backend"] == "ollama", result
    assert ollama.finished("/api/chat") == measured + 1, "more than half a context, so Ollama was asked again"
    assert not any("truncating input prompt" in line for line in ollama.program.lines[told:])


def test_a_model_that_ollama_loads_with_less_than_it_could_read():
    with real_ollama.stocked(OLLAMA_CONTEXT_LENGTH="2048") as ollama, real_ollama.device_before(ollama) as device:
        text = refusal(completed(device, WORD * 3000))
        assert "reads 2048 in all" in text and "It could read 4096" in text, text
        started = time.monotonic()
        refusal(completed(device, WORD * 3000))
        assert time.monotonic() - started < 5


def wait_answered(ollama: real_ollama.Ollama, count: int) -> None:
    deadline = time.monotonic() + CANCEL_LIMIT
    while ollama.answered() < count:
        assert time.monotonic() < deadline, "Ollama goes on:\n" + "\n".join(ollama.program.lines[-5:])
        time.sleep(0.01)
