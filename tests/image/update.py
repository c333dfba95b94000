"""A real RAUC takes real bundles on a real dm-verity, with the image's system.conf, its backend for nvbootctrl and its
post-install handler: in a small virtual machine, since a container has no device-mapper. Its root is a folder of programs
in memory; its disks are the two slots and the data partition, by their labels. One bundle goes through thoxd.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import layout
import machine
from board import Board
from device import BINARIES, authority, base, booted

PROGRAMS = (
    "sh dash rauc dbus-daemon mount umount mountpoint od awk sed tr mktemp sync timeout cat cp mv rm mkdir rmdir ln ls "
    "sleep dirname basename printf chattr cmp head touch readlink date kmod losetup grep env sha256sum cut poweroff"
).split()
# Without hardware virtualisation, on a core that is shared with others: minutes.
LIMIT = 1200

# What the machine does, in its own words on the serial line. Lines that begin with = are read by the test.
INIT = r"""#!/bin/sh
export PATH=/usr/sbin:/usr/bin BOARD=/data/board THOX_EFIVARS=/data/board/efivars LC_ALL=C
mount -t proc proc /proc && mount -t sysfs sysfs /sys && mount -t devtmpfs dev /dev && mount -t tmpfs run /run
for module in MODULES; do insmod "/modules/$module.ko" || echo "  $module cannot be loaded"; done
for try in 1 2 3 4 5 6 7 8 9 10; do [ -e /dev/vdc ] && break; sleep 1; done
[ -e /dev/vdc ] || { echo "=no disks: $(ls /dev | tr '\n' ' ')"; poweroff -f; }
mkdir -p /dev/disk/thox /run/dbus
ln -s /dev/vda /dev/disk/thox/APP
ln -s /dev/vdb /dev/disk/thox/APP_b
ln -s /dev/vdc /dev/disk/thox/data
mount /dev/disk/thox/data /data
dbus-daemon --system --fork
rauc service >/run/rauc.log 2>&1 &
service=$!
for try in 1 2 3 4 5 6 7 8 9 10; do rauc status >/dev/null 2>&1 && break; sleep 1; done
state() {
    echo "=$1 current=$(cat $BOARD/current) active=$(cat $BOARD/active) $(rauc status --output-format=shell | grep -o "^RAUC_[A-Z_]*BOOT[A-Z_0-9]*='[^']*'" | tr '\n' ' ')"
}
marker() {
    mkdir -p /run/look && mount -o ro "/dev/disk/thox/$1" /run/look && cat /run/look/version && umount /run/look
}
install() {
    timeout 400 rauc install "/data/bundles/$1.raucb" >/run/said 2>&1
    echo "=installed $1 status=$? primary=$(cat $BOARD/active) A=$(marker APP) B=$(marker APP_b 2>/dev/null)"
    sed 's/^/  /' /run/said
}
thoxd_begins() {
    thoxd --set state_dir=/data/thox --set mdns.enabled=false --set dbus.enabled=true --set engines.ollama.enabled=false \
        --set engines.starter.enabled=false >>/run/thoxd.log 2>&1 &
    thoxd=$!
    for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do thox update why >/run/why 2>&1 && break; sleep 1; done
    # What it says until it has asked RAUC.
    for try in 1 2 3 4 5 6 7 8 9 10; do thox update install 2>&1 | grep -q 'cannot be updated' || break; sleep 1; done
}
cat /proc/devices | grep device-mapper
state before
for bundle in foreign plain other-board corrupt; do install $bundle; done
state half-written
[ -e /data/system/update-trial ] && echo "=trial early"
thoxd_begins
thox update install /data/bundles/foreign.raucb >/run/said 2>&1
echo "=thoxd foreign status=$? $(sed -n 1p /run/said)"
thox --json update install /data/bundles/good.raucb >/run/said 2>&1
echo "=thoxd good status=$? primary=$(cat $BOARD/active) B=$(marker APP_b 2>/dev/null) $(sed -n '$p' /run/said)"
thox update install /data/bundles/older-slot.raucb >/run/said 2>&1
echo "=thoxd again status=$? $(sed -n 1p /run/said)"
kill -KILL "$thoxd"
echo "=trial $(cat /data/system/update-trial | tr '\n' ' ')"
state after
# The firmware boots what was made primary.
cp $BOARD/active $BOARD/current
kill -KILL "$service"
rauc service >/run/rauc2.log 2>&1 &
for try in 1 2 3 4 5 6 7 8 9 10; do rauc status >/dev/null 2>&1 && break; sleep 1; done
state booted
thoxd_begins
thox update rollback --yes >/run/said 2>&1
echo "=thoxd tried status=$? $(sed -n 1p /run/said)"
rm /data/system/update-trial
sleep 5
echo "=thoxd kept $(thox --json update why)"
kill -KILL "$thoxd"
rauc status mark-good && echo "=verified $(grep -c verify $BOARD/calls)"
install older-slot
state back
rauc status mark-bad booted 2>&1 | sed 's/^/  /'
state bad
echo "=end"
cat /run/rauc.log /run/rauc2.log /run/thoxd.log | sed 's/^/  log: /'
sync
poweroff -f 2>/dev/null || echo o >/proc/sysrq-trigger
sleep 60
"""


def memory_root(folder: Path, keys: Path) -> Path:
    """The root that lives in memory: the programs with what they are linked to, and the image's files."""
    source, root = base(), folder / "memory"
    machine.install(root, PROGRAMS)
    for name in ("etc/passwd", "etc/group", "usr/share/dbus-1/system.conf", "usr/share/dbus-1/system.d/de.pengutronix.rauc.conf",
                 "etc/dbus-1/system.d/de.pengutronix.rauc.conf", "etc/nsswitch.conf"):  # fmt: skip
        if (source / name).exists():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source / name, root / name)
    for file, place, mode in layout.files():
        if place.startswith(("usr/lib/thox/rauc", "usr/lib/rauc")):
            (root / place).parent.mkdir(parents=True, exist_ok=True)
            (root / place).write_text(file.read_text().replace("@COMPATIBLE@", layout.COMPATIBLE))
            (root / place).chmod(mode)
    shutil.copy(keys / "ca.cert.pem", root / "usr/lib/rauc/ca.cert.pem")
    for name in ("thoxd", "thox"):
        # Without what a debugger wants: it all lies in memory.
        subprocess.run(["strip", "-o", root / "usr/bin" / name, BINARIES / name], check=True)
        said = subprocess.run(["ldd", BINARIES / name], text=True, capture_output=True, check=True).stdout
        for library in re.findall(r"(\S+\.so\S*) => /", said):
            file = next((source / "usr/lib").rglob(library), None)
            assert file, f"{name} needs {library}, which Debian {booted.SUITE} has not"
            place = root / file.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file.resolve(), place)
    return root


