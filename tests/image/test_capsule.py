"""What happens when RAUC has written a slot (config/rauc/post-install): bootloader and trial. Needs root, for mounts."""

import subprocess
from pathlib import Path

from board import GLOBAL, Board, capsule
from stage import ROOT, Stage

CLASS = "bf0d4599-20d4-414e-b2c5-3595b1cda402"
INSTALLED = 0x270200


class Capsule(Stage):
    def setUp(self) -> None:
        super().setUp()
        self.board = Board(self.folder / "board")
        self.board.active = 1
        self.esp, self.trial = self.folder / "esp", self.folder / "data/system/update-trial"
        self.armed = self.esp / "EFI/UpdateCapsule/TEGRA_BL.Cap"
        self.indications = self.board.efivars / f"OsIndications-{GLOBAL}"
        self.esp.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", self.esp], check=True)
        self.addCleanup(lambda: subprocess.run(["umount", self.esp], check=True))
        entry = self.folder / "esrt/entry0"
        entry.mkdir(parents=True)
        for name, value in (("fw_class", CLASS), ("fw_version", INSTALLED), ("lowest_supported_fw_version", 0x260000)):
            (entry / name).write_text(f"{value}\n")
        self.double("thox", """echo '{"object":"list","data":[{"id":"thox-coder"}]}'""")

    def install(self, capsule_bytes: bytes | None):
        system, image = self.folder / "system", self.folder / "slot.ext4"
        file = system / "opt/nvidia/UpdateCapsule/tegra-bl.cap"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        if capsule_bytes is not None:
            file.write_bytes(capsule_bytes)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-d", system, image, "8M"], check=True, stdout=subprocess.DEVNULL)
        return self.run_script(
            "config/rauc/post-install", **self.board.environment, THOX_ESP=self.esp, THOX_ESRT=self.folder / "esrt",
            THOX_TRIAL=self.trial, THOX_RUN=self.folder, THOX_BACKEND=ROOT / "config/rauc/nvbootctrl-backend",
            RAUC_TARGET_SLOTS="2", RAUC_SLOT_CLASS_2="rootfs", RAUC_SLOT_DEVICE_2=image, RAUC_SLOT_BOOTNAME_2="B",
            RAUC_CURRENT_BOOTNAME="A",
        )  # fmt: skip

    def assert_left_alone(self, done, *words: str) -> None:
        self.assert_fails(done, *words, "slot A stays")
        self.assertFalse(self.armed.exists())
        self.assertFalse(self.indications.exists())
        self.assertFalse(self.trial.exists())
        self.assertEqual(self.board.active, 0, "the system that runs is the one that boots")

    def test_the_same_bootloader_is_not_written_again(self) -> None:
        self.assert_ok(self.install(capsule(INSTALLED, CLASS)))
        self.assertFalse(self.armed.exists())
        self.assertFalse(self.indications.exists())
        self.assertEqual(self.board.active, 1)
        self.assertEqual(self.trial.read_text(), "BOOTNAME=B\nBASELINE=answers\n")
        self.assertEqual(list(self.folder.glob("thox-new-slot.*")), [], "nothing is left mounted")

    def test_another_bootloader_is_armed(self) -> None:
        self.indications.write_bytes(b"\7\0\0\0" + (1).to_bytes(8, "little"))
        new = capsule(INSTALLED + 1, CLASS)
        said = self.assert_ok(self.install(new))
        self.assertEqual(self.armed.read_bytes(), new)
        self.assertEqual(self.indications.read_bytes(), b"\7\0\0\0" + (5).to_bytes(8, "little"), "beside what is there")
        self.assertIn(f"from version {INSTALLED} to {INSTALLED + 1}", said)

    def test_the_firmware_is_given_no_second_choice_beside_a_capsule(self) -> None:
        # As RAUC does before it calls the handler; and the outcome of an update before this one.
        self.board.write("BootChainFwStatus", 0)
        self.assert_ok(self.run_script("config/rauc/nvbootctrl-backend", "set-primary", "B", **self.board.environment))
        self.assertEqual(self.board.read("BootChainFwNext"), 1)
        self.assert_ok(self.install(capsule(INSTALLED, CLASS)))
        self.assertEqual(self.board.read("BootChainFwNext"), 1, "without a new bootloader it is what changes the slot")
        self.assert_ok(self.install(capsule(INSTALLED + 1, CLASS)))
        self.assertEqual([file.name for file in self.board.efivars.glob("BootChainFw*")], [])
        ask = {**self.board.environment, "THOX_ESP": self.esp}
        self.assertEqual(self.assert_ok(self.run_script("config/rauc/nvbootctrl-backend", "get-primary", **ask)), "B\n", "that comes with the capsule")
        self.assert_ok(self.run_script("config/rauc/nvbootctrl-backend", "set-primary", "A", **ask))
        self.assertEqual(self.assert_ok(self.run_script("config/rauc/nvbootctrl-backend", "get-primary", **ask)), "A\n", "somebody thought better of it")
        self.board.choice.unlink()
        self.indications.write_bytes(b"\7\0\0\0" + (1).to_bytes(8, "little"))
        self.assertEqual(self.assert_ok(self.run_script("config/rauc/nvbootctrl-backend", "get-primary", **ask)), "A\n", "nobody asks for the capsule any more")

    def test_a_later_bundle_without_it_disarms(self) -> None:
        self.assert_ok(self.install(capsule(INSTALLED + 1, CLASS)))
        self.assert_ok(self.install(None))
        self.assertFalse(self.armed.exists())

    def test_another_boards_capsule(self) -> None:
        self.assert_left_alone(self.install(capsule(INSTALLED + 1, CLASS.replace("b", "c"))), "another board")

    def test_a_bootloader_that_is_too_old(self) -> None:
        self.assert_left_alone(self.install(capsule(0x250000, CLASS)), "takes none before")

    def test_what_is_no_capsule(self) -> None:
        for broken in (b"MZ" * 400, capsule(1, CLASS)[:60]):
            self.board.active = 1
            self.assert_left_alone(self.install(broken), "no capsule")

    def test_a_full_esp(self) -> None:
        self.assert_left_alone(self.install(capsule(INSTALLED + 1, CLASS, b"x" * 3_000_000)), "full")
        self.assertEqual(list(Path(self.armed).parent.iterdir()), [])

    def test_what_was_silent_before_may_be_silent_after(self) -> None:
        self.double("thox", """echo '{"object":"list","data":[]}'""")
        self.assert_ok(self.install(None))
        self.assertIn("BASELINE=silent", self.trial.read_text())
