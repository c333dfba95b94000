"""The names of devices, the GPU's above all: in units and in the rules of udev, against those that drivers register."""

import re
import unittest
from fnmatch import fnmatchcase

from stage import ROOT, Stage

# What is in /proc/devices, after which systemd's DeviceAllow=char-NAME looks. Read in the drivers' sources: linux-nv-oot
# and linux-nvgpu, branch l4t/l4t-r36.4 (JetPack 6; of R39 neither was to be had, its nodes are those of meta-tegra's
# devices.csv); Linux 6.8; NVIDIA's open-gpu-kernel-modules.
CHARACTER = {
    # nvgpu os/linux/ioctl.c: alloc_chrdev_region(…, dev_name(dev)), of the device-tree node gpu@17000000.
    "17000000.gpu",
    "host1x-fence",  # nv-oot drivers/gpu/host1x-fence/dev.c
    "nvhost",  # nv-oot drivers/gpu/host1x-nvhost/nvhost.c
    "nvsciipc",  # nv-oot drivers/misc/nvsciipc/nvsciipc.h, MODULE_NAME
    "misc",  # Linux drivers/char/misc.c
    "drm",  # Linux drivers/gpu/drm/drm_drv.c
    "dma_heap",  # Linux drivers/dma-buf/dma-heap.c
    "nvidia",  # kernel-open/nvidia/nv.c, /dev/nvidia0 and so on
    "nvidiactl",  # the same, /dev/nvidiactl
    "nvidia-frontend",  # both, before they were told apart: nv-frontend.c
    "nvidia-uvm",  # kernel-open/nvidia-uvm/uvm_common.h
    # Consoles: Linux drivers/tty, tty_io.c, vt/vt.c, and .dev_name of the serial drivers 8250, amba-pl011, serial-tegra
    # and tegra-tcu.
    "/dev/tty", "/dev/vc/0", "ttyS", "ttyAMA", "ttyTHS", "ttyTCU",
}  # fmt: skip
BLOCK = {"sd"}  # Linux drivers/scsi/sd.c

# Subsystem of udev (a class of the kernel's) → the devices' own names there. From the same files.
CLASSES = {
    "nvidia-gpu-power": {"nvhost-power-gpu"},
    "nvidia-gpu-v2-power": {"power"},
    # dev_node_list; the class of old has the name of its node, the new one a folder.
    "nvidia-gpu": {"nvhost-gpu"} | {f"nvhost-{name}-gpu" for name in ("as", "ctrl", "tsg", "dbg", "prof", "sched", "nvsched")},
    "nvidia-gpu-v2": {"as", "channel", "ctrl", "tsg", "dbg", "prof", "sched", "nvsched"},
    "host1x-fence": {"host1x-fence"},
    "misc": {"nvmap"},  # nv-oot drivers/video/tegra/nvmap/nvmap_dev.c, misc_register
    "dma_heap": {"system"},
}

# One of these alone that is closed, and there is no CUDA: (name in /proc/devices, node). Those of nvgpu have one name.
NEEDED = [("17000000.gpu", "/dev/nvgpu/igpu0/ctrl"), ("misc", "/dev/nvmap"), ("host1x-fence", "/dev/host1x-fence")]


def allowed(unit: str) -> list[str]:
    lines = (ROOT / "systemd" / unit).read_text().splitlines()
    return [line.removeprefix("DeviceAllow=").split()[0] for line in lines if line.startswith("DeviceAllow=")]


def closed() -> list[str]:
    """Units that let some devices through and no others."""
    return sorted(path.name for path in (ROOT / "systemd").glob("*.service") if allowed(path.name))


def invented(patterns: list[str]) -> list[str]:
    """What no driver registers; a node by its path has to be one of a class."""
    nodes = {f"/dev/{name}" for names in CLASSES.values() for name in names} | {"/dev/console"}

    def known(one: str) -> bool:
        if one.startswith("/"):
            return one in nodes
        kind, _, name = one.partition("-")
        return any(fnmatchcase(registered, name) for registered in {"char": CHARACTER, "block": BLOCK}.get(kind, ()))

    return [one for one in patterns if not known(one)]


