"""What stands behind meta-tegra's platform-preboot in the initramfs (tegra-minimal-init): a root that does not come ends in a
panic, which starts the device again, and never in a shell."""

import os
import pty
import subprocess
import time

from stage import ROOT, Stage

PREBOOT = ROOT / "meta-thox/recipes-core/initrdscripts/tegra-minimal-init/thox-preboot.sh"
# As /init goes on: it waits where it was told to, cannot mount the root, and becomes a shell.
INIT = """rootdev=$1 wait=yes
. {preboot}
if [ -n "$wait" ] && [ ! -b "$rootdev" ]; then
    while true; do sleep 1; done
fi
exec sh
"""


class Initramfs(Stage):
    def boot(self, device: str, preboot: object) -> float:
        """Seconds until process 1 has ended, on a console where nobody types; -1 if it waits for somebody."""
        script = self.folder / "init"
        script.write_text(INIT.format(preboot=preboot))
        console, terminal = pty.openpty()
        self.addCleanup(os.close, console)
        began = time.monotonic()
        init = subprocess.Popen(["dash", script, device], stdin=terminal, stdout=terminal, stderr=terminal, env={**os.environ, "THOX_ROOT_WAIT": "2"})
        os.close(terminal)
        try:
            init.wait(20)
        except subprocess.TimeoutExpired:
            init.kill()
            init.wait()
            return -1
        return time.monotonic() - began

    def test_a_root_that_does_not_come_is_not_waited_for_for_ever(self) -> None:
        self.assertGreaterEqual(self.boot("/nonexistent", PREBOOT), 2)

    def test_a_root_that_cannot_be_mounted_ends_in_no_shell(self) -> None:
        disk = self.folder / "disk"
        made = subprocess.run(["mknod", disk, "b", "7", "250"], check=False, capture_output=True)
        if made.returncode:
            self.skipTest(f"no device can be made here: {made.stderr}")
        self.assertGreaterEqual(self.boot(str(disk), PREBOOT), 0)
        self.assertEqual(self.boot(str(disk), "/dev/null"), -1, "without it there is a shell")
