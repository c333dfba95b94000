"""The data partition of a new device is made, and one that is there is left alone: systemd/thox-data.service. Needs root."""

import re
import subprocess
import unittest

from booted import base, booted
from stage import ROOT, Stage


class Data(Stage):
    def setUp(self) -> None:
        super().setUp()
        try:
            self.root = base()
        except booted.Skip as reason:
            raise unittest.SkipTest(str(reason)) from reason
        image = self.folder / "disk"
        image.write_bytes(bytes(32 << 20))
        self.disk = subprocess.run(["losetup", "-f", "--show", image], check=True, text=True, capture_output=True).stdout.strip()
        self.addCleanup(lambda: subprocess.run(["losetup", "-d", self.disk], check=True))
        # This process has mounts of its own (tests/image/run).
        for name in ("dev", "proc", "sys"):
            subprocess.run(["mount", "--rbind", f"/{name}", self.root / name], check=True)
            self.addCleanup(lambda name=name: subprocess.run(["umount", "-l", self.root / name], check=True))

    def make(self) -> None:
        unit = (ROOT / "systemd/thox-data.service").read_text()
        command = re.search("^ExecStart=(.*)$", unit, re.M)[1].replace("/dev/disk/by-partlabel/UDA", self.disk)
        subprocess.run(["chroot", self.root, *command.split()], check=True, capture_output=True)

    def test_made_once(self) -> None:
        place = self.folder / "data"
        place.mkdir()
        self.make()
        subprocess.run(["mount", "-t", "ext4", self.disk, place], check=True)
        (place / "models").write_text("hundred gigabytes")
        subprocess.run(["umount", place], check=True)
        self.make()
        subprocess.run(["mount", "-t", "ext4", self.disk, place], check=True)
        self.addCleanup(lambda: subprocess.run(["umount", place], check=True))
        self.assertEqual((place / "models").read_text(), "hundred gigabytes")
