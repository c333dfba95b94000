"""RAUC's view of a Jetson's slots (config/rauc/nvbootctrl-backend) in front of a board that counts boots."""

from board import UNBOOTABLE, Board
from stage import Stage

BACKEND = "config/rauc/nvbootctrl-backend"


class Slots(Stage):
    def setUp(self) -> None:
        super().setUp()
        self.board = Board(self.folder / "board")

    def ask(self, *words: str):
        return self.run_script(BACKEND, *words, **self.board.environment)

    def say(self, *words: str) -> str:
        return self.assert_ok(self.ask(*words)).strip()

    def test_tells_what_runs_and_what_comes(self) -> None:
        self.board.active = 1
        self.assertEqual(self.say("get-current"), "A")
        self.assertEqual(self.say("get-primary"), "B")
        self.assertEqual([self.say("get-state", slot) for slot in "AB"], ["good", "good"])

    def test_an_installation_boots_what_it_has_written(self) -> None:
        # RAUC's order: not to be booted while it is written, then the one to boot.
        self.say("set-state", "B", "bad")
        self.assertEqual(self.say("get-state", "B"), "bad")
        self.assertEqual(self.board.boot(), "A", "a power cut while it is written")
        self.board.write("RootfsRetryCountB", 0)
        self.say("set-primary", "B")
        self.assertEqual(self.say("get-state", "B"), "good")
        self.assertEqual(self.board.boot(), "B")
        self.say("set-state", "B", "good")
        self.assertIn("verify", (self.board.folder / "calls").read_text())
        for _ in range(10):
            self.assertEqual(self.board.boot(), "B")
            self.say("set-state", "B", "good")

    def test_what_is_set_is_what_is_asked(self) -> None:
        """The root file system's slot, both times: the bootloader's may be another."""
        (self.board.folder / "active-bootloader").write_text("1\n")
        self.assertEqual(self.say("get-primary"), "A")
        self.say("set-primary", "B")
        self.assertEqual(self.say("get-primary"), "B")
        self.assertEqual(self.board.active, 1)
        self.say("set-primary", "A")
        self.assertEqual((self.board.folder / "active-bootloader").read_text(), "1\n")

    def test_a_system_that_nobody_confirms_is_left(self) -> None:
        self.say("set-primary", "B")
        self.assertEqual([self.board.boot() for _ in range(4)], ["B", "B", "B", "A"])
        self.assertEqual(self.say("get-state", "B"), "bad")

    def test_a_slot_that_is_said_to_be_bad_is_not_booted(self) -> None:
        self.say("set-primary", "B")
        self.assertEqual(self.board.boot(), "B")
        self.say("set-primary", "A")
        self.say("set-state", "B", "bad")
        self.assertEqual(self.board.read("RootfsStatusSlotB"), UNBOOTABLE)
        self.assertEqual(self.board.boot(), "A")

    def test_one_slot_that_boots_is_left(self) -> None:
        self.say("set-state", "B", "bad")
        self.assert_fails(self.ask("set-state", "A", "bad"), "would boot nothing")
        self.assertEqual(self.say("get-state", "A"), "good")

    def test_a_variable_that_was_never_written_means_normal(self) -> None:
        for file in self.board.efivars.glob("RootfsStatusSlotB-*"):
            file.unlink()
        self.assertEqual(self.say("get-state", "B"), "good")

    def test_errors_name_the_thing(self) -> None:
        self.assert_fails(self.ask("set-primary", "C"), '"C"')
        self.assert_fails(self.ask("set-state", "A", "fine"), '"fine"')
        self.assert_fails(self.ask("mark"), '"mark"')
        (self.board.folder / "deaf").touch()
        self.assert_fails(self.ask("set-primary", "B"), "the active slot is another")
        self.board.program.write_text("#!/bin/sh\nexit 1\n")
        self.assert_fails(self.ask("get-primary"), "setup-nv-boot-control")
