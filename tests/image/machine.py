"""A small virtual machine with Debian's kernel: what needs a kernel of its own, a device-mapper or a memory controller, is
tried in one. It begins with programs in memory, talks on a serial line and ends by itself.
"""

from __future__ import annotations

import lzma
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from device import base, booted

MODULES = ["virtio_pci", "virtio_blk", "ext4", "squashfs", "loop", "dm_mod", "dm_verity"]


def needed() -> None:
    """What no test of this kind can do without."""
    if os.geteuid() != 0:
        raise booted.Skip("it takes root to make file systems")
    if not shutil.which("qemu-system-x86_64"):
        raise booted.Skip("qemu-system-x86_64 is not installed (Debian: qemu-system-x86)")


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


def run(folder: Path, root: Path, init: str, disks: list[Path], memory: int, cores: int, more: str, limit: float) -> str:
    """What the machine said until it went off, or until `limit` seconds were over.

    `init` runs first, in `root`, which lives in memory, with the names of the kernel's modules for MODULES; `disks` are
    /dev/vda and on; `memory` is in MiB; `more` goes to the kernel's command line.
    """
    modules = in_order(kernel() / "modules")
    for module, content in modules.items():
        (root / f"modules/{module}.ko").write_bytes(content)
    (root / "init").write_text(init.replace("MODULES", " ".join(modules)))
    (root / "init").chmod(0o755)
    initrd, serial = folder / "initrd", folder / "serial"
    initrd.write_bytes(archive(root))
    drives = [word for disk in disks for word in ("-drive", f"file={disk},format=raw,if=virtio,cache=unsafe")]
    machine = subprocess.Popen(
        ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-m", str(memory), "-smp", str(cores), "-display", "none",
         "-serial", f"file:{serial}", "-no-reboot", "-nic", "none", "-kernel", kernel() / "vmlinuz", "-initrd", initrd,
         "-append", f"console=ttyS0 quiet panic=-1 no_timer_check rdinit=/init {more}".strip(),
         *drives],
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        machine.wait(limit)
    except subprocess.TimeoutExpired:
        pass
    finally:
        machine.kill()
        machine.wait()
    return serial.read_text(errors="replace").replace("\r", "")
