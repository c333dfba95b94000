"""The image's system under a real systemd: its boots, its identity, its update's end, its reset, its units, and what
engines.py has of the engines."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Callable

import engines
import layout
import made_up
import update
from device import ROOT, STANDS_IN, Box, Device, answers, booted, until

get = booted.get


def test_first_boot(device: Device) -> str:
    box = device.box
    state = lambda: box.inside("systemctl", "is-system-running", check=False).stdout.strip()  # noqa: E731
    until("the boot is over", 120, lambda: state() not in ("starting", "initializing"))
    failed = box.inside("systemctl", "--failed", "--no-legend", "--plain").stdout
    assert state() == "running", failed
    cycles = box.inside("journalctl", "-b", "--no-pager", "-g", "ordering cycle", check=False).stdout
    assert "ordering cycle" not in cycles, cycles
    unknown = box.inside("journalctl", "-b", "--no-pager", "-g", "Unknown (key|section)|Failed to parse", check=False).stdout
    assert "thox" not in unknown, unknown
    assert not [line for line in box.inside("findmnt", "-n", "-o", "OPTIONS", "/").stdout.split(",") if line == "rw"]
    for place, mode, owner in (("/var/lib/thox", "700", "thox"), ("/var/lib/ollama", "700", "ollama"),
                               ("/etc/thox/config.d", "1775", "root")):  # fmt: skip
        found = box.inside("stat", "-c", "%a %U", place).stdout.split()
        assert found == [mode, owner], (place, found)
    assert box.show("thox-reset.service", "ConditionResult") == "no"
    return f"{time.monotonic() - box.began:.1f} s to a whole system"


def test_models_are_fetched_once(device: Device) -> str:
    done = device.disk / "system/provisioned"
    until("the device has its models", 60, done.exists)
    said = device.box.inside("journalctl", "-u", "thox-provision.service", "--no-pager").stdout
    device.again()
    until("the boot is over", 60, lambda: device.box.show("multi-user.target", "ActiveState") == "active")
    assert device.box.show("thox-provision.service", "ConditionResult") == "no"
    assert said.count("thoxd fetches") == 2, said
    return "two downloads by thoxd, none at the next boot"


def test_who_it_is_stays(device: Device) -> str:
    def facts() -> list[str]:
        box = device.box
        until("thoxd answers", 60, answers)
        name = json.loads(get("/thox/v1/status")[1])
        return [
            box.inside("cat", "/etc/machine-id").stdout,
            box.inside("cat", "/run/ssh/ssh_host_ed25519_key.pub").stdout,
            json.dumps({key: name[key] for key in sorted(name) if key in ("id", "device", "hostname")}),
        ]

    before = facts()
    assert re.fullmatch("[0-9a-f]{32}\n", before[0]), before
    device.again()
    assert facts() == before
    # What was said before the id was put in place is in the same journal as what came after.
    lines = device.box.inside("journalctl", "--no-pager", "-o", "short-monotonic").stdout
    assert "systemd-journald" in lines and "thoxd" in lines and "Reached target" in lines, lines[:2000]
    return before[0][:8] + "… over two boots"


def test_an_ordinary_boot_is_confirmed(device: Device) -> str:
    calls = device.board.folder / "calls"
    before = calls.read_text()
    device.again()
    until("RAUC has marked the slot", 90, lambda: calls.read_text().count("verify") > before.count("verify"))
    said = device.box.inside("rauc", "status", "--output-format=json").stdout
    status = json.loads(said)
    assert status["booted"] == "A" and status["compatible"] == layout.COMPATIBLE, said
    assert device.board.read("RootfsRetryCountA") == 3, "all tries are there again"
    return "rauc status mark-good, nvbootctrl verify"


def test_a_trial_with_a_dead_engine_goes_back(device: Device) -> str:
    device.box.end()
    (device.disk / "system/update-trial").write_text("BOOTNAME=B\nBASELINE=answers\n")
    device.board.active = 1
    overrides = device.root / "etc/systemd/system"
    (overrides / "ollama.service.d/zz-dead.conf").write_text("[Service]\nExecStart=\nExecStart=/bin/false\nRestart=no\n")
    (overrides / "thox-commit.service.d/soon.conf").write_text("[Service]\nEnvironment=THOX_COMMIT_DEADLINE=15 THOX_COMMIT_PAUSE=1\n")
    start = time.monotonic()
    device.boot()
    until("it reboots", 120, lambda: device.box.nspawn.poll() is not None)
    took = time.monotonic() - start
    (overrides / "ollama.service.d/zz-dead.conf").unlink()
    (overrides / "thox-commit.service.d/soon.conf").unlink()
    assert device.board.active == 0 and not device.board.is_bootable("B")
    evidence = (device.disk / "system/update-failed").read_text()
    assert "SLOT=B" in evidence and "gives no answer" in evidence and "ollama" in evidence, evidence[:500]
    device.box.end()
    device.boot()
    until("the trial is over", 90, lambda: not (device.disk / "system/update-trial").exists())
    assert device.board.current == 0
    return f"back on A {took:.0f} s after the boot of B"


def test_a_trial_that_works_is_kept(device: Device) -> str:
    device.box.end()
    (device.disk / "system/update-trial").write_text("BOOTNAME=B\nBASELINE=answers\n")
    device.board.write("RootfsStatusSlotB", 0)
    device.board.active = 1
    (device.root / "etc/systemd/system/thox-commit.service.d/soon.conf").write_text("[Service]\nEnvironment=THOX_COMMIT_SOAK=3\n")
    device.boot()
    until("it is kept", 120, lambda: not (device.disk / "system/update-trial").exists())
    assert device.board.read("RootfsRetryCountB") == 3 and device.board.is_bootable("B")
    device.board.active = 0
    return "a real answer, a soak, mark-good"


def test_thoxd_asks_rauc_and_strangers_do_not(device: Device) -> str:
    # The slot that is active is the one that runs, whatever the test before has left.
    folder, box = device.root.parent, device.again()
    image = update.slot(folder, "2.0")
    (device.disk / "bundles").mkdir()
    for name, key, board in (("good", "release", layout.COMPATIBLE), ("foreign", "foreign", layout.COMPATIBLE), ("other-board", "release", "thox-another")):
        shutil.copy(update.bundle(folder, name, image, key=key, board=board), device.disk / "bundles")
    seen = lambda: box.control("GET", "/thox/v1/update")  # noqa: E731
    until("thoxd has asked RAUC", 60, lambda: seen()["available"])
    running = [slot["name"] for slot in seen()["slots"] if slot["running"] and slot["next"]]
    assert running == ["A"] and seen()["state"] == "idle", seen()

    def rauc(user: str, *words: str) -> str:
        call = ["busctl", "call", "de.pengutronix.rauc", "/", "de.pengutronix.rauc.Installer", *words]
        done = box.inside("setpriv", "--reuid", user, "--regid", user, "--clear-groups", *call, check=False)
        return "done" if done.returncode == 0 else done.stderr

    for user, words, answer in (("root", ["GetPrimary"], "done"), ("thox", ["GetPrimary"], "done"), ("ollama", ["GetPrimary"], "denied"),
                                ("ollama", ["Mark", "ss", "bad", "other"], "denied"), ("thox", ["Install", "s", "/data/x"], "denied")):  # fmt: skip
        said = rauc(user, *words)
        assert answer in said, (user, words, said)

    def thox(*words: str) -> str:
        done = box.inside("thox", "update", *words, check=False)
        return f"{done.returncode} {done.stdout}{done.stderr}"

    for name, why in (("foreign", "signature"), ("other-board", "`thox-another`"), ("none", "No such file")):
        said = thox("offer", f"/data/bundles/{name}.raucb")
        assert said.startswith("1 ") and why in said, said
    assert "0 Version good is offered" in thox("offer", "/data/bundles/good.raucb")
    box = device.again()
    until("it is offered still", 60, lambda: seen()["available"] and seen()["state"] == "offered")
    # A container has no device-mapper: this is as far as RAUC comes here, and the way of every failure.
    said = thox("install")
    assert said.startswith("1 ") and "was not installed" in said, said
    assert seen()["last"]["outcome"] == "not_installed" and seen()["state"] == "offered", seen()
    assert "0 " in thox("withdraw", "/data/bundles") and seen()["state"] == "idle"
    assert [slot["name"] for slot in seen()["slots"] if slot["next"]] == ["A"], seen()
    return said.splitlines()[0][2:]


def test_rauc_sees_what_is_mounted_for_it(device: Device) -> str:
    box = device.box
    unit = (ROOT / "systemd/thox-usb-update@.service").read_text()
    start = "ExecStart=/usr/lib/thox/libexec/thox-usb-update start /dev/%i"
    assert start in unit
    lines = [line for line in unit.splitlines() if not line.startswith(("BindsTo=", "After=", "ExecStop="))]
    text = "\n".join(lines).replace(start, "ExecStart=/bin/mount -t tmpfs stick /run/stick")
    box.inside("mkdir", "/run/stick")
    box.write("/run/systemd/system/stick.service", text)
    box.inside("systemctl", "daemon-reload")
    box.inside("systemctl", "start", "rauc.service", "stick.service")
    box.inside("nsenter", "-t", box.show("rauc.service", "MainPID"), "-m", "findmnt", "/run/stick")
    box.inside("umount", "/run/stick")
    return "the unit's mounts are the system's"


def test_factory_reset(device: Device) -> str:
    box = device.again()
    before = box.inside("cat", "/etc/machine-id").stdout
    box.control("POST", "/thox/v1/keys", {"name": "old", "scope": "inference"})
    box.control("PUT", "/thox/v1/settings/limits.remote_requests_per_minute", {"value": 77})
    (device.disk / "settings/ollama.conf").write_text("OLLAMA_CONTEXT_LENGTH=4096\n")
    (device.disk / "ollama/models/blobs").mkdir(parents=True, exist_ok=True)
    (device.disk / "ollama/models/blobs/sha256-x").write_text("weights")
    name = json.loads(box.inside("curl", "-sS", "--unix-socket", "/run/thox/control.sock", "http://localhost/thox/v1/status").stdout)
    done = box.inside("thox", "reset", "--yes", name["name"], check=False)
    assert done.returncode == 0, done.stderr + json.dumps(name)
    box = device.again()
    until("the boot is over", 120, lambda: box.show("multi-user.target", "ActiveState") == "active")
    assert box.inside("cat", "/etc/machine-id").stdout != before, "another device"
    left = sorted(str(path.relative_to(device.disk)) for path in device.disk.rglob("*") if path.is_file())
    assert not [path for path in left if "sha256-x" in path or "90-thox" in path or "ollama.conf" in path], left
    assert not (device.disk / "thox/factory-reset").exists()
    assert box.control("GET", "/thox/v1/keys")["data"] == []
    assert box.inside("stat", "-c", "%a %G", "/etc/thox/config.d").stdout.split() == ["1775", "thox"]
    assert box.control("PUT", "/thox/v1/settings/limits.remote_requests_per_minute", {"value": 78})["value"] == 78
    assert box.show("thox-reset.service", "Result") == "success"
    return "the system is the same, the device another"


def test_ssh_only_with_a_key(device: Device) -> str:
    box = device.box

    def is_open() -> bool:
        rules = box.inside("nft", "list", "set", "inet", "thox", "open_tcp").stdout
        return bool(re.search(r"\b22\b", rules))

    assert not is_open() and box.show("sshd.socket", "ActiveState") == "inactive"
    (device.disk / "system/ssh/authorized_keys").write_text("ssh-ed25519 AAAA owner\n")
    box = device.again()
    assert box.show("sshd.socket", "ActiveState") == "active" and is_open()
    box.inside("systemctl", "reload", "thox-firewall.service")
    assert is_open(), "a firewall that is loaded again"
    box.inside("systemctl", "restart", "thox-firewall.service")
    until("it is open again", 10, is_open)
    box.inside("systemctl", "stop", "sshd.socket")
    assert not is_open()
    (device.disk / "system/ssh/authorized_keys").write_text("")
    return "closed, open with a key, closed"


def test_a_disk_that_is_gone(device: Device) -> str:
    device.box.end()
    mount = device.root / "etc/systemd/system/data.mount"
    mount.write_text(STANDS_IN["data.mount"].replace("/mnt/disk", "/mnt/nothing"))
    box = device.box = Box(device.root, *device.options)
    start = time.monotonic()
    until("it starts again", 120, lambda: box.nspawn.poll() is not None)
    mount.write_text(STANDS_IN["data.mount"])
    box.end()
    box.console.seek(0)
    said = box.console.read()
    assert "thox: the device cannot start (above)" in said, said
    device.boot()
    return f"again after {time.monotonic() - start:.0f} s, and not a password that does not exist"


def test_names_are_thoxds_alone(device: Device) -> str:
    """No LLMNR, no second mDNS: of the network's names nobody but thoxd says anything."""
    box, off = device.box, "/run/systemd/resolved.conf.d/thox.conf"

    def ports() -> set[str]:
        until("the resolver runs", 30, lambda: box.show("systemd-resolved.service", "ActiveState") == "active")
        time.sleep(1)
        return {f"{port} {name}" for port, name in re.findall(r':(535[35]) .*\("([^"]+)"', box.inside("ss", "-Hulpn").stdout)}

    for command in ("link add lan0 type veth peer name cable", "link set cable up", "link set lan0 up", "addr add 10.9.9.2/24 dev lan0"):
        box.inside("ip", *command.split())
    try:
        until("thoxd has the network", 10, lambda: "10.9.9.2" in booted.device()["names"])
        box.inside("systemctl", "restart", "systemd-resolved.service")
        assert ports() == {"5353 thoxd"}, ports()
        said = box.inside("resolvectl", "llmnr").stdout + box.inside("resolvectl", "mdns").stdout
        assert re.findall(r"^Global: (\w+)", said, re.M) == ["no", "no"], said
        # What it would be without our word, so that this sees something.
        box.inside("sh", "-c", f"mkdir -p {Path(off).parent} && ln -s /dev/null {off}")
        box.inside("systemctl", "restart", "systemd-resolved.service")
        assert "5355 systemd-resolve" in ports(), ports()
    finally:
        box.inside("rm", "-f", off)
        box.inside("systemctl", "restart", "systemd-resolved.service")
        box.inside("ip", "link", "del", "lan0")
    return "5353 is thoxd's, 5355 nobody's"