def slot(folder: Path, version: str) -> Path:
    """The file system of a system that says its version."""
    content, image = folder / f"content-{version}", folder / f"{version}.ext4"
    content.mkdir()
    (content / "version").write_text(version)
    # So that a bundle is more than a block.
    (content / "weight").write_bytes(os.urandom(2 << 20))
    subprocess.run(["mkfs.ext4", "-q", "-F", "-d", content, image, "8M"], check=True, stdout=subprocess.DEVNULL)
    return image


def bundle(folder: Path, name: str, image: Path, key: str = "release", form: str = "verity", board: str = layout.COMPATIBLE) -> Path:
    source = folder / f"bundle-{name}"
    source.mkdir()
    shutil.copy(image, source / "rootfs.ext4")
    (source / "manifest.raucm").write_text(
        f"[update]\ncompatible={board}\nversion={name}\n[bundle]\nformat={form}\n[image.rootfs]\nfilename=rootfs.ext4\n"
    )
    out = folder / "bundles" / f"{name}.raucb"
    out.parent.mkdir(exist_ok=True)
    inside = ["systemd-nspawn", "-q", "-D", base(), "--volatile=overlay", "--register=no", "--keep-unit", "--pipe", f"--bind={folder}:/made"]
    command = ["rauc", f"--cert=/made/keys/{key}.crt", f"--key=/made/keys/{key}.key", "bundle", f"/made/{source.name}", f"/made/bundles/{out.name}"]
    done = subprocess.run([*inside, *command], text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def data(folder: Path) -> Path:
    """The data partition: the board's variables and the bundles."""
    content, image = folder / "data", folder / "data.ext4"
    Board(content / "board")
    (content / "system").mkdir()
    shutil.copytree(folder / "bundles", content / "bundles")
    subprocess.run(["mkfs.ext4", "-q", "-F", "-d", content, image, "64M"], check=True, stdout=subprocess.DEVNULL)
    return image


def main() -> int:
    machine.needed()
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="thox-update-", dir="/var/tmp") as name:
        folder = Path(name)
        authority(folder / "keys")
        root = memory_root(folder, folder / "keys")
        program = Board(folder / "board").program
        (root / "usr/bin/nvbootctrl").write_text(program.read_text())
        (root / "usr/bin/nvbootctrl").chmod(0o755)
        old, new, older = (slot(folder, version) for version in ("1.0", "2.0", "1.5"))
        bundle(folder, "good", new)
        bundle(folder, "foreign", new, key="foreign")
        bundle(folder, "plain", new, form="plain")
        bundle(folder, "other-board", new, board="thox-another")
        bundle(folder, "older-slot", older)
        corrupt = bundle(folder, "corrupt", new)
        with corrupt.open("r+b") as file:
            file.seek(1 << 20)
            file.write(b"\xff" * 4096)
        other = folder / "other.ext4"
        other.write_bytes(bytes(8 << 20))
        said = machine.run(folder, root, INIT, [old, other, data(folder)], memory=512, cores=1, more="", limit=LIMIT)
    try:
        judge(said)
    except AssertionError:
        print(said[-12000:], file=sys.stderr)
        raise
    print(f"ok {time.monotonic() - start:5.1f} s  rauc with the image's backend: four bundles refused, two taken, one by way of thoxd, on a real dm-verity")
    return 0


