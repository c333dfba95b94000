"""When a system is kept and when it is left: config/libexec/thox-commit, on a board that counts boots."""

from board import Board
from stage import ROOT, Stage


class Commit(Stage):
    def setUp(self) -> None:
        super().setUp()
        self.board = Board(self.folder / "board")
        self.trial, self.evidence = self.folder / "trial", self.folder / "evidence"
        backend = ROOT / "config/rauc/nvbootctrl-backend"
        # As RAUC does with the slot that runs.
        self.double("rauc", f'case "$2" in mark-*) dash {backend} set-state "$(dash {backend} get-current)" "${{2#mark-}}" ;; esac')
        self.double("systemctl", f"cat {self.folder}/restarts 2>/dev/null || echo 0")
        self.double("journalctl", "echo the last lines")
        self.device(status=0, reply="ready")

    def device(self, status: int, reply: str, chat: int = 0) -> None:
        self.double("thox", f'case "$*" in *status*) exit {status} ;; *chat*) echo "{reply}"; exit {chat} ;; *config*) echo thox-coder ;; esac')

    def begin_trial(self, baseline: str) -> None:
        self.trial.write_text(f"BOOTNAME=B\nBASELINE={baseline}\n")
        self.assert_ok(self.run_script("config/rauc/nvbootctrl-backend", "set-primary", "B", **self.board.environment))
        self.assertEqual(self.board.boot(), "B")

    def commit(self):
        return self.run_script(
            "config/libexec/thox-commit", **self.board.environment, THOX_TRIAL=self.trial, THOX_EVIDENCE=self.evidence,
            THOX_BACKEND=ROOT / "config/rauc/nvbootctrl-backend", THOX_COMMIT_DEADLINE=2, THOX_COMMIT_SOAK=1,
            THOX_COMMIT_PAUSE="0.2",
        )  # fmt: skip

    def verified(self) -> bool:
        return "verify" in (self.board.folder / "calls").read_text()

    def test_an_ordinary_boot_is_confirmed_without_a_model(self) -> None:
        self.device(status=1, reply="", chat=1)
        self.assert_ok(self.commit())
        self.assertTrue(self.verified())
        self.assertFalse(any("chat" in call for call in self.calls()))

    def test_an_ordinary_boot_without_thoxd_is_not(self) -> None:
        self.device(status=3, reply="")
        self.assert_fails(self.commit(), "does not answer")
        self.assertFalse(self.verified())
        self.assertFalse(any("reboot" in call for call in self.calls()), "a kept system is not left for it")

    def test_a_trial_that_answers_is_kept(self) -> None:
        self.begin_trial("answers")
        self.assert_ok(self.commit())
        self.assertTrue(self.verified())
        self.assertFalse(self.trial.exists())
        self.assertEqual([self.board.boot() for _ in range(3)], ["B"] * 3)

    def test_a_trial_without_a_real_answer_goes_back(self) -> None:
        for number, (status, reply, chat) in enumerate(((0, "", 0), (0, "", 1), (3, "ready", 0), (0, "", 4))):
            with self.subTest(number):
                self.begin_trial("answers")
                self.device(status, reply, chat)
                self.double("curl", "exit 22")
                self.commit()
                self.assertIn("systemctl reboot", self.calls())
                self.assertEqual(self.board.boot(), "A")
                self.assertFalse(self.board.is_bootable("B"))
                self.assertIn("the last lines", self.evidence.read_text())
                reason = "does not answer" if status else "gives no answer"
                self.assertIn(reason, self.evidence.read_text())
                # The system before sees what happened, keeps the first evidence, and is an ordinary one again.
                self.device(status=0, reply="ready")
                self.assertIn("did not last", self.assert_commit_keeps())
                self.assertIn(reason, self.evidence.read_text())
                self.assertFalse(self.trial.exists())

    def assert_commit_keeps(self) -> str:
        done = self.commit()
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stderr

    def test_a_device_that_wants_keys_answers_by_its_own_socket(self) -> None:
        self.begin_trial("answers")
        self.device(status=4, reply="", chat=4)
        self.double("curl", """echo '{"choices":[{"message":{"role":"assistant","content":"ready"}}]}'""")
        self.assert_ok(self.commit())
        self.assertTrue(any("--unix-socket /run/thox/control.sock" in call for call in self.calls()))

    def test_what_was_silent_before_may_be_silent(self) -> None:
        self.begin_trial("silent")
        self.device(status=1, reply="", chat=1)
        self.assert_ok(self.commit())

    def test_restarts_during_the_soak_are_not_kept(self) -> None:
        self.begin_trial("answers")
        self.double("systemctl", f'case $1 in show) echo x >>{self.folder}/n; wc -l <{self.folder}/n ;; esac')
        self.assert_fails(self.commit(), "during the soak")
        self.assertEqual(self.board.boot(), "A")

    def test_a_system_that_never_came_up(self) -> None:
        self.trial.write_text("BOOTNAME=B\nBASELINE=answers\n")
        said = self.assert_commit_keeps()
        self.assertIn("slot B did not last", said)
        self.assertIn("did not come up", self.evidence.read_text())
        self.assertFalse(self.board.is_bootable("B"))
        self.assertFalse(self.trial.exists())

    def test_a_power_cut_on_the_way_back(self) -> None:
        self.begin_trial("answers")
        self.device(status=0, reply="")
        self.double("rauc", "exit 1")
        self.commit()
        self.assertTrue(self.trial.exists(), "a trial still")
        self.assertEqual(self.board.boot(), "A")
