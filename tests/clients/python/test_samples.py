"""The documentation's own samples, unchanged but for the host."""

import subprocess
import sys
from pathlib import Path

import pytest

SAMPLES = Path(__file__).resolve().parents[1] / "samples"


@pytest.mark.parametrize("name", ["chat.py", "hello.py", "chat.sh"])
def test_sample(name, device, tmp_path):
    text = (SAMPLES / name).read_text()
    assert "http://thox.local:8080" in text
    script = tmp_path / name
    script.write_text(text.replace("http://thox.local:8080", device.url))
    interpreter = [sys.executable] if name.endswith(".py") else ["sh"]
    done = subprocess.run([*interpreter, script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip(), "it printed the answer"
    if name.endswith(".sh"):
        assert '"backend"' in done.stdout
