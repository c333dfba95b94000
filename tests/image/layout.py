"""Where the image's recipes install what stands in systemd/, udev/ and config/, and which of it runs from the start."""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
UNITS = "usr/lib/systemd/system"

# Source, folder or file in the image, mode.
INSTALLED: list[tuple[str, str, int]] = [
    ("systemd/*.service", f"{UNITS}/", 0o644),
    ("systemd/*.socket", f"{UNITS}/", 0o644),
    ("systemd/*.target", f"{UNITS}/", 0o644),
    ("systemd/*.timer", f"{UNITS}/", 0o644),
    ("systemd/*.slice", f"{UNITS}/", 0o644),
    ("systemd/*.mount", f"{UNITS}/", 0o644),
    ("systemd/thoxd.service.d/*.conf", f"{UNITS}/thoxd.service.d/", 0o644),
    ("systemd/emergency.service.d/*.conf", f"{UNITS}/emergency.service.d/", 0o644),
    ("systemd/sshd.socket.d/*.conf", f"{UNITS}/sshd.socket.d/", 0o644),
    ("systemd/journald.conf.d/*.conf", "usr/lib/systemd/journald.conf.d/", 0o644),
    ("systemd/resolved.conf.d/*.conf", "usr/lib/systemd/resolved.conf.d/", 0o644),
    ("systemd/system.conf.d/*.conf", "usr/lib/systemd/system.conf.d/", 0o644),
    ("systemd/timesyncd.conf.d/*.conf", "usr/lib/systemd/timesyncd.conf.d/", 0o644),
    ("systemd/sysusers.d/*.conf", "usr/lib/sysusers.d/", 0o644),
    ("systemd/tmpfiles.d/*.conf", "usr/lib/tmpfiles.d/", 0o644),
    ("systemd/tensorrt-llm@.container", "usr/share/containers/systemd/", 0o644),
    ("systemd/factory-reset", "usr/lib/thox/factory-reset", 0o755),
    ("udev/*.rules", "usr/lib/udev/rules.d/", 0o644),
    ("config/thoxd.toml", "usr/lib/thox/config.d/00-default.toml", 0o644),
    ("config/image.toml", "usr/lib/thox/config.d/10-image.toml", 0o644),
    ("config/dbus/ai.thox.Thoxd1.conf", "usr/share/dbus-1/system.d/", 0o644),
    ("config/dbus/ai.thox.Thoxd1.service", "usr/share/dbus-1/system-services/", 0o644),
    ("config/dbus/ai.thox.Thoxd1.xml", "usr/share/dbus-1/interfaces/", 0o644),
    ("config/dbus/de.pengutronix.rauc.thox.conf", "etc/dbus-1/system.d/", 0o644),
    ("config/polkit/ai.thox.Thoxd1.policy", "usr/share/polkit-1/actions/", 0o644),
    ("config/polkit/50-thox.rules", "usr/share/polkit-1/rules.d/", 0o644),
    ("config/libexec/*", "usr/lib/thox/libexec/", 0o755),
    ("config/rauc/nvbootctrl-backend", "usr/lib/thox/rauc/nvbootctrl-backend", 0o755),
    ("config/rauc/post-install", "usr/lib/thox/rauc/post-install", 0o755),
    ("config/rauc/system.conf.in", "usr/lib/rauc/system.conf", 0o644),
    ("config/nftables/thox.nft", "usr/lib/thox/thox.nft", 0o644),
    ("config/ollama/thox.conf", "usr/lib/thox/ollama.conf", 0o644),
    ("config/tensorrt-llm/thox.conf", "usr/lib/thox/tensorrt-llm.conf", 0o644),
    ("config/containers/thox-storage.conf", "usr/lib/thox/containers-storage.conf", 0o644),
    ("config/provision.conf", "usr/lib/thox/provision.conf", 0o644),
    ("config/ssh/thox.conf", "etc/ssh/sshd_config.d/thox.conf", 0o644),
]

# What is in those folders and in no image: it documents, or stands for another board, or is the Debian package's.
ELSEWHERE = {"systemd/README.md", "config/rauc/README.md", "systemd/tensorrt-llm-jetpack6@.container", "udev/README.md", "config/README.md"}

ENABLED = [
    "thoxd.service", "thoxd.socket", "thoxd-control.socket", "thox.target", "ollama.service", "thox-engines-retry.timer",
    "thox-claim-code.service", "thox-reset.service", "thox-firstboot.service", "thox-firewall.service",
    "thox-provision.service", "thox-commit.service", "data.mount", "var-lib-thox.mount", "var-lib-ollama.mount",
    "var-lib-systemd-timesync.mount", "etc-thox.mount",
]  # fmt: skip

# Where something is mounted, which a read-only system has to have.
MOUNTED = ["data", "etc/thox", "var/lib/thox", "var/lib/ollama", "var/lib/systemd/timesync"]

COMPATIBLE = "thox-test"


def files() -> list[tuple[Path, str, int]]:
    """Each file with its place and mode."""
    found = []
    for pattern, place, mode in INSTALLED:
        sources = sorted(ROOT.glob(pattern))
        assert sources, f"{pattern}: there is no such file"
        for source in sources:
            found.append((source, place + source.name if place.endswith("/") else place, mode))
    return found


def forgotten() -> list[str]:
    """Files of the folders that no line above installs."""
    known = {source for source, _, _ in files()}
    here = {path for folder in ("systemd", "udev", "config") for path in (ROOT / folder).rglob("*") if path.is_file()}
    names = {str(path.relative_to(ROOT)) for path in here - known}
    return sorted(name for name in names - ELSEWHERE if not name.startswith("systemd/debian/"))


def install(root: Path) -> None:
    for source, place, mode in files():
        target = root / place
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.name.endswith(".in"):
            target.write_text(source.read_text().replace("@COMPATIBLE@", COMPATIBLE))
        else:
            shutil.copyfile(source, target)
        target.chmod(mode)
    for place in MOUNTED:
        (root / place).mkdir(parents=True, exist_ok=True)