def test_rules_of_made_up_devices(device: Device) -> str:
    return made_up.check(device.box)


def test_units_are_well_formed(device: Device) -> str:
    box = device.box
    units = sorted({Path(place).name for _, place, _ in layout.files() if "/system/" in place and ".d/" not in place})
    units = [unit.replace("@.", "@sda1.") for unit in units]
    said = box.inside("systemd-analyze", "verify", "--man=no", *units, "/run/systemd/generator/tensorrt-llm@.service", check=False)
    # This Debian's own, and what it has not.
    wrong = [line for line in said.stderr.splitlines() if "thox" in line or "ollama" in line or "tensorrt" in line]
    assert not wrong, wrong
    rules = box.inside("udevadm", "verify", "/usr/lib/udev/rules.d/70-thox-gpu.rules", "/usr/lib/udev/rules.d/75-thox-led.rules",
                       "/usr/lib/udev/rules.d/80-thox-usb.rules", check=False)  # fmt: skip
    assert rules.returncode == 0, rules.stdout + rules.stderr
    for name, most in BUDGETS.items():
        score = box.inside("systemd-analyze", "security", "--no-pager", name).stdout.splitlines()[-1]
        found = re.search(r"level for \S+ ([0-9.]+)", score)
        assert found and float(found[1]) <= most, score
    # In tenths, of the unit that podman makes of the quadlet; why so much stands in systemd/README.md.
    budget = ("--offline=true", "--threshold=96", "/run/systemd/generator/tensorrt-llm@.service")
    box.inside("systemd-analyze", "security", "--no-pager", *budget)
    return f"{len(units)} units, {len(BUDGETS) + 1} budgets"


