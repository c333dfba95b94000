"""The image's system in a container, read-only, with nothing on its data partition, as a board boots it first.

What a board has and a container has not is doubled at its edge: the partition is a folder, the slots are variables in
files (board.py), Ollama is its HTTP double.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import layout
from board import Board
from stage import NVIDIA_CTK

ROOT = layout.ROOT
PACKAGES = (
    "systemd,systemd-sysv,dbus,udev,iproute2,curl,ca-certificates,nftables,rauc,rauc-service,podman,crun,openssh-client,"
    "openssh-server,openssl,squashfs-tools,e2fsprogs,kmod,polkitd,systemd-resolved"
)


def load(name: str, path: Path) -> ModuleType:
    """ci/booted has no ending by which Python would know it."""
    loader = SourceFileLoader(name, str(path))
    module = module_from_spec(spec_from_loader(name, loader))  # type: ignore[arg-type]
    loader.exec_module(module)
    return module


sys.dont_write_bytecode = True
booted = load("booted", ROOT / "ci/booted")
Box, until, answers = booted.Box, booted.until, booted.answers
BINARIES = Path(os.environ.get("THOX_BINARIES", booted.TARGET / "debug"))

# A board's edge. The partition is a folder of the host's; the boards' variables are files in it.
STANDS_IN = {
    "data.mount": "[Mount]\nWhat=/mnt/disk\nWhere=/data\nType=none\nOptions=bind\n[Install]\nRequiredBy=local-fs.target\n",
    "rauc.service.d/board.conf": "[Service]\nEnvironment=BOARD=/mnt/board THOX_EFIVARS=/mnt/board/efivars\n",
    "thox-commit.service.d/board.conf": "[Service]\nEnvironment=BOARD=/mnt/board THOX_EFIVARS=/mnt/board/efivars\n",
    "ollama.service.d/engine.conf": booted.ENGINE.format(gap=0),
}


def base() -> Path:
    """A Debian with what the image has beside ours, made once."""
    root = booted.CACHE / f"image-{booted.SUITE}-2"
    if root.is_dir():
        return root
    if not shutil.which("mmdebstrap"):
        raise booted.Skip("mmdebstrap is not installed (ci/setup)")
    print(f"— making a Debian {booted.SUITE} with podman and RAUC, once …", file=sys.stderr)
    half = root.with_name(f"{root.name}-half")
    shutil.rmtree(half, ignore_errors=True)
    half.parent.mkdir(parents=True, exist_ok=True)
    made = subprocess.run(
        ["mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", f"--include={PACKAGES}", booted.SUITE, half],
        stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    if made.returncode != 0:
        shutil.rmtree(half, ignore_errors=True)
        raise booted.Skip(f"no Debian can be made: {made.stderr.strip().splitlines()[-1:]}")
    # Debian points it at the resolver, which runs only where the system has booted; apt is called in it without.
    (half / "etc/resolv.conf").unlink(missing_ok=True)
    shutil.copy("/etc/resolv.conf", half / "etc/resolv.conf")
    half.rename(root)
    return root


def authority(folder: Path) -> None:
    """The keys of a build (yocto/keys): `ca.cert.pem` is what a device trusts, `release` signs its bundles, and `foreign` is
    as good a signer of another authority, that of the capsules."""
    folder.mkdir(parents=True)
    subprocess.run([layout.ROOT / "yocto/keys", folder / "made"], check=True, stdout=subprocess.DEVNULL)
    for made, name in (("update", "release"), ("capsule-signer", "foreign")):
        shutil.copy(folder / f"made/{made}.cert.pem", folder / f"{name}.crt")
        shutil.copy(folder / f"made/{made}.key.pem", folder / f"{name}.key")
    shutil.copy(folder / "made/ca.cert.pem", folder / "ca.cert.pem")


def prepare(folder: Path) -> Path:
    """The system as the recipes leave it."""
    root = folder / "root"
    subprocess.run(["cp", "-a", "--reflink=auto", base(), root], check=True)
    layout.install(root)
    for name in ("thoxd", "thox"):
        shutil.copy(BINARIES / name, root / "usr/bin" / name)
    shutil.copy(BINARIES / "double", root / "opt/double")
    # Something that is there, for conditions and systemd's own check.
    for program, body in (("usr/bin/ollama", "exit 1\n"), ("usr/bin/nvidia-ctk", NVIDIA_CTK)):
        (root / program).write_text(f"#!/bin/sh\n{body}")
        (root / program).chmod(0o755)
    authority(folder / "keys")
    (root / "usr/lib/rauc").mkdir(exist_ok=True)
    shutil.copy(folder / "keys/ca.cert.pem", root / "usr/lib/rauc/ca.cert.pem")
    inside = ["systemd-nspawn", "-q", "-D", root, "--register=no", "--keep-unit", "--pipe"]
    subprocess.run([*inside, "systemd-sysusers"], check=True, capture_output=True)
    for name, text in STANDS_IN.items():
        file = root / "etc/systemd/system" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    subprocess.run([*inside, "systemctl", "enable", *layout.ENABLED], check=True, capture_output=True)
    # Debian's own keys, and its way to start sshd, are not the image's.
    subprocess.run([*inside, "systemctl", "disable", "ssh.service", "ssh.socket"], check=False, capture_output=True)
    (root / "usr/lib/systemd/system/sshd.socket").write_text("[Socket]\nListenStream=22\nAccept=yes\n[Install]\nWantedBy=sockets.target\n")
    (root / "usr/lib/systemd/system/sshd@.service").write_text("[Service]\nExecStart=-/usr/sbin/sshd -i\nStandardInput=socket\n")
    (root / "etc/systemd/system/sockets.target.wants").mkdir(exist_ok=True)
    (root / "etc/systemd/system/sockets.target.wants/sshd.socket").symlink_to("/usr/lib/systemd/system/sshd.socket")
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    # As of an image with a read-only root: empty, so that systemd makes one for the boot.
    (root / "etc/machine-id").write_text("")
    (root / "mnt/disk").mkdir()
    (root / "mnt/board").mkdir()
    return root


class Device:
    """One board: its disk stays while its system boots again."""

    def __init__(self, folder: Path) -> None:
        self.root = prepare(folder)
        self.disk = folder / "disk"
        self.disk.mkdir()
        self.board = Board(folder / "board")
        self.options = ["--volatile=state", f"--bind={self.disk}:/mnt/disk", f"--bind={self.board.folder}:/mnt/board"]
        (self.root / "usr/sbin/nvbootctrl").write_text(self.board.program.read_text())
        (self.root / "usr/sbin/nvbootctrl").chmod(0o755)
        self.box = self.boot()

    def boot(self):
        self.board.boot()
        self.box = Box(self.root, *self.options)
        until("thoxd answers", 60, answers)
        return self.box

    def again(self):
        self.box.end()
        return self.boot()
