"""Starts a real thoxd in front of engine doubles, for the tests of any language.

As a program it starts one and prints a line of JSON, {"url": …, "claim_code": …}; it ends with its standard input:

    python device.py [--gap-ms N] [--pull-gap-ms N] [--fault FAULT] [--dead] [--set section.key=VALUE]…
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
START_LIMIT = 60.0  # seconds; a debug build on a busy machine

# What the doubles of tests/src/doubles offer.
OLLAMA_MODEL = "qwen2.5-coder:7b"
TRTLLM_MODEL = "qwen2.5-coder-14b"
EMBEDDING_MODEL = "nomic-embed-text"


def binary(name: str, variable: str, build: str) -> Path:
    path = Path(os.environ.get(variable) or TARGET / "debug" / name)
    if not path.exists():
        raise FileNotFoundError(f"{path} is not built: {build}")
    return path


class Program:
    """A child process whose output is kept."""

    def __init__(self, command: list[str], *, environment: dict[str, str] | None = None):
        self.lines: list[str] = []
        self._news = threading.Condition()
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            with self._news:
                self.lines.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def wait_for(self, pattern: str) -> re.Match[str]:
        """The first line with the pattern; an error that shows the output when the program ends before."""
        deadline = time.monotonic() + START_LIMIT
        seen = 0
        with self._news:
            while True:
                for line in self.lines[seen:]:
                    if match := re.search(pattern, line):
                        return match
                seen = len(self.lines)
                if not self._reader.is_alive() or time.monotonic() > deadline:
                    raise RuntimeError(f"no {pattern!r} from {self.process.args}:\n" + "\n".join(self.lines))
                self._news.wait(timeout=0.5)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


@contextlib.contextmanager
def double(kind: str, *arguments: str) -> Iterator[str]:
    """An engine double; gives its address."""
    program = Program(
        [str(binary("double", "THOX_DOUBLE_BIN", "cargo build -p thox-tests --bin double")), kind, *arguments]
    )
    try:
        yield program.wait_for(r"http://\S+")[0].rstrip("/")
    finally:
        program.end()


class Device:
    """A running thoxd."""

    def __init__(self, url: str, program: Program, state: Path):
        self.url = url
        self.state = state
        self.base_url = url + "/v1"
        self.program = program

    def get(self, path: str) -> dict:
        with urllib.request.urlopen(self.url + path, timeout=30) as reply:
            return json.load(reply)

    def claim_code(self) -> str:
        """As it stands on the device's disk."""
        return json.loads((self.state / "keys.json").read_text())["claim_code"]

    def metric(self, name: str) -> float:
        """The sum over a metric's labels; 0 where it has no sample yet."""
        with urllib.request.urlopen(self.url + "/metrics", timeout=30) as reply:
            text = reply.read().decode()
        samples = re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)", text, re.MULTILINE)
        return sum(float(sample) for sample in samples)

    def wait_until(self, question, limit: float = 10.0) -> None:
        deadline = time.monotonic() + limit
        while not question():
            assert time.monotonic() < deadline, "\n".join(self.program.lines[-40:])
            time.sleep(0.02)


@contextlib.contextmanager
def thoxd(
    engines: dict[str, tuple[str, str]], models: dict[str, dict[str, str]], settings: Sequence[str] = ()
) -> Iterator[Device]:
    """A thoxd on a free port with these engines (name → kind, address), model names and `--set` arguments."""
    with tempfile.TemporaryDirectory(prefix="thox-clients-") as folder:
        # TOML's strings and lists are written as JSON's are.
        lines = [
            f"state_dir = {json.dumps(folder + '/state')}",
            "[server]",
            'listen = ["127.0.0.1:0"]',
            "[engines.starter]",
            "enabled = false",
        ]
        if "ollama" not in engines:
            lines += ["[engines.ollama]", "enabled = false"]
        for name, (kind, url) in engines.items():
            lines += [f"[engines.{name}]", f"kind = {json.dumps(kind)}", f"url = {json.dumps(url)}"]
            lines += ['poll_interval = "200ms"', 'connect_timeout = "1s"']
        for name, on in models.items():
            lines += [f"[models.{json.dumps(name)}]"]
            lines += [f"{engine} = {json.dumps(model)}" for engine, model in on.items()]
        config = Path(folder, "thox.toml")
        config.write_text("\n".join(lines) + "\n")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("THOX_")}
        environment |= {"HOME": folder, "XDG_STATE_HOME": folder, "XDG_RUNTIME_DIR": folder}
        program = Program(
            [
                str(binary("thoxd", "THOXD_BIN", "cargo build -p thoxd")),
                f"--config={config}",
                *(f"--set={setting}" for setting in settings),
            ],
            environment=environment,
        )
        try:
            url = program.wait_for(r"listening on (http://[0-9.]+:[0-9]+)")[1]
            yield Device(url, program, Path(folder, "state"))
        finally:
            program.end()


@contextlib.contextmanager
def usual(*arguments: str, settings: Sequence[str] = ()) -> Iterator[Device]:
    """An Ollama double with these arguments behind thoxd, `thox-coder` on it, and its models seen."""
    with double("ollama", *arguments) as url, thoxd(
        {"ollama": ("ollama", url)}, {"thox-coder": {"ollama": OLLAMA_MODEL}}, settings
    ) as device:
        device.wait_until(lambda: "thox-coder" in [model["id"] for model in device.get("/v1/models")["data"]])
        yield device


@contextlib.contextmanager
def dead() -> Iterator[Device]:
    """A thoxd whose only engine is not there."""
    # Port 9 is `discard`: nothing listens there.
    with thoxd({"ollama": ("ollama", "http://127.0.0.1:9")}, {"thox-coder": {"ollama": OLLAMA_MODEL}}) as device:
        yield device


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gap-ms", default="0")
    parser.add_argument("--pull-gap-ms", default="5")
    parser.add_argument("--fault")
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--dead", action="store_true")
    arguments = parser.parse_args()
    engine = ["--gap-ms", arguments.gap_ms, "--pull-gap-ms", arguments.pull_gap_ms]
    if arguments.fault:
        engine += ["--fault", arguments.fault]
    with dead() if arguments.dead else usual(*engine, settings=arguments.set) as device:
        print(json.dumps({"url": device.url, "claim_code": device.claim_code()}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
