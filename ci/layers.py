"""What ci/layers asks of the layer and the kas files: what they name is there, what is there is named."""

import argparse
import json
import pathlib
import re
import sys

import jsonschema
import kas
import yaml
from kas.context import create_global_context
from kas.includehandler import IncludeHandler
from kas.kasusererror import KasUserError

ROOT = pathlib.Path(__file__).resolve().parent.parent
LAYER = ROOT / "meta-thox"
# tests/image starts a system that is made by this table: the recipes make the same one.
sys.path.insert(0, str(ROOT / "tests/image"))
sys.dont_write_bytecode = True
import layout  # noqa: E402
import programs  # noqa: E402

FOLDERS = {
    "nonarch_base_libdir": "usr/lib", "nonarch_libdir": "usr/lib", "systemd_system_unitdir": "usr/lib/systemd/system",
    "sysconfdir": "etc", "datadir": "usr/share",
}
# RAUC's own recipe installs it (recipes-core/rauc/rauc-conf.bbappend).
OTHERS = {"config/rauc/system.conf.in"}
# What every image has (packagegroup-core-boot): busybox as OE configures it, which has neither install nor timeout, and systemd.
ALWAYS = set(
    "awk basename cat chgrp chmod chown cmp cp cut df dirname du find grep mkdir mktemp mount mv readlink rm rmdir sed sh sleep "
    "stat tr umount wc journalctl systemctl".split()
)
# The package of every other program; of those that busybox has in part the one that has all of it (sync FILE, od -w).
PACKAGES = {
    "blkid": "util-linux-blkid", "chattr": "e2fsprogs", "curl": "curl", "install": "coreutils", "mountpoint": "util-linux-mountpoint",
    "nft": "nftables", "nvbootctrl": "tegra-redundant-boot", "nvidia-ctk": "nvidia-container-toolkit", "od": "coreutils",
    "ollama": "ollama", "podman": "podman", "rauc": "rauc", "ssh-keygen": "openssh-keygen", "sync": "coreutils", "thox": "thox",
    "thoxd": "thoxd", "timeout": "coreutils", "udevadm": "udev",
}  # fmt: skip
wrong = []


def recipes():
    """Each recipe of the layer with its text."""
    return [(recipe.name, recipe.read_text()) for recipe in sorted(LAYER.rglob("*.bb"))]


def assigned(variable, text):
    """What a recipe gives a variable, without the lines' ends."""
    return [found.replace("\\\n", " ").split() for found in re.findall(rf'^{variable} = "((?:[^"\\]|\\\n)*)"', text, re.M)]


def files():
    """The recipes' tables against what is there, and against the table of tests/image, both ways."""
    wanted = {str(source.relative_to(ROOT)): (place, mode) for source, place, mode in layout.files()}
    installed = {}
    for name, text in recipes():
        for entry in sum(assigned("THOX_FILES", text), []):
            path, _, target = entry.partition("=")
            target, _, mode = target.partition(";")
            target = re.sub(r"^/|\$\{(\w+)\}", lambda found: FOLDERS[found[1]] if found[1] else "", target)
            if path in installed:
                wrong.append(f"{path} is installed by {name} and by {installed[path]}: one of them is enough")
            installed[path] = name
            if not (ROOT / path).is_file():
                wrong.append(f"{name}: {path} is not in the repository")
            elif wanted.get(path) != (target, int(mode or "0644", 8)):
                wrong.append(f"{name}: {path} goes to {target} ({mode or '0644'}), in tests/image/layout.py to {wanted.get(path)}")
    for path in sorted(set(wanted) - set(installed) - OTHERS):
        wrong.append(f"{path}: no recipe installs it; add it to one's THOX_FILES")
    return len(installed)


def called(path):
    """The programs that a script or a unit of ours starts."""
    text = (ROOT / path).read_text()
    if text.startswith("#!"):
        return programs.Script(text).called
    found = set()
    # A quadlet's Exec= is the container's.
    for program, rest in re.findall(r"^Exec\w+=[-@:+!|]*(/\S+)(.*)$", text, re.M):
        found.add(program.rsplit("/", 1)[-1])
        script = re.match(r" -c '([^']*)'", rest)
        if script:
            found |= programs.Script(script[1]).called
    return found


def dependencies():
    """What is called on the device is in the recipe's own package, or in one that it depends on: an image has no more."""
    package = {name: "thoxd" if name.startswith("thox_") else name.split("_")[0] for name, _ in recipes()}
    needs, files = {}, {}
    for name, text in recipes():
        needs[package[name]] = set(re.findall(r"[\w.+-]+", " ".join(sum(assigned(r"RDEPENDS:\S+", text), []))))
        files[package[name]] = [entry.partition("=")[0] for entry in sum(assigned("THOX_FILES", text), [])]
    needs["thoxd"].add("thox")
    ours = {pathlib.Path(path).name: name for name, paths in files.items() for path in paths}
    looked = 0
    for name, paths in files.items():
        reached, todo = set(), [name]
        while todo:
            reached.add(now := todo.pop())
            todo.extend(needs.get(now, set()) - reached)
        for path in paths:
            for program in sorted(called(path) - ALWAYS) if path.startswith(("config/libexec/", "config/rauc/", "systemd/")) else ():
                looked += 1
                wanted = ours.get(program) or PACKAGES.get(program)
                if not wanted:
                    wrong.append(f"{path} calls {program}: say in ci/layers.py whose package that is")
                elif wanted not in reached:
                    wrong.append(f"{path} calls {program}, and {name} does not bring {wanted}: add it to its RDEPENDS")
    if not looked:
        wrong.append("no script and no unit calls anything: the check has nothing to read")
    return looked


def units():
    """What the recipes enable, against what the system of tests/image starts with."""
    enabled = set()
    for _, text in recipes():
        if "SYSTEMD_AUTO_ENABLE" not in text:
            enabled.update(sum(assigned(r"SYSTEMD_SERVICE:\S+", text), []))
    for unit in sorted(enabled ^ set(layout.ENABLED)):
        wrong.append(f"{unit} is enabled by {'a recipe' if unit in enabled else 'tests/image/layout.py'} alone")


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
        for variant in (("release",), ("development",), ("ci",), ("release", "models")):
            chain = [str(machine), *(str(machine.with_name(f"{name}.yml")) for name in variant)]
            try:
                merged, missing = IncludeHandler(chain).get_config()
            except KasUserError as error:
                wrong.append(f"{machine.name}:{'+'.join(variant)}: {error}")
                continue
            if missing or not merged.get("target") or merged.get("distro") != "thox":
                wrong.append(f"{machine.name}:{'+'.join(variant)}: together they name no target, or another distro than thox")
            elif "models" in variant and merged["target"] != ["thox-image-models", "thox-bundle-models"]:
                wrong.append(f"{machine.name}:{'+'.join(variant)}: makes {merged['target']}, of which not all brings models")
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
    installed, described, looked = files(), kas_files(), dependencies()
    units()
    sources()
    for line in wrong:
        print(line, file=sys.stderr)
    if wrong:
        sys.exit(1)
    print(f"meta-thox: {installed} files of the repository installed, which call {looked} programs of packages that are there; "
          f"yocto: {described} kas files", file=sys.stderr)  # fmt: skip


main()
