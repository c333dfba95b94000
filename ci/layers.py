"""What ci/layers asks of the layer and the kas files: what they name is there, what is there is named."""

import argparse
import json
import pathlib
import re
import subprocess
import sys

import jsonschema
import kas
import yaml
from kas.context import create_global_context
from kas.includehandler import IncludeHandler
from kas.kasusererror import KasUserError

ROOT = pathlib.Path(__file__).resolve().parent.parent
LAYER = ROOT / "meta-thox"
# On the image by nobody's recipe, and why.
NOT_INSTALLED = {
    "systemd/README.md", "udev/README.md", "config/README.md", "config/rauc/README.md",
    # RAUC's own recipe installs it (recipes-core/rauc/rauc-conf.bbappend).
    "config/rauc/system.conf.in",
    # For boards that stay on JetPack 6: the image is JetPack 7.
    "systemd/tensorrt-llm-jetpack6@.container",
}
wrong = []


def tracked(*folders):
    listed = subprocess.run(["git", "ls-files", "-z", *folders], cwd=ROOT, check=True, capture_output=True, text=True)
    return set(filter(None, listed.stdout.split("\0")))


def files():
    """The tables of the recipes against systemd/, udev/ and config/, both ways."""
    installed = {}
    for recipe in sorted(LAYER.rglob("*.bb")):
        for table in re.findall(r'^THOX_FILES = "((?:[^"\\]|\\\n)*)"', recipe.read_text(), re.M):
            for path in re.findall(r"^\s*([^\s=\\]+)=", table, re.M):
                if path in installed:
                    wrong.append(f"{path} is installed by {recipe.name} and by {installed[path]}: one of them is enough")
                installed[path] = recipe.name
                if not (ROOT / path).is_file():
                    wrong.append(f"{recipe.name}: {path} is not in the repository")
    there = {path for path in tracked("systemd", "udev", "config") if not path.startswith("systemd/debian/")}
    for path in sorted(there - set(installed) - NOT_INSTALLED):
        wrong.append(f"{path}: no recipe installs it; add it to one's THOX_FILES, or to NOT_INSTALLED in ci/layers.py")
    return len(installed)


def kas_files():
    """Each file against kas's own schema, and what neither a schema nor kas asks: pinned, and machines named as files."""
    schema = json.loads((pathlib.Path(kas.__file__).parent / "schema-kas.json").read_text())
    found = sorted((ROOT / "yocto").glob("*.yml"))
    for file in found:
        content = yaml.safe_load(file.read_text())
        for error in jsonschema.Draft202012Validator(schema).iter_errors(content):
            wrong.append(f"{file.name}: {error.json_path}: {error.message}")
        if "machine" in content and file.stem != content["machine"]:
            wrong.append(f"{file.name}: is named otherwise than its machine, {content['machine']}; ci/image takes the name")
        for name, repo in (content.get("repos") or {}).items():
            if "url" in repo and not re.fullmatch("[0-9a-f]{40}", repo.get("commit", "")):
                wrong.append(f"{file.name}: {name} is not pinned: give its whole commit")
    # kas asks git where a file's repository is, in a context of its own.
    create_global_context(argparse.Namespace(no_color=True))
    machines = [file for file in found if "machine" in yaml.safe_load(file.read_text())]
    for machine in machines:
        for variant in ("release", "development", "ci"):
            chain = [str(machine), str(machine.with_name(f"{variant}.yml"))]
            try:
                merged, missing = IncludeHandler(chain).get_config()
            except KasUserError as error:
                wrong.append(f"{machine.name}:{variant}.yml: {error}")
                continue
            if missing or not merged.get("target") or merged.get("distro") != "thox":
                wrong.append(f"{machine.name}:{variant}.yml: together they name no target, or another distro than thox")
    return len(found)


def sources():
    """What is fetched has its hash beside it."""
    for recipe in sorted([*LAYER.rglob("*.bb"), *LAYER.rglob("*.bbappend")]):
        text = recipe.read_text()
        if re.search(r"\b(https?|ftp)://\S+\.(tar|zip|zst|gz|xz)", re.sub(r"^\s*#.*$", "", text, flags=re.M)):
            if "[sha256sum]" not in text:
                wrong.append(f"{recipe.name}: fetches an archive whose sha256 it does not name")
        if re.search(r"\bgit://", text) and not re.search(r'SRCREV\w* = "[0-9a-f]{40}"', text):
            wrong.append(f"{recipe.name}: fetches from git without a whole SRCREV")


def main():
    installed, described = files(), kas_files()
    sources()
    for line in wrong:
        print(line, file=sys.stderr)
    if wrong:
        sys.exit(1)
    print(f"meta-thox: {installed} files of the repository installed; yocto: {described} kas files", file=sys.stderr)


main()
