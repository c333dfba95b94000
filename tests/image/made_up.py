"""What udev does with the devices that the rules of udev/ name: by `udevadm test` of the real udev, on a tree of sysfs that
is made up, since no machine but a board has them.

udev reads a device below /sys and nowhere else, so the tree is mounted there, for this test's processes alone. It asks for
no real sysfs where SYSTEMD_DEVICE_VERIFY_SYSFS=0, as systemd's own tests have it. What is shown is what udev would do:
nothing is run, and no node is touched.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field

import layout

ENGINES = {"thox-gpu.service", "ollama.service", "thox-cdi.service"}


@dataclass(frozen=True)
class Device:
    """One of the kernel's devices, and what is to become of it."""

    path: str  # below /sys/devices
    subsystem: str
    node: str = ""  # below /dev; none where it is empty
    more: dict[str, str] = field(default_factory=dict)  # of its uevent
    group: str = ""  # whose the node is, with mode 0660; nobody else's than before where it is empty
    wants: frozenset[str] = frozenset()
    runs: tuple[str, ...] = ()
    says: str = ""  # of what it says on the way


# The names are the drivers': test_devices.py has where they were read.
GPU = "platform/bus@0/17000000.gpu"


def gpu_node(path: str, subsystem: str, node: str) -> Device:
    return Device(path, subsystem, node, group="video")


LED = "platform/gpio-leds/leds/thox:front"
FILES = f"/sys/devices/{LED}/brightness /sys/devices/{LED}/trigger"
STICK = "platform/usb/usb1/1-1/host0/block/sda"

DEVICES = [
    gpu_node("virtual/misc/nvmap", "misc", "nvmap"),
    gpu_node("virtual/host1x-fence/host1x-fence", "host1x-fence", "host1x-fence"),
    gpu_node("virtual/dma_heap/system", "dma_heap", "dma_heap/system"),
    *(gpu_node(f"{GPU}/nvidia-gpu-v2/{name}", "nvidia-gpu-v2", f"nvgpu/igpu0/{name}") for name in ("as", "channel", "ctrl", "tsg")),
    *(gpu_node(f"{GPU}/nvidia-gpu/nvhost-{name}", "nvidia-gpu", f"nvhost-{name}") for name in ("gpu", "as-gpu", "ctrl-gpu", "tsg-gpu")),
    gpu_node(f"{GPU}/nvidia-gpu-power/nvhost-power-gpu", "nvidia-gpu-power", "nvhost-power-gpu"),
    # What powers it on is there first, and stands for the GPU: it starts the engines.
    Device(f"{GPU}/nvidia-gpu-v2-power/power", "nvidia-gpu-v2-power", "nvgpu/igpu0/power", group="video", wants=frozenset(ENGINES)),
    # Debuggers' and the scheduler's are the BSP's rules' business; so is what is not the GPU's.
    Device(f"{GPU}/nvidia-gpu-v2/dbg", "nvidia-gpu-v2", "nvgpu/igpu0/dbg"),
    Device(f"{GPU}/nvidia-gpu-v2/sched", "nvidia-gpu-v2", "nvgpu/igpu0/sched"),
    Device(f"{GPU}/nvidia-gpu/nvhost-prof-gpu", "nvidia-gpu", "nvhost-prof-gpu"),
    Device("virtual/nvsciipc/nvsciipc", "nvsciipc", "nvsciipc"),
    # None of the GPU's.
    Device("virtual/misc/fuse", "misc", "fuse"),
    Device("virtual/misc/nvram", "misc", "nvram"),
    # The GPU's own device and a neighbour on its bus.
    Device(f"{GPU}", "platform", more={"DRIVER": "gk20a"}),
    Device("platform/3100000.serial", "platform", more={"DRIVER": "serial-tegra"}),
    # The light at the front, and one that is not ours.
    Device(LED, "leds", runs=(f"/usr/bin/chgrp thox {FILES}", f"/usr/bin/chmod g+w {FILES}"), says=f'{LED}/trigger}}="timer"'),
    Device("platform/gpio-leds/leds/mmc0::", "leds"),
    # A file system on a stick; an empty partition of it; a file system on the device's own disk.
    Device(f"{STICK}/sda1", "block", "sda1", {"DEVTYPE": "partition", "PARTN": "1"}, wants=frozenset({"thox-usb-update@sda1.service"})),
    Device(f"{STICK}/sda2", "block", "sda2", {"DEVTYPE": "partition", "PARTN": "2"}),
    Device("platform/pcie/nvme/nvme0/nvme0n1/nvme0n1p1", "block", "nvme0n1p1", {"DEVTYPE": "partition", "PARTN": "1"}),
]

