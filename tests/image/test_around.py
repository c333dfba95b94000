"""The light, the stick, the firewall's owner: thox-led, thox-usb-update, thox-firewall."""

from stage import ROOT, Stage


class Led(Stage):
    def test_ready_and_waiting(self) -> None:
        for name in ("thox:green:status", "board:green:status", "mmc0::"):
            (self.folder / "leds" / name).mkdir(parents=True)
            (self.folder / "leds" / name / "trigger").write_text("none\n")
        led = "config/libexec/thox-led"
        for word, trigger in (("ready", "default-on"), ("waiting", "timer")):
            self.assert_ok(self.run_script(led, word, THOX_LEDS=self.folder / "leds"))
            for name, want in (("thox:green:status", trigger), ("board:green:status", trigger), ("mmc0::", "none")):
                self.assertEqual((self.folder / "leds" / name / "trigger").read_text(), f"{want}\n")
        self.assert_fails(self.run_script(led, "green"), '"green"')
        self.assert_ok(self.run_script(led, "ready", THOX_LEDS=self.folder / "none"))


class Usb(Stage):
    def setUp(self) -> None:
        super().setUp()
        self.place = self.folder / "usb/sda1"
        self.double("mountpoint", "exit 0")
        self.double("umount", "")
        self.double("blkid", "echo vfat")
        # It shows what is on the stick.
        self.double("mount", f"cp -r {self.folder}/stick/. {self.place}/")
        self.double("thox", """case $3 in
            */good.raucb) echo "Version 1.4.0 is offered; thox update install installs it." ;;
            *.raucb) echo "error: RAUC does not take the bundle: signature verification failed" >&2; exit 1 ;;
        esac""")
        (self.folder / "stick").mkdir()

    def plug(self, word: str = "start"):
        return self.run_script("config/libexec/thox-usb-update", word, "/dev/sda1", THOX_USB=self.folder / "usb")

    def test_bundles_are_offered_and_not_installed(self) -> None:
        for name in ("good", "foreign"):
            (self.folder / "stick" / f"{name}.raucb").write_text("x")
        said = self.assert_ok(self.plug())
        self.assertIn("Version 1.4.0 is offered", said)
        self.assertIn(f"thox update offer {self.place}/good.raucb", self.calls())
        self.assertIn("foreign.raucb on the USB stick is not offered: error: RAUC does not take", said)
        self.assertFalse([call for call in self.calls() if "install" in call])
        options = next(call for call in self.calls() if call.startswith("mount "))
        self.assertIn("ro,nosuid,nodev,noexec", options)
        for file in self.place.iterdir():
            file.unlink()
        self.assert_ok(self.plug("stop"))
        self.assertIn(f"thox update withdraw {self.place}", self.calls())
        self.assertIn(f"umount -- {self.place}", self.calls())
        self.assertFalse(self.place.exists())

    def test_a_stick_goes_while_thoxd_is_away(self) -> None:
        self.assert_ok(self.plug())
        self.double("thox", "exit 3")
        self.assert_ok(self.plug("stop"))
        self.assertFalse(self.place.exists())

    def test_other_sticks(self) -> None:
        self.assertIn("there is no update", self.assert_ok(self.plug()))
        self.forget_calls()
        self.double("blkid", "echo ext4")
        self.assertIn("left alone", self.assert_ok(self.plug()))
        self.assertFalse([call for call in self.calls() if call.startswith("mount ")])


class Firewall(Stage):
    def test_an_owners_slip_leaves_the_systems_rules(self) -> None:
        self.double("systemctl", "exit 0")
        self.double("nft", f'case "$2" in -) cat >{self.folder}/loaded ;; *.nft) exit 1 ;; esac')
        rules = ROOT / "config/nftables/thox.nft"
        done = self.run_script("config/libexec/thox-firewall", THOX_RULES=rules)
        self.assertEqual(done.returncode, 0)
        self.assertIn("/etc/thox/nftables.d is wrong", done.stderr)
        loaded = (self.folder / "loaded").read_text()
        self.assertIn("policy drop", loaded)
        self.assertNotIn("include", loaded)
        self.assertIn("nft add element inet thox open_tcp { 22 }", self.calls())
