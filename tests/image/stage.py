"""What a test of the image's scripts stands on: a folder of its own, programs that are doubled, the scripts themselves."""

from __future__ import annotations

import os
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# nvidia-ctk cdi generate, as the real one (1.19.1) writes its file: a name that ends neither in .yaml nor in .json gets an
# ending, the folder is made, the file is whole when it has its name.
NVIDIA_CTK = """
for word; do
    case $word in
    --output=*.yaml | --output=*.json) out=${word#--output=} ;;
    --output=*) out=${word#--output=}.yaml ;;
    esac
done
mkdir -p "$(dirname "$out")"
cat >"$out.tmp" <<END
---
cdiVersion: 0.5.0
kind: nvidia.com/gpu
devices:
    - name: "0"
      containerEdits: &edits
        deviceNodes:
            - path: /dev/null
    - name: all
      containerEdits: *edits
END
mv "$out.tmp" "$out"
"""


class Stage(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="thox-image-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.bin = self.folder / "bin"
        self.bin.mkdir()

    def double(self, name: str, body: str) -> None:
        """A program in front of the real one. It notes how it was called."""
        program = self.bin / name
        program.write_text(f'#!/bin/sh\necho "{name} $*" >>"{self.folder}/calls"\n{body}\n')
        program.chmod(0o755)

    def calls(self) -> list[str]:
        file = self.folder / "calls"
        return file.read_text().splitlines() if file.exists() else []

    def forget_calls(self) -> None:
        (self.folder / "calls").unlink(missing_ok=True)

    def run_script(self, script: str, *arguments: object, **environment: object) -> subprocess.CompletedProcess[str]:
        """Under dash, which knows no more than POSIX."""
        variables = {name: str(value) for name, value in environment.items()}
        path = f"{self.bin}:{os.environ['PATH']}"
        return subprocess.run(
            ["dash", ROOT / script, *map(str, arguments)],
            env={**variables, "PATH": path, "LC_ALL": "C"}, text=True, capture_output=True, timeout=60, check=False,
        )  # fmt: skip

    def assert_ok(self, done: subprocess.CompletedProcess[str]) -> str:
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def assert_fails(self, done: subprocess.CompletedProcess[str], *words: str) -> None:
        self.assertNotEqual(done.returncode, 0, done.stdout)
        for word in words:
            self.assertIn(word, done.stderr)