# What udev has found out before our rules: whose partition it is by its database of the parent, and what blkid reads.
PARENTS = [
    (Device(STICK, "block", "sda", {"DEVTYPE": "disk"}), "usb"),
    (Device("platform/pcie/nvme/nvme0/nvme0n1", "block", "nvme0n1", {"DEVTYPE": "disk"}), "nvme"),
]
BLKID = 'KERNEL=="sda1|nvme0n1p1", ENV{ID_FS_USAGE}="filesystem"\n'


def make(device: Device, number: int) -> str:
    """The shell's lines that make its folder."""
    folder, name = f"/sys/devices/{device.path}", device.path.rsplit("/", 1)[1]
    kind = "bus/platform" if device.subsystem == "platform" else f"class/{device.subsystem}"
    event = dict(device.more)
    if device.node:
        event |= {"MAJOR": "240", "MINOR": str(number), "DEVNAME": device.node}
    text = "".join(f"{key}={value}\n" for key, value in event.items())
    lines = [
        f"mkdir -p '{folder}' /sys/{kind}/devices /sys/dev/block /sys/dev/char",
        f"printf %s {shlex.quote(text)} >'{folder}/uevent'",
        f"ln -s /sys/{kind} '{folder}/subsystem'",
        f"ln -s '{folder}' '/sys/{kind}/{'devices/' if kind.startswith('bus') else ''}{name}'",
    ]
    if device.node:
        lines.append(f"ln -s '{folder}' /sys/dev/{'block' if device.subsystem == 'block' else 'char'}/240:{number}")
    if driver := device.more.get("DRIVER"):
        lines += [f"mkdir -p /sys/bus/platform/drivers/{driver}", f"ln -s /sys/bus/platform/drivers/{driver} '{folder}/driver'"]
    if device.subsystem == "leds":
        lines.append(f"echo none >'{folder}/trigger'")
    return "\n".join(lines)


def script() -> str:
    parts = ["set -e", "mkdir -p /run/udev", "mount -t tmpfs made-up /sys", "mount -t tmpfs made-up /run/udev", "mkdir -p /run/udev/rules.d /run/udev/data"]
    parts.append(f"printf %s {shlex.quote(BLKID)} >/run/udev/rules.d/00-made-up.rules")
    for number, (parent, bus) in enumerate(PARENTS, start=100):
        parts += [make(parent, number), f"printf 'I:1\\nE:ID_BUS={bus}\\n' >/run/udev/data/b240:{number}"]
    parts += [make(device, number) for number, device in enumerate(DEVICES)]
    parts.append("export SYSTEMD_DEVICE_VERIFY_SYSFS=0")
    parts += [f"echo 'made up: {device.path}'; udevadm test --action=add '/sys/devices/{device.path}' 2>&1" for device in DEVICES]
    return "\n".join(parts)


def compare(device: Device, said: str) -> None:
    after = said.partition("\nProperties:\n")[2]
    assert f"DEVPATH=/devices/{device.path}\n" in after, f"{device.path} was not read: {said[-500:]}"
    group = re.search(r"^Device node group:\n  (\S+)", after, re.M)
    mode = re.search(r"^Device node permission:\n  (\d+)", after, re.M)
    given = (group[1] if group else "", mode[1] if mode else "")
    if device.group:
        assert given == (device.group, "0660"), f"{device.path}: {given}"
    else:
        assert given[0] not in ("render", "video"), f"{device.path}: {given}"
    # Without the tag systemd never hears of it, and what it wants is not started.
    wants = re.search(r"^  SYSTEMD_WANTS=(.*)$", after, re.M)
    assert set(wants[1].split() if wants else []) == device.wants, f"{device.path}: {wants and wants[1]}"
    if device.wants:
        assert re.search(r"^Tags:\n(  .*\n)*  systemd$", after, re.M), f"{device.path}: {after}"
    if ENGINES & device.wants:
        assert "  SYSTEMD_ALIAS=/dev/thox/gpu\n" in after, f"{device.path}: {after}"
    ours = tuple(re.findall(r"^  RUN\{program\} : (.*(?:thox|g\+w).*)$", after, re.M))
    assert ours == device.runs, f"{device.path}: {ours}"
    assert device.says in said, f"{device.path}: nothing says {device.says}"


def check(box) -> str:
    """In a container that has booted, with the rules where the image has them."""
    installed = [place for source, place, _ in layout.files() if source.suffix == ".rules" and place.startswith("usr/lib/udev/")]
    said = box.inside("unshare", "-m", "sh", input=script()).stdout
    for place in installed:
        assert f"Reading rules file: /{place}\n" in said, place
    parts = dict(part.split("\n", 1) for part in said.split("made up: ")[1:])
    for device in DEVICES:
        compare(device, parts[device.path])
    return f"{len(DEVICES)} devices, {len(installed)} files of rules"
