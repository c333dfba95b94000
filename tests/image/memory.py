"""An engine takes all memory: it goes, alone, and comes back; thoxd answers all the time and tells of it.

In a small virtual machine with a kernel of its own, since a container has no memory controller and its end of memory
would be the host's: the Debian package and the image's units for engines under a real systemd, first against the limit of
thox-engines.slice, then without that limit against the end of the machine's memory.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import machine
from device import booted

# Of it 8 % are left to everything but engines (thox-engines.slice): on a board four times as much and more.
MEMORY = 2048
# Without hardware virtualisation two minutes, and ten on a core that is shared with many.
LIMIT = 1500

INIT = r"""#!/bin/sh
export PATH=/usr/bin
mount -t proc proc /proc && mount -t sysfs sysfs /sys && mount -t devtmpfs dev /dev
for module in MODULES; do insmod "/modules/$module.ko" || echo "  $module cannot be loaded"; done
for try in 1 2 3 4 5 6 7 8 9 10; do [ -e /dev/vda ] && break; sleep 1; done
mkdir -p /system && mount -t ext4 /dev/vda /system || { echo "=no disk: $(ls /dev | tr '\n' ' ')"; sleep 3; echo o >/proc/sysrq-trigger; }
exec switch_root /system /usr/lib/systemd/systemd
"""

# The engine: its double, and beside it in the same unit what takes six tenths of the memory, twice, as soon as it is named;
# the next one is not.
ENGINE = """#!/bin/sh
eat() {
    while [ "$(cat /run/eat 2>/dev/null)" != $1 ]; do sleep 1; done
    exec dd if=/dev/zero of=/dev/null bs=$(($(sed -n 's/^MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo) * 6 / 10))k
}
eat $$ & eat $$ &
sleep infinity | exec /opt/double ollama --port 11434
"""
# Away for so long that it is seen, on a machine that is slow.
UNIT = "[Service]\nExecStart=\nExecStart=/opt/engine\nRestartSec=20s\nRestartSteps=0\n"

# What happens in the machine, in its own words on the serial line. Lines that begin with = are read by the test.
JUDGE = r"""#!/bin/sh
exec >/dev/ttyS0 2>&1
# systemd has begun a line there.
echo
export LC_ALL=C
asked() { systemctl show -P "$1" "$2"; }
# within SECONDS COMMAND…
within() {
    deadline=$(($(date +%s) + $1)); shift
    while ! "$@"; do [ "$(date +%s)" -lt $deadline ] || { echo "=late $*"; return 1; }; sleep 0.5; done
}
# A line for each answer: /health as it is, its status and the seconds that it took.
watch() { while :; do curl -s -m 30 -w ' %{http_code} %{time_total}\n' http://127.0.0.1:8080/health >>/run/watch; sleep 0.2; done; }
states() { sed -n 's/.*"name":"ollama"[^{]*"state":"\([a-z]*\)".*/\1/p' /run/watch; }
# How often thoxd has heard of it from systemd; an answer may come too seldom to have it.
heard() { journalctl -u thoxd.service -o export | grep -c oom-kill; }
statuses() { sed -n 's/^.* \([0-9]*\) \([0-9.]*\)$/\1 \2/p' /run/watch; }
list() { uniq | tr '\n' ','; }
is_up() { [ "$(states | tail -n 1)" = up ]; }
has_restarted() { [ "$(asked NRestarts ollama.service)" -gt "$restarts" ]; }
# eaten NAME: the engine takes everything; what became of it.
eaten() {
    restarts=$(asked NRestarts ollama.service) before=$(heard)
    : >/run/watch
    within 60 is_up
    asked MainPID ollama.service >/run/eat
    within 400 has_restarted && within 300 is_up
    echo "=$1 answers=$(statuses | grep -cE '^(200|503) ') silent=$(statuses | grep -cvE '^(200|503) ') slowest=$(statuses | cut -d' ' -f2 | sort -n | tail -n 1) states=$(states | list) heard=$(($(heard) - before)) restarts=$(($(asked NRestarts ollama.service) - restarts)) thoxd=$(asked MainPID thoxd.service)"
}
watch &
within 300 systemctl is-active --quiet thoxd.service ollama.service
within 120 is_up
echo "=begin version=$(systemctl --version | sed -n '1s/systemd \([0-9]*\).*/\1/p') thoxd=$(asked MainPID thoxd.service) limit=$(asked MemoryMax thox-engines.slice) total=$(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo)"
eaten slice
group=/sys/fs/cgroup/thox.slice/thox-engines.slice
echo "=limit $(grep '^oom_kill ' $group/memory.events) everywhere=$(dmesg | grep -c global_oom)"
systemctl set-property --runtime thox-engines.slice MemoryMax=infinity
eaten machine
echo "=everywhere $(dmesg | grep -c global_oom)"
echo "=thoxd restarts=$(asked NRestarts thoxd.service) result=$(asked Result thoxd.service)"
dmesg | grep -E 'Killed process|oom-kill:' | sed 's/^/  /'
journalctl -u ollama.service -u thoxd.service -o short-monotonic --no-pager | tail -n 60 | sed 's/^/  /'
echo "=end"
systemctl poweroff --force --force
"""

JUDGE_UNIT = """[Unit]
After=thox.target
[Service]
Type=exec
ExecStart=/opt/judge
OOMScoreAdjust=-950
TimeoutStopSec=5
[Install]
WantedBy=multi-user.target
"""


def disk(folder: Path) -> Path:
    """The container's system with the package in it, and the judge, as a disk."""
    root = booted.prepare(booted.base(), folder)
    for name, text in (("engine", ENGINE), ("judge", JUDGE)):
        (root / "opt" / name).write_text(text)
        (root / "opt" / name).chmod(0o755)
    units = root / "etc/systemd/system"
    (units / "ollama.service.d/engine.conf").write_text(UNIT)
    (units / "judge.service").write_text(JUDGE_UNIT)
    (units / "multi-user.target.wants").mkdir(exist_ok=True)
    (units / "multi-user.target.wants/judge.service").symlink_to("../judge.service")
    # Emulated, the symbols of a debug build are minutes of reading.
    for program in ("usr/bin/thoxd", "usr/bin/thox", "opt/double"):
        subprocess.run(["strip", "--strip-debug", root / program], check=True)
    (root / "opt/thox.deb").unlink()
    for heavy in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale"):
        shutil.rmtree(root / heavy, ignore_errors=True)
    image = folder / "system.ext4"
    subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", "-d", root, image, "800M"], check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(root)
    return image


def main() -> int:
    machine.needed()
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="thox-memory-", dir="/var/tmp") as name:
        folder = Path(name)
        # What finds the disk and goes on there.
        machine.install(folder / "memory", ["sh", "dash", "mount", "switch_root", "kmod", "sleep", "ls", "tr", "mkdir"])
        said = machine.run(
            folder, folder / "memory", INIT, [disk(folder)], memory=MEMORY, cores=2,
            more="systemd.getty_auto=no systemd.show_status=no", limit=LIMIT,
        )  # fmt: skip
    try:
        note = judge(said)
    except AssertionError:
        print(said[-12000:], file=sys.stderr)
        raise
    print(f"ok {time.monotonic() - start:5.1f} s  an engine takes all memory: {note}")
    return 0


def judge(said: str) -> str:
    def fields(name: str) -> dict[str, str]:
        found = re.search(rf"^={name} (.*)$", said, re.M)
        assert found, f"the machine did not say ={name}"
        return dict(word.split("=", 1) for word in found[1].split() if "=" in word)

    late = re.findall(r"^=late .*$", said, re.M)
    assert not late and "\n=end" in said, late or "the machine did not come to its end"
    begin = fields("begin")
    # Else it is not the limit that is tried.
    assert int(begin["limit"]) < int(begin["total"]) * 1024 * 0.93, begin
    slowest = 0.0
    for kind in ("slice", "machine"):
        went = fields(kind)
        assert went["silent"] == "0" and int(went["answers"]) > 5, f"{kind}: thoxd was silent: {went}"
        assert went["thoxd"] == begin["thoxd"], f"{kind}: another thoxd: {went}"
        assert re.fullmatch(r"up,(down,|resting,|unknown,)+up,", went["states"]), f"{kind}: health told {went['states']}"
        assert int(went["heard"]) >= 1, f"{kind}: thoxd has not heard why: {went}"
        assert int(went["restarts"]) >= 1, f"{kind}: {went}"
        slowest = max(slowest, float(went["slowest"]))
    killed = re.search(r"^=limit oom_kill (\d+) everywhere=(\d+)$", said, re.M)
    assert killed and int(killed[1]) >= 1 and killed[2] == "0", f"the slice's limit: {killed and killed[0]}"
    everywhere = re.search(r"^=everywhere (\d+)$", said, re.M)
    assert everywhere and int(everywhere[1]) >= 1, "the machine's memory did not come to its end"
    assert fields("thoxd")["restarts"] == "0", fields("thoxd")
    return f"within its slice, and the machine's; thoxd's slowest answer {slowest:.1f} s"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except booted.Skip as reason:
        print(f"tests/image: skipped, {reason}", file=sys.stderr)
        sys.exit(booted.SKIPPED)