def judge(said: str) -> None:
    def line(beginning: str) -> str:
        found = re.search(rf"^={re.escape(beginning)}.*$", said, re.M)
        assert found, f"the machine did not say ={beginning}"
        return found[0]

    assert "=end" in said, "the machine did not come to its end"
    assert "='A'" in line("before"), line("before")
    for refused, why in (("foreign", "signature"), ("plain", "format"), ("other-board", "ompatible"), ("corrupt", "Input/output error")):
        told = line(f"installed {refused} ")
        reason = re.search(rf"^=installed {refused} .*?LastError: (.*?)$", said, re.M | re.S)
        assert reason and why in reason[1], f"{refused} is refused for {reason and reason[1]}"
        assert "status=0" not in told and "primary=0" in told and "A=1.0" in told, told
    assert "RAUC_SLOT_BOOT_STATUS_1='bad'" in line("half-written"), "what was written by half is not to be booted"
    assert "=trial early" not in said
    told = line("thoxd foreign ")
    assert "status=1" in told and "signature" in told, told
    told = line("thoxd good ")
    assert "status=0" in told and "primary=1" in told and "B=2.0" in told and '"state":"staged"' in told, told
    told = line("thoxd again ")
    assert "status=1" in told and "waits for the device's restart" in told, told
    told = line("thoxd tried ")
    assert "status=1" in told and "runs on trial" in told, told
    assert '"outcome":"kept"' in line("thoxd kept"), line("thoxd kept")
    assert "BOOTNAME=B BASELINE=silent" in line("trial")
    assert "active=1" in line("after")
    assert "='B'" in line("booted"), line("booted")
    assert line("verified") != "=verified 0"
    told = line("installed older-slot ")
    assert "status=0" in told and "primary=0" in told and "A=1.5" in told, told


if __name__ == "__main__":
    try:
        sys.exit(main())
    except booted.Skip as reason:
        print(f"tests/image: skipped, {reason}", file=sys.stderr)
        sys.exit(booted.SKIPPED)
