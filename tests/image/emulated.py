#!/usr/bin/env python3
"""thoxd and thox of another architecture, under an emulator, beside the double of an engine: what a user does first.

usage: emulated.py PROGRAMS DOUBLE EMULATOR LIBRARIES     ci/cross --test calls it
    PROGRAMS    the folder with thoxd and thox for aarch64
    DOUBLE      the double of the engines, for this machine
    EMULATOR    qemu-aarch64-static
    LIBRARIES   the folder with lib/ld-linux-aarch64.so.1
exit:  0 passed · 1 failed
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Callable

# The emulator is some twenty times slower than the processor.
LIMIT = 120
AARCH64 = 183
SETTINGS = """
state_dir = "{folder}/state"
[server]
listen = ["127.0.0.1:{port}"]
control_socket = "{folder}/control.sock"
[mdns]
enabled = false
[dbus]
enabled = false
[engines.ollama]
kind = "ollama"
url = "{engine}"
poll_interval = "500ms"
[engines.starter]
enabled = false
"""


class Device:
    """thoxd under the emulator, and its command line."""

    def __init__(self, programs: Path, emulator: str, libraries: str, engine: str, folder: Path) -> None:
        self.programs, self.emulator, self.libraries = programs, emulator, libraries
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        settings = folder / "config.toml"
        (folder / "state").mkdir()
        settings.write_text(SETTINGS.format(folder=folder, port=self.port, engine=engine))
        self.surroundings = {"PATH": os.environ["PATH"], "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)}
        self.log = (folder / "log").open("w+")
        self.daemon = subprocess.Popen(
            [*self.emulated("thoxd"), "--config", settings], env=self.surroundings, stdout=self.log, stderr=self.log
        )

    def emulated(self, program: str) -> list[object]:
        return [self.emulator, "-L", self.libraries, self.programs / program]

    def get(self, path: str, body: object = None) -> tuple[int, str, str]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"content-type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=LIMIT) as reply:
                return reply.status, reply.headers["content-type"], reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.headers["content-type"], error.read().decode()

    def thox(self, *arguments: str, status: int = 0) -> str:
        done = subprocess.run(
            [*self.emulated("thox"), "--host", f"127.0.0.1:{self.port}", *arguments],
            env=self.surroundings, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT, check=False,
        )  # fmt: skip
        assert done.returncode == status, f"thox {arguments} ended with {done.returncode}: {done.stderr}{done.stdout}"
        return done.stdout

    def until(self, what: str, holds: Callable[[], bool]) -> float:
        begun = time.monotonic()
        while True:
            assert self.daemon.poll() is None, f"thoxd has ended with {self.daemon.returncode}"
            try:
                if holds():
                    return time.monotonic() - begun
            except (urllib.error.URLError, ConnectionError):
                pass
            assert time.monotonic() - begun < LIMIT, f"waited {LIMIT} s until {what}"
            time.sleep(0.1)


def ask(text: str, stream: bool) -> dict[str, object]:
    return {"model": "thox-coder", "stream": stream, "messages": [{"role": "user", "content": text}]}


def test_programs(device: Device) -> str:
    for name in ("thoxd", "thox"):
        with (device.programs / name).open("rb") as program:
            head = program.read(20)
        assert head[:5] == b"\x7fELF\x02" and head[18] == AARCH64, f"{name} is not of aarch64: {head!r}"
    done = subprocess.run([*device.emulated("thoxd"), "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("thoxd "), done.stdout
    return done.stdout.strip()


def test_health(device: Device) -> str:
    waited = device.until("it is healthy", lambda: json.loads(device.get("/health")[2])["status"] == "healthy")
    health = json.loads(device.get("/health")[2])
    assert [backend["name"] for backend in health["backends"]] == ["ollama"], health
    return f"healthy after {waited:.1f} s"


def test_chat(device: Device) -> str:
    status, _, body = device.get("/v1/chat/completions", ask("Hello from another architecture", stream=False))
    assert status == 200, body
    reply = json.loads(body)
    words = reply["choices"][0]["message"]["content"]
    assert words and reply["backend"] == "ollama" and reply["model"] == "thox-coder", body
    assert reply["usage"]["total_tokens"] > 0, body
    return f"{reply['usage']['total_tokens']} tokens"


def test_stream(device: Device) -> str:
    status, kind, body = device.get("/v1/chat/completions", ask("Hello in pieces", stream=True))
    assert status == 200 and kind.startswith("text/event-stream"), (status, kind, body)
    events = [line.removeprefix("data: ") for line in body.splitlines() if line.startswith("data: ")]
    assert events[-1] == "[DONE]", events[-3:]
    choices = [choice for event in events[:-1] for choice in json.loads(event)["choices"]]
    assert "".join(choice["delta"].get("content") or "" for choice in choices), body
    assert [choice["finish_reason"] for choice in choices if choice["finish_reason"]] == ["stop"], body
    return f"{len(events) - 1} events"


def test_refusal(device: Device) -> str:
    status, _, body = device.get("/v1/chat/completions", {"model": "no-such-model", "messages": []})
    assert status in (400, 404) and json.loads(body)["error"]["message"], (status, body)
    return f"{status} {json.loads(body)['error']['code']}"


def test_metrics(device: Device) -> str:
    status, _, body = device.get("/metrics")
    assert status == 200, body
    counted = [line for line in body.splitlines() if line.startswith("thox_requests_total{") and '"completed"' in line]
    assert sum(float(line.rsplit(" ", 1)[1]) for line in counted) == 2, counted
    return f"{len(body.splitlines())} lines"


def test_command_line(device: Device) -> str:
    said = device.thox("status")
    assert "ollama" in said and "healthy" in said, said
    models = json.loads(device.thox("models", "list", "--json"))
    assert "thox-coder" in [model["id"] for model in models["data"]], models
    answer = device.thox("chat", "thox-coder", "Hello")
    assert answer.strip(), "thox chat prints no answer"
    device.thox("chat", "no-such-model", "Hello", status=5)
    return f"thox chat: {answer.strip()[:40]!r}"


def test_end(device: Device) -> str:
    begun = time.monotonic()
    device.daemon.terminate()
    status = device.daemon.wait(LIMIT)
    assert status == 0, f"thoxd ends with {status}"
    return f"{time.monotonic() - begun:.1f} s"


def main() -> int:
    programs, double, emulator, libraries = Path(sys.argv[1]), *sys.argv[2:5]
    engine = subprocess.Popen([double, "ollama"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    device = None
    failed = 0
    tests = [item for name, item in globals().items() if name.startswith("test_")]
    with tempfile.TemporaryDirectory() as folder:
        try:
            url = engine.stdout.readline().strip()
            device = Device(programs, emulator, libraries, url, Path(folder))
            for test in tests:
                name = test.__name__.removeprefix("test_")
                try:
                    print(f"  aarch64 {name:14} {test(device)}", file=sys.stderr)
                except (AssertionError, KeyError, ValueError, OSError, subprocess.SubprocessError) as error:
                    failed += 1
                    print(f"  aarch64 {name:14} FAILED: {error}", file=sys.stderr)
        finally:
            engine.kill()
            if device:
                if device.daemon.poll() is None:
                    device.daemon.kill()
                if failed:
                    device.log.seek(0)
                    print(device.log.read(), file=sys.stderr)
    print(f"aarch64: {len(tests) - failed} passed, {failed} failed", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
