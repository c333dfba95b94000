"""The official MCP client for Python, with a session and without: each tool with progress, and cancelled."""

import asyncio

import pytest
from device import Device, usual
from mcp import Client

CALLS = {
    "thox_complete": {"before": "def add(a, b):\n    return ", "after": "\n\nprint(add(1, 2))"},
    "thox_explain": {"code": "a + b", "level": "beginner"},
    "thox_refactor": {"code": "let a = 1;", "goal": "a better name"},
    "thox_test": {"code": "let a = 1;"},
}
# The client's modes: with `initialize` and a session, and what the server can best.
MODES = ["legacy", "auto"]


@pytest.mark.parametrize("mode", MODES)
def test_each_tool_with_progress(mode: str) -> None:
    async def run(device: Device) -> None:
        async with Client(f"{device.url}/mcp", mode=mode) as client:
            tools = (await client.list_tools()).tools
            assert [tool.name for tool in tools] == list(CALLS)
            for name, arguments in CALLS.items():
                told: list[float] = []

                async def hear(progress: float, _total: float | None, _message: str | None, told: list[float] = told) -> None:
                    told.append(progress)

                result = await client.call_tool(name, arguments, progress_callback=hear)
                assert told, f"{name} told no progress"
                assert result.content[0].type == "text"
            models = await client.read_resource("thox://models")
            assert "thox-coder" in models.contents[0].text
            prompt = await client.get_prompt("test", {"code": "let a = 1;"})
            assert prompt.messages[0].role == "user"

    with usual("--gap-ms", "5") as device:
        asyncio.run(run(device))


@pytest.mark.parametrize("mode", MODES)
def test_a_cancelled_tool_stops_the_engine(mode: str) -> None:
    async def run(device: Device) -> None:
        async with Client(f"{device.url}/mcp", mode=mode) as client:
            for name, arguments in CALLS.items():
                call = asyncio.create_task(client.call_tool(name, arguments))
                await asyncio.to_thread(device.wait_until, lambda: device.metric("thox_requests_in_flight") == 1)
                call.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await call
                await asyncio.to_thread(device.wait_until, lambda: device.metric("thox_requests_in_flight") == 0, 2.0)

    with usual("--fault", "hang:2") as device:
        asyncio.run(run(device))