class Units(unittest.TestCase):
    def test_no_name_is_invented(self) -> None:
        self.assertIn("ollama.service", closed())
        for unit in closed():
            self.assertEqual(invented(allowed(unit)), [], unit)
        self.assertEqual(invented(["char-nvmap", "char-nvgpu", "/dev/nvgpu"]), ["char-nvmap", "char-nvgpu", "/dev/nvgpu"])

    def test_cuda_gets_what_it_opens(self) -> None:
        patterns = allowed("ollama.service")
        for name, node in NEEDED:
            fits = node in patterns or any(fnmatchcase(f"char-{name}", pattern) for pattern in patterns)
            self.assertTrue(fits, f"{node} ({name}) is closed to ollama.service")
        self.assertNotIn("char-misc", patterns, "all misc devices, for one of them")

    def test_numbers_are_looked_up_after_the_gpu_woke(self) -> None:
        unit = (ROOT / "systemd/ollama.service").read_text()
        after = " ".join(re.findall("^After=(.*)$", unit, re.M)).split()
        self.assertIn("thox-gpu.service", after)
        self.assertRegex(unit, "(?m)^Wants=.*thox-gpu.service", "and not Requires=: without a GPU it answers by the CPU")


class Rules(unittest.TestCase):
    RULES = ROOT / "udev/70-thox-gpu.rules"

    def test_no_name_is_invented(self) -> None:
        seen = set()
        for line in self.RULES.read_text().splitlines():
            match = dict(re.findall(r'(SUBSYSTEM|KERNEL)=="([^"]+)"', line))
            if line.startswith("#") or not match:
                continue
            self.assertIn("SUBSYSTEM", match, line)
            for subsystem in match["SUBSYSTEM"].split("|"):
                self.assertIn(subsystem, CLASSES, line)
                seen.add(subsystem)
                for kernel in match.get("KERNEL", "").split("|"):
                    if kernel and len(match["SUBSYSTEM"].split("|")) == 1:
                        self.assertTrue([name for name in CLASSES[subsystem] if fnmatchcase(name, kernel)], line)
        self.assertEqual(seen, set(CLASSES), "each class has its rule")

    def test_engines_are_in_the_rules_groups(self) -> None:
        groups = set(re.findall(r'GROUP="([^"]+)"', self.RULES.read_text()))
        mine = re.search("^SupplementaryGroups=(.*)$", (ROOT / "systemd/ollama.service").read_text(), re.M)
        assert mine
        self.assertLessEqual(groups, set(mine[1].split()))
        self.assertIn("render", mine[1].split(), "of dri/renderD*, by udev's own rules")


class Waking(Stage):
    def setUp(self) -> None:
        super().setUp()
        self.dev, self.late = self.folder / "dev", self.folder / "late"
        (self.dev / "nvgpu/igpu0").mkdir(parents=True)
        self.double("udevadm", "")
        self.double("systemctl", "")
        # A second that does not pass; the driver makes its nodes when it is told to power on.
        self.double("sleep", f'grep -q 1 {self.dev}/nvgpu/igpu0/power 2>/dev/null || exit 0; : >{self.dev}/nvgpu/igpu0/ctrl')

    def wake(self, limit: int = 3):
        return self.run_script("config/libexec/thox-gpu", THOX_DEV=self.dev, THOX_GPU_WAIT=limit, THOX_GPU_LATE=self.late)

    def nodes(self, *names: str) -> None:
        for name in names:
            (self.dev / name).write_text("")

    def test_powers_on_and_waits_for_the_nodes(self) -> None:
        self.nodes("nvgpu/igpu0/power", "nvmap", "host1x-fence")
        self.assert_ok(self.wake())
        self.assertEqual((self.dev / "nvgpu/igpu0/power").read_text(), "1\n")
        self.assertTrue((self.dev / "nvgpu/igpu0/ctrl").exists())
        self.assertEqual(self.calls()[-1], "udevadm settle --timeout=10", "nothing is started again")

    def test_gives_up_and_says_what_is_missing(self) -> None:
        self.assert_fails(self.wake(), "no GPU after 3 s", "nvgpu/igpu0/power is missing", "CPU")
        self.assertEqual([call for call in self.calls() if call.startswith("sleep")], ["sleep 1"] * 3)
        self.nodes("nvgpu/igpu0/power", "nvmap")
        self.assert_fails(self.wake(), "host1x-fence is missing")
        (self.dev / "nvgpu/igpu0/power").unlink()
        (self.dev / "nvgpu/igpu0/power").mkdir()
        self.assert_fails(self.wake(), "does not power it on")

    def test_one_that_comes_late_is_used(self) -> None:
        self.assert_fails(self.wake(0), "no GPU")
        self.nodes("nvgpu/igpu0/power", "nvmap", "host1x-fence")
        self.assert_ok(self.wake())
        self.assertEqual(self.calls()[-1], "systemctl try-restart --no-block ollama.service")
        self.forget_calls()
        self.assert_ok(self.wake())
        self.assertNotIn("systemctl try-restart --no-block ollama.service", self.calls(), "once")
