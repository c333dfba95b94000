"""A Jetson's two slots as its firmware keeps them: the variables that UEFI reads, what it does with them at a boot, and the
program nvbootctrl in front of them."""

from __future__ import annotations

import os
from pathlib import Path

GUID = "781e084c-a330-417c-b678-38e696380cb9"
GLOBAL = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
ATTRIBUTES = b"\7\0\0\0"
TRIES = 3
NORMAL, UNBOOTABLE = 0, 0xFF

# As nvbootctrl of L4T prints it. It has two targets, -t bootloader unless told otherwise, and each its own choice, so that
# what sets one and asks the other is seen. verify confirms the slot that runs; nothing of it says that one is bad.
NVBOOTCTRL = r"""#!/bin/sh
set -eu
target=bootloader chosen=$BOARD/active-bootloader
if [ "$1" = -t ]; then
    target=$2
    shift 2
fi
case $target in
bootloader) ;;
rootfs) chosen=$BOARD/active ;;
*)
    echo "nvbootctrl: $target: no such target" >&2
    exit 1
    ;;
esac
current=$(cat "$BOARD/current") active=$(cat "$chosen")
# Where nothing was chosen, what runs is what comes.
[ "$target" = bootloader ] || [ -e "$BOARD/efivars/BootChainFwNext-GUID" ] || active=$current
letter() { [ "$1" = 0 ] && echo A || echo B; }
case $1 in
get-current-slot) echo "$current" ;;
dump-slots-info)
    echo "Current $target slot: $(letter "$current")"
    echo "Active $target slot: $(letter "$active")"
    echo "num_slots: 2"
    for slot in 0 1; do
        status=$(od -An -tu1 -j4 -N1 "$BOARD/efivars/RootfsStatusSlot$(letter $slot)-GUID" | tr -d ' ')
        tries=$(od -An -tu1 -j4 -N1 "$BOARD/efivars/RootfsRetryCount$(letter $slot)-GUID" | tr -d ' ')
        [ "$status" = 0 ] && word=normal || word=unbootable
        echo "slot: $slot,             retry_count: $tries,             status: $word"
    done
    ;;
set-active-boot-slot)
    [ -e "$BOARD/deaf" ] && exit 0
    echo "$2" >"$chosen"
    # The firmware reads it at the next boot.
    [ "$target" = bootloader ] || printf "\\007\\000\\000\\000\\00$2\\000\\000\\000" >"$BOARD/efivars/BootChainFwNext-GUID"
    ;;
verify)
    printf '\007\000\000\000\000\000\000\000' >"$BOARD/efivars/RootfsStatusSlot$(letter "$current")-GUID"
    printf '\007\000\000\000\003\000\000\000' >"$BOARD/efivars/RootfsRetryCount$(letter "$current")-GUID"
    echo verify >>"$BOARD/calls"
    ;;
*)
    echo "nvbootctrl: $1: unknown" >&2
    exit 1
    ;;
esac
""".replace("GUID", GUID)


class Board:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.efivars = folder / "efivars"
        self.efivars.mkdir(parents=True)
        (folder / "calls").touch()
        for slot in "AB":
            self.write(f"RootfsStatusSlot{slot}", NORMAL)
            self.write(f"RootfsRetryCount{slot}", TRIES)
        self.write("RootfsRetryCountMax", TRIES)
        self.current = 0
        (folder / "active").write_text("0\n")
        (folder / "active-bootloader").write_text("0\n")
        self.program = folder / "nvbootctrl"
        self.program.write_text(NVBOOTCTRL)
        self.program.chmod(0o755)

    @property
    def current(self) -> int:
        return int((self.folder / "current").read_text())

    @current.setter
    def current(self, slot: int) -> None:
        (self.folder / "current").write_text(f"{slot}\n")

    @property
    def choice(self) -> Path:
        """What the firmware is to boot next, if somebody has said so."""
        return self.efivars / f"BootChainFwNext-{GUID}"

    @property
    def active(self) -> int:
        return self.read("BootChainFwNext") if self.choice.exists() else self.current

    @active.setter
    def active(self, slot: int) -> None:
        (self.folder / "active").write_text(f"{slot}\n")
        self.write("BootChainFwNext", slot)

    def write(self, name: str, value: int) -> None:
        (self.efivars / f"{name}-{GUID}").write_bytes(ATTRIBUTES + value.to_bytes(4, "little"))

    def read(self, name: str) -> int:
        whole = (self.efivars / f"{name}-{GUID}").read_bytes()
        assert whole[:4] == ATTRIBUTES and len(whole) == 8, f"{name}: {whole!r}"
        return int.from_bytes(whole[4:], "little")

    def is_bootable(self, slot: str) -> bool:
        return self.read(f"RootfsStatusSlot{slot}") == NORMAL

    def boot(self) -> str:
        """What UEFI does: one try less for a slot that nobody has confirmed; none left, and it is unbootable."""
        for slot in (self.active, 1 - self.active):
            name = "AB"[slot]
            tries = self.read(f"RootfsRetryCount{name}")
            if self.is_bootable(name) and tries > 0:
                self.write(f"RootfsRetryCount{name}", tries - 1)
                self.current = slot
                (self.folder / "active").write_text(f"{slot}\n")
                self.choice.unlink(missing_ok=True)
                return name
            self.write(f"RootfsStatusSlot{name}", UNBOOTABLE)
        raise AssertionError("the board boots nothing any more")

    @property
    def environment(self) -> dict[str, str]:
        return {
            "BOARD": str(self.folder),
            "THOX_NVBOOTCTRL": str(self.program),
            "THOX_EFIVARS": str(self.efivars),
            "PATH": os.environ["PATH"],
        }


def capsule(version: int, firmware_class: str, payload: bytes = b"firmware" * 100) -> bytes:
    """A capsule of UEFI (2.10, 8.5.3 and 23.3) with one image: header, firmware's header, image's header, signature, EDK
    II's payload header, payload."""
    parts = firmware_class.split("-")
    guid = b"".join(bytes.fromhex(part)[::-1] for part in parts[:3]) + bytes.fromhex("".join(parts[3:]))
    signature = b"\x30\x82" * 700
    authentication = (1).to_bytes(8, "little") + len(signature).to_bytes(4, "little") + bytes(20) + signature
    image = b"MSS1" + b"".join(number.to_bytes(4, "little") for number in (16, version, 1)) + payload
    body = authentication + image
    item = (2).to_bytes(4, "little") + guid + b"\1\0\0\0" + len(body).to_bytes(4, "little") + bytes(20) + body
    firmware = (1).to_bytes(4, "little") + b"\0\0\1\0" + (16).to_bytes(8, "little") + item
    header = bytes.fromhex("edd5cb6d2de8444cbda17194199ad92a") + (32).to_bytes(4, "little") + bytes(4)
    return header + (32 + len(firmware)).to_bytes(4, "little") + bytes(4) + firmware