# systemd-analyze security, of systemd 257: as they are, so that nobody lets go of what was held.
BUDGETS = {
    "ollama.service": 1.4,
    "thox-firstboot.service": 2.4,
    "thox-firewall.service": 2.4,
    "thox-provision.service": 2.4,
    "thox-cdi.service": 1.7,
    "thox-gpu.service": 1.3,
    "thox-commit.service": 4.7,
    "thox-usb-update@sda1.service": 4.0,
    "thox-tensorrt-image.service": 5.4,
}


TESTS: list[Callable[[Device], str]] = [
    value for place in (globals(), vars(engines)) for name, value in list(place.items()) if name.startswith("test_")
]


def main() -> int:
    chosen = [test for test in TESTS if not sys.argv[1:] or test.__name__.removeprefix("test_") in sys.argv[1:]]
    if os.geteuid() != 0:
        raise booted.Skip("it takes root to boot a container")
    with tempfile.TemporaryDirectory(prefix="thox-image-", dir="/var/tmp") as folder:
        device = Device(Path(folder))
        try:
            for test in chosen:
                start = time.monotonic()
                note = test(device)
                name = test.__name__.removeprefix("test_").replace("_", " ")
                print(f"ok {time.monotonic() - start:5.1f} s  {name}: {note}", flush=True)
        except BaseException:
            print(device.box.said(), file=sys.stderr)
            print(device.box.inside("journalctl", "--no-pager", "-n", "80", check=False).stdout, file=sys.stderr)
            raise
        finally:
            device.box.end()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except booted.Skip as reason:
        print(f"tests/image: skipped, {reason}", file=sys.stderr)
        sys.exit(booted.SKIPPED)
