"""A real Ollama for the tests: THOX_OLLAMA_BIN names its binary (`ci/ollama` builds one and prints the path).

As a program it starts one and a thoxd in front of it, and prints a line of JSON, {"url": …}. To each line of its standard
input it answers with how many answers Ollama has finished; it ends with it.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from device import ROOT, Device, Program, thoxd
from endless_gguf import write

VARIABLE = "THOX_OLLAMA_BIN"


class Ollama:
    """`ollama serve` on a free port, with its models in a folder of its own."""

    def __init__(self, folder: Path, variables: dict[str, str] | None = None):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.host = "127.0.0.1:%d" % free.getsockname()[1]
        self.url = f"http://{self.host}"
        self.folder = folder
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "OLLAMA_HOST": self.host,
            "OLLAMA_MODELS": str(folder / "models"),
            "OLLAMA_KEEP_ALIVE": "10m",
            "GIN_MODE": "release",
            **(variables or {}),
        }
        self.program = self.serve()

    def serve(self) -> Program:
        program = Program([os.environ[VARIABLE], "serve"], environment=self.environment)
        program.wait_for(r"Listening on")
        return program

    def create(self, name: str, gguf: Path) -> None:
        """`ollama create`; no step of it needs the network."""
        modelfile = self.folder / f"{name}.modelfile"
        modelfile.write_text(f"FROM {gguf}\n")
        command = [os.environ[VARIABLE], "create", name, "-f", str(modelfile)]
        subprocess.run(command, env=self.environment, check=True, capture_output=True, timeout=60)

    def post(self, path: str, body: str) -> None:
        request = urllib.request.Request(self.url + path, body.encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as reply:
            reply.read()

    def finished(self, path: str) -> int:
        """How many requests of this path Ollama itself has reported as finished."""
        return sum("[GIN]" in line and f'"{path}"' in line for line in self.program.lines)

    def answered(self) -> int:
        """The same for the two kinds of answers."""
        return self.finished("/v1/chat/completions") + self.finished("/v1/completions")


@contextlib.contextmanager
def stocked(**variables: str) -> Iterator[Ollama]:
    """With the starter's model, one that never comes to an end, and one that says the same for ever."""
    with tempfile.TemporaryDirectory(prefix="thox-ollama-") as name:
        engine = Ollama(Path(name), variables)
        try:
            starter = sorted((ROOT / "service" / "starter").rglob("*.gguf"))
            endless, stuttering = engine.folder / "endless.gguf", engine.folder / "stuttering.gguf"
            write(endless)
            write(stuttering, stuttering=True)
            engine.create("starter", starter[0] if starter else endless)
            engine.create("endless", endless)
            engine.create("stuttering", stuttering)
            yield engine
        finally:
            engine.program.end()


@contextlib.contextmanager
def device_before(ollama: Ollama) -> Iterator[Device]:
    """A thoxd whose `thox-coder` is the starter's model there."""
    with thoxd({"ollama": ("ollama", ollama.url)}, {"thox-coder": {"ollama": "starter:latest"}}) as device:
        device.wait_until(lambda: "thox-coder" in names(device))
        yield device


def names(device: Device) -> list[str]:
    return [model["id"] for model in device.get("/v1/models")["data"]]


def main() -> None:
    with stocked() as ollama, device_before(ollama) as device:
        print(json.dumps({"url": device.url}), flush=True)
        for _ in sys.stdin:
            print(ollama.answered(), flush=True)


if __name__ == "__main__":
    main()
