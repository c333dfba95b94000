"""A real RAUC takes real bundles on a real dm-verity, with the image's system.conf, its backend for nvbootctrl and its
post-install handler: in a small virtual machine, since a container has no device-mapper. Its root is a folder of programs
in memory; its disks are the two slots and the data partition, by their labels.
"""

from __future__ import annotations

import lzma
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import layout
from board import Board
from device import authority, base, booted

MODULES = ["virtio_pci", "virtio_blk", "ext4", "squashfs", "loop", "dm_mod", "dm_verity"]
PROGRAMS = (
    "sh dash rauc dbus-daemon mount umount mountpoint od awk sed tr mktemp sync timeout cat cp mv rm mkdir rmdir ln ls "
    "sleep dirname basename printf chattr cmp head touch readlink date kmod losetup grep env sha256sum cut poweroff"
).split()
# Without hardware virtualisation, on a core that is shared with others: minutes.
LIMIT = 900

# What the machine does, in its own words on the serial line. Lines that begin with = are read by the test.
INIT = r"""#!/bin/sh
export PATH=/usr/sbin:/usr/bin BOARD=/data/board THOX_EFIVARS=/data/board/efivars LC_ALL=C
mount -t proc proc /proc && mount -t sysfs sysfs /sys && mount -t devtmpfs dev /dev && mount -t tmpfs run /run
for module in MODULES; do insmod "/modules/$module.ko" || echo "  $module cannot be loaded"; done
for try in 1 2 3 4 5 6 7 8 9 10; do [ -e /dev/vdc ] && break; sleep 1; done
[ -e /dev/vdc ] || { echo "=no disks: $(ls /dev | tr '\n' ' ')"; poweroff -f; }
mkdir -p /dev/disk/by-partlabel /run/dbus
ln -s /dev/vda /dev/disk/by-partlabel/APP
ln -s /dev/vdb /dev/disk/by-partlabel/APP_b
ln -s /dev/vdc /dev/disk/by-partlabel/data
mount /dev/disk/by-partlabel/data /data
dbus-daemon --system --fork
rauc service >/run/rauc.log 2>&1 &
service=$!
for try in 1 2 3 4 5 6 7 8 9 10; do rauc status >/dev/null 2>&1 && break; sleep 1; done
state() {
    echo "=$1 current=$(cat $BOARD/current) active=$(cat $BOARD/active) $(rauc status --output-format=shell | grep -o "^RAUC_[A-Z_]*BOOT[A-Z_0-9]*='[^']*'" | tr '\n' ' ')"
}
marker() {
    mkdir -p /run/look && mount -o ro "/dev/disk/by-partlabel/$1" /run/look && cat /run/look/version && umount /run/look
}
install() {
    timeout 120 rauc install "/data/bundles/$1.raucb" >/run/said 2>&1
    echo "=installed $1 status=$? primary=$(cat $BOARD/active) A=$(marker APP) B=$(marker APP_b 2>/dev/null)"
    sed 's/^/  /' /run/said
}
cat /proc/devices | grep device-mapper
state before
for bundle in foreign plain other-board corrupt; do install $bundle; done
state half-written
[ -e /data/system/update-trial ] && echo "=trial early"
install good
echo "=trial $(cat /data/system/update-trial | tr '\n' ' ')"
state after
# The firmware boots what was made primary.
cp $BOARD/active $BOARD/current
kill -KILL "$service"
rauc service >/run/rauc2.log 2>&1 &
for try in 1 2 3 4 5 6 7 8 9 10; do rauc status >/dev/null 2>&1 && break; sleep 1; done
state booted
rauc status mark-good && echo "=verified $(grep -c verify $BOARD/calls)"
install older-slot
state back
rauc status mark-bad booted 2>&1 | sed 's/^/  /'
state bad
echo "=end"
cat /run/rauc.log /run/rauc2.log | sed 's/^/  log: /'
sync
poweroff -f 2>/dev/null || echo o >/proc/sysrq-trigger
sleep 60
"""


def kernel() -> Path:
    """Debian's kernel and its modules, fetched once."""
    folder = booted.CACHE / f"image-kernel-{booted.SUITE}-1"
    if folder.is_dir():
        return folder
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        work = Path(name)
        root = base()
        fetch = ("cd /fetch && apt-get update -qq && name=$(apt-cache depends linux-image-cloud-amd64 | grep -o 'linux-image-[0-9].*') "
                 "&& apt-get download -q $name")  # fmt: skip
        inside = ["systemd-nspawn", "-q", "-D", root, "--volatile=overlay", "--register=no", "--keep-unit", "--pipe", f"--bind={work}:/fetch"]
        done = subprocess.run([*inside, "sh", "-c", fetch], text=True, capture_output=True, check=False)
        packages = list(work.glob("*.deb"))
        if not packages:
            raise booted.Skip(f"no kernel can be fetched: {(done.stderr or done.stdout).strip().splitlines()[-1:]}")
        subprocess.run(["dpkg", "-x", packages[0], work / "x"], check=True)
        half = folder.with_name(f"{folder.name}-half")
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir(parents=True)
        shutil.copy(next((work / "x/boot").glob("vmlinuz-*")), half / "vmlinuz")
        modules = next((work / "x/usr/lib/modules").iterdir())
        shutil.copytree(modules, half / "modules")
        half.rename(folder)
    return folder


