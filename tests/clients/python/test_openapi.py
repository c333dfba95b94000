"""Requests that schemathesis makes up from the service's own description.

None may be a server error, and every reply has a status, a content type and a body that is described.
"""

import subprocess
import sys
from pathlib import Path

CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
]


def test_made_up_requests_are_answered_as_described(device, tmp_path):
    command = [
        Path(sys.executable).with_name("schemathesis"),
        "run",
        f"{device.url}/openapi.json",
        f"--url={device.url}",
        f"--checks={','.join(CHECKS)}",
        "--max-examples=40",
        # The same requests in every run: what fails here fails everywhere.
        "--generation-deterministic",
        "--suppress-health-check=all",
        "--request-timeout=20",
        "--no-color",
    ]
    # In a folder of its own: it leaves a database of examples behind.
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "passed" in done.stdout
