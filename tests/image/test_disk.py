"""Which partitions are the system's: config/libexec/thox-own-disk, with a device's sysfs in front of it."""

from pathlib import Path

from stage import ROOT, Stage

ASK = "config/libexec/thox-own-disk"
NVME = "devices/platform/14160000.pcie/nvme/nvme0/nvme0n1"
EMMC = "devices/platform/3460000.mmc/mmc_host/mmc0/mmc0:0001/block/mmcblk0"


class Disk(Stage):
    def setUp(self) -> None:
        super().setUp()
        self.sys = self.folder / "sys"
        (self.sys / "dev/block").mkdir(parents=True)
        for number, disk, name in (("259:1", NVME, "nvme0n1p1"), ("259:9", NVME, "nvme0n1p9"), ("179:1", EMMC, "mmcblk0p1")):
            partition = self.sys / disk / name
            partition.mkdir(parents=True)
            (partition / "partition").write_text("1\n")
            (self.sys / "dev/block" / number).symlink_to(Path("../..") / disk / name)
        (self.sys / "dev/block/259:0").symlink_to(Path("../..") / NVME)
        self.mounted("259:1")

    def mounted(self, *roots: str) -> None:
        """What the kernel tells of mounts: where the system's root is, and others."""
        lines = [f"{20 + number} 1 {root} / / ro,relatime shared:1 - ext4 /dev/root ro\n" for number, root in enumerate(roots)]
        lines.append("40 20 179:1 / /run/old rw - ext4 /dev/mmcblk0p1 rw\n")
        (self.folder / "self").mkdir(exist_ok=True)
        (self.folder / "self/mountinfo").write_text("".join(lines))

    def is_own(self, path: str) -> bool:
        return self.run_script(ASK, path, THOX_SYS=self.sys, THOX_PROC=self.folder).returncode == 0

    def test_the_partitions_beside_the_root_are_the_systems(self) -> None:
        self.assertTrue(self.is_own(f"/{NVME}/nvme0n1p9"))
        self.assertTrue(self.is_own(f"/{NVME}/nvme0n1p1"))

    def test_those_of_an_old_disk_are_not(self) -> None:
        self.assertFalse(self.is_own(f"/{EMMC}/mmcblk0p1"))
        self.mounted("179:1")
        self.assertTrue(self.is_own(f"/{EMMC}/mmcblk0p1"), "it runs from there")
        self.assertFalse(self.is_own(f"/{NVME}/nvme0n1p9"))

    def test_the_last_root_counts(self) -> None:
        """The initramfs has its own, and mounts the system's over it."""
        self.mounted("0:2", "259:1")
        self.assertTrue(self.is_own(f"/{NVME}/nvme0n1p9"))

    def test_a_root_without_a_disk_has_no_partitions(self) -> None:
        for root in ((), ("0:2",), ("259:0",)):
            self.mounted(*root)
            self.assertFalse(self.is_own(f"/{NVME}/nvme0n1p9"), root)

    def test_whoever_mounts_or_writes_takes_these_names(self) -> None:
        """What the rule names is what is used, and nothing is by-partlabel."""
        rule = next(line for line in (ROOT / "udev/65-thox-disk.rules").read_text().splitlines() if line.startswith("ACTION"))
        self.assertIn('ENV{PARTNAME}=="APP|APP_b|esp|data"', rule)
        self.assertIn("device=/dev/disk/thox/APP\n", (ROOT / "config/rauc/system.conf.in").read_text())
        for folder in ("config", "systemd"):
            for file in (ROOT / folder).rglob("*"):
                if file.is_file():
                    self.assertNotRegex(file.read_text(), r"/dev/disk/by-partlabel|by\\x2dpartlabel", file)