def in_order(modules: Path) -> dict[str, bytes]:
    """Each module, unpacked, after those that it needs."""
    files = {path.name.split(".")[0].replace("-", "_"): path for path in modules.rglob("*.ko*")}
    found: dict[str, bytes] = {}

    def add(name: str) -> None:
        # What is not there is in the kernel itself.
        if name in found or name not in files:
            return
        path = files[name]
        module = lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()
        needed = re.search(rb"\0depends=([^\0]*)\0", module)
        for other in needed[1].decode().split(",") if needed else []:
            add(other.replace("-", "_"))
        found[name] = module

    for name in MODULES:
        add(name)
    return found


def archive(root: Path) -> bytes:
    """A folder as the kernel unpacks it into memory (cpio, newc)."""
    parts: list[bytes] = []

    def entry(name: str, mode: int, content: bytes) -> None:
        fields = [len(parts) + 1, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0]
        head = b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
        parts.append(head + bytes(-len(head) % 4) + content + bytes(-len(content) % 4))

    for path in sorted(root.rglob("*")):
        mode = path.lstat().st_mode
        content = os.readlink(path).encode() if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        entry(str(path.relative_to(root)), mode, content)
    entry("TRAILER!!!", 0, b"")
    return b"".join(parts)


def memory_root(folder: Path, keys: Path) -> Path:
    """The root that lives in memory: the programs with what they are linked to, and the image's files."""
    source, root = base(), folder / "memory"
    install(root, PROGRAMS)
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
    shutil.copy(keys / "release.crt", root / "usr/lib/rauc/ca.cert.pem")
    return root


def install(root: Path, programs: list[str]) -> None:
    """An empty root with these programs and what they are linked to."""
    source = base()
    for name in ("usr/bin", "usr/lib", "usr/lib64", "etc", "modules", "proc", "sys", "dev", "run", "tmp", "data", "var"):
        (root / name).mkdir(parents=True)
    for link, target in (("bin", "usr/bin"), ("sbin", "usr/bin"), ("usr/sbin", "bin"), ("lib", "usr/lib"), ("lib64", "usr/lib64"), ("var/run", "/run")):
        (root / link).symlink_to(target)
    wanted = set()
    for name in programs:
        found = next((path for path in (source / "usr/bin" / name, source / "usr/sbin" / name) if path.exists() or path.is_symlink()), None)
        if found is None:
            continue
        target = found
        while target.is_symlink():
            link = os.readlink(target)
            target = source / link.lstrip("/") if link.startswith("/") else target.parent / link
        shutil.copy(target, root / "usr/bin" / name)
        said = subprocess.run(["chroot", source, "ldd", "/" + str(target.resolve().relative_to(source.resolve()))], text=True, capture_output=True, check=False)
        wanted |= set(re.findall(r"(/\S+\.so\S*)", said.stdout))
    (root / "usr/bin/insmod").symlink_to("kmod")
    for library in wanted:
        file = (source / library.lstrip("/")).resolve()
        place = root / "usr" / Path(library.lstrip("/")).relative_to("usr" if library.startswith("/usr") else "")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, place)


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
    if os.geteuid() != 0:
        raise booted.Skip("it takes root to make a bundle's file systems")
    if not shutil.which("qemu-system-x86_64"):
        raise booted.Skip("qemu-system-x86_64 is not installed (Debian: qemu-system-x86)")
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="thox-update-", dir="/var/tmp") as name:
        folder = Path(name)
        system = kernel()
        authority(folder / "keys")
        root = memory_root(folder, folder / "keys")
        modules = in_order(system / "modules")
        for module, content in modules.items():
            (root / f"modules/{module}.ko").write_bytes(content)
        (root / "init").write_text(INIT.replace("MODULES", " ".join(modules)))
        (root / "init").chmod(0o755)
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
        (folder / "initrd").write_bytes(archive(root))
        drives = [word for image in (old, other, data(folder)) for word in ("-drive", f"file={image},format=raw,if=virtio,cache=unsafe")]
        serial = folder / "serial"
        machine = subprocess.Popen(
            ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-m", "512", "-smp", "1", "-display", "none", "-serial", f"file:{serial}", "-no-reboot",
             "-nic", "none", "-kernel", system / "vmlinuz", "-initrd", folder / "initrd",
             "-append", "console=ttyS0 quiet panic=-1 no_timer_check rdinit=/init",
             *drives],
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            machine.wait(LIMIT)
        except subprocess.TimeoutExpired:
            pass
        finally:
            machine.kill()
            machine.wait()
        said = serial.read_text(errors="replace")
    try:
        judge(said)
    except AssertionError:
        print(said[-12000:], file=sys.stderr)
        raise
    print(f"ok {time.monotonic() - start:5.1f} s  rauc with the image's backend: four bundles refused, two taken, on a real dm-verity")
    return 0


def judge(said: str) -> None:
    def line(beginning: str) -> str:
        found = re.search(rf"^={re.escape(beginning)}.*$", said.replace("\r", ""), re.M)
        assert found, f"the machine did not say ={beginning}"
        return found[0]

    assert "=end" in said, "the machine did not come to its end"
    assert "='A'" in line("before"), line("before")
    for refused, why in (("foreign", "signature"), ("plain", "format"), ("other-board", "ompatible"), ("corrupt", "Input/output error")):
        told = line(f"installed {refused} ")
        reason = re.search(rf"^=installed {refused} .*?LastError: (.*?)$", said.replace("\r", ""), re.M | re.S)
        assert reason and why in reason[1], f"{refused} is refused for {reason and reason[1]}"
        assert "status=0" not in told and "primary=0" in told and "A=1.0" in told, told
    assert "RAUC_SLOT_BOOT_STATUS_1='bad'" in line("half-written"), "what was written by half is not to be booted"
    assert "=trial early" not in said
    told = line("installed good ")
    assert "status=0" in told and "primary=1" in told and "A=1.0" in told and "B=2.0" in told, told
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
