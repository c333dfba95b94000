"""Whether code is code and a diff applies; `None` where the language's own program is not installed."""

from __future__ import annotations

import ast
import shutil
import subprocess
import tempfile
from pathlib import Path

COMMANDS = {
    "javascript": ("node", "code.mjs", ["--check"]),
    # Another file is missing here: what counts is that it is read to its end.
    "go": ("gofmt", "code.go", ["-e", "-l"]),
    "rust": ("rustfmt", "code.rs", ["--check", "--edition", "2024", "--config", "error_on_line_overflow=false"]),
}


def problem(language: str, code: str) -> str | None:
    """Why this does not parse; empty where it does."""
    if language == "python":
        try:
            ast.parse(code)
        except SyntaxError as error:
            return f"line {error.lineno}: {error.msg}"
        return ""
    program, name, arguments = COMMANDS[language]
    if not shutil.which(program):
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_text(code)
        run = subprocess.run([program, *arguments, str(path)], capture_output=True, text=True, timeout=60)
    # rustfmt also ends with 1 where it would only write it otherwise.
    failed = "error" in run.stderr if language == "rust" else run.returncode != 0
    if not failed:
        return ""
    words = run.stderr.replace(f"{folder}/", "").splitlines()
    # Node says where on the first line and what on a later one.
    told = [line.strip() for line in words if "rror" in line] or [line.strip() for line in words if line.strip()]
    return (told or ["it does not parse"])[0]


def diff_problem(old: str, diff: str, new: str) -> str | None:
    """Why the diff does not make the new text of the old one; empty where it does."""
    if not shutil.which("patch"):
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file")
        path.write_text(old)
        command = ["patch", "--silent", "--force", "--fuzz=0", str(path)]
        run = subprocess.run(command, input=diff, capture_output=True, text=True, timeout=60)
        if run.returncode != 0:
            return "the diff does not apply"
        return "" if path.read_text() == new else "the diff gives something else"
