"""Who the device is, and how it becomes somebody else's: config/libexec/thox-firstboot, systemd/factory-reset."""

import subprocess

from stage import Stage

TRANSIENT = "0123456789abcdef0123456789abcdef"


class FirstBoot(Stage):
    def setUp(self) -> None:
        super().setUp()
        self.double("systemctl", "")
        self.own = self.folder / "data/system"
        for name in ("etc", "proc/device-tree", "proc/sys/kernel/random"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "proc/device-tree/serial-number").write_bytes(b"1421524050042\0")
        (self.folder / "proc/sys/kernel/random/uuid").write_text("11111111-2222-3333-4444-555555555555\n")

    def boot(self, transient: str = TRANSIENT) -> None:
        """Of a read-only system: systemd makes an id for this boot, and shows it in place of the empty file."""
        run = self.folder / "run"
        subprocess.run(["rm", "-rf", run], check=True)
        (run / "log/journal" / transient).mkdir(parents=True)
        (run / "machine-id").write_text(f"{transient}\n")
        etc = self.folder / "etc/machine-id"
        etc.unlink(missing_ok=True)
        etc.symlink_to(run / "machine-id")
        done = self.run_script(
            "config/libexec/thox-firstboot", THOX_SYSTEM=self.own, THOX_RUN=run,
            THOX_ETC=self.folder / "etc", THOX_PROC=self.folder / "proc",
        )  # fmt: skip
        self.assert_ok(done)

    def read(self, path: str) -> str:
        return (self.folder / path).read_text().strip()

    def keys(self) -> list[bytes]:
        return [(self.own / f"ssh/ssh_host_{kind}_key").read_bytes() for kind in ("ed25519", "ecdsa")]

    def test_it_stays_the_same_device(self) -> None:
        self.boot()
        self.assertEqual(self.read("data/system/machine-id"), TRANSIENT)
        self.assertEqual(self.read("data/system/serial"), "1421524050042")
        keys = self.keys()
        self.assertTrue(all(b"PRIVATE KEY" in key for key in keys))
        self.assertEqual(self.calls(), [])
        other = "f" * 32
        self.boot(other)
        self.assertEqual(self.read("etc/machine-id"), TRANSIENT)
        self.assertEqual(self.keys(), keys)
        self.assertEqual([path.name for path in (self.folder / "run/log/journal").iterdir()], [TRANSIENT])
        self.assertEqual(self.calls(), ["systemctl --no-block restart systemd-journald.service"])

    def test_sshd_finds_its_keys_and_nobody_else_does(self) -> None:
        self.boot()
        for folder in ("run/ssh", "data/system/ssh"):
            self.assertEqual((self.folder / folder).stat().st_mode & 0o777, 0o700)
            self.assertEqual((self.folder / folder / "ssh_host_ed25519_key").stat().st_mode & 0o777, 0o600)
        self.assertEqual((self.own / "ssh/authorized_keys").read_bytes(), b"", "nobody is let in")
        (self.own / "ssh/authorized_keys").write_text("ssh-ed25519 AAAA owner\n")
        self.boot()
        self.assertIn("owner", self.read("data/system/ssh/authorized_keys"))

    def test_what_a_power_cut_has_left_is_made_anew(self) -> None:
        self.boot()
        (self.own / "ssh/ssh_host_ed25519_key").write_bytes(b"")
        (self.own / "ssh/ssh_host_ecdsa_key.pub").unlink()
        (self.own / "ssh/making").write_bytes(b"half")
        (self.own / "machine-id").write_text("0123")
        self.boot("e" * 32)
        self.assertEqual(self.read("data/system/machine-id"), "e" * 32)
        self.assertIn(b"PRIVATE KEY", self.keys()[0])
        public = subprocess.run(
            ["ssh-keygen", "-y", "-f", self.own / "ssh/ssh_host_ecdsa_key"], check=True, text=True, capture_output=True
        )
        self.assertEqual(public.stdout.split()[1], self.read("data/system/ssh/ssh_host_ecdsa_key.pub").split()[1])
        self.assertEqual(list((self.own / "ssh").glob("*making*")), [])

    def test_no_board_tells_a_serial_number(self) -> None:
        (self.folder / "proc/device-tree/serial-number").unlink()
        self.boot()
        self.assertFalse((self.own / "serial").exists() and self.read("data/system/serial") == "")


class Reset(Stage):
    def setUp(self) -> None:
        super().setUp()
        self.data = self.folder / "data"
        for file in ("thox/keys.json", "system/machine-id", "system/ssh/key", "settings/config.d/90-thox.toml",
                     "settings/.hidden", "timesync/clock", "ollama/models/blobs/x", "tensorrt-llm/m/model/w",
                     "containers/overlay/l", "lost+found/f"):  # fmt: skip
            path = self.data / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("x")

    def reset(self, models: str) -> list[str]:
        (self.data / "thox/factory-reset").write_text(f"# A factory reset\nMODELS={models}\n")
        done = self.run_script(
            "systemd/factory-reset", THOX_DATA=self.data, THOX_STATE=self.data / "thox",
            THOX_MODELS=f"{self.data}/ollama {self.data}/tensorrt-llm",
            THOX_MOUNTED=f"{self.data}/settings {self.data}/timesync",
        )  # fmt: skip
        self.assert_ok(done)
        return sorted(str(path.relative_to(self.data)) for path in self.data.rglob("*") if not path.is_dir())

    def test_all_of_the_owners_goes(self) -> None:
        # thoxd has made its own folder new, and may have the next owner in it.
        self.assertEqual(self.reset("delete"), ["lost+found/f", "thox/keys.json"])
        for mounted in ("ollama", "tensorrt-llm", "settings", "timesync"):
            self.assertTrue((self.data / mounted).is_dir(), f"{mounted} is mounted elsewhere too")
        self.assertFalse((self.data / "system").exists(), "another device")

    def test_models_may_stay(self) -> None:
        left = self.reset("keep")
        self.assertEqual(left, ["lost+found/f", "ollama/models/blobs/x", "tensorrt-llm/m/model/w", "thox/keys.json"])

    def test_without_thoxds_word_nothing_goes(self) -> None:
        before = sorted(self.data.rglob("*"))
        done = self.run_script("systemd/factory-reset", THOX_DATA=self.data, THOX_STATE=self.data / "thox", THOX_MODELS="")
        self.assert_ok(done)
        self.assertEqual(sorted(self.data.rglob("*")), before)
