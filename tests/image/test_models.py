"""How a new device gets its models, and the engine its container: thox-provision, thox-tensorrt-image, thox-cdi."""

import os
import re
import subprocess
import sys

from stage import NVIDIA_CTK, ROOT, Stage


class Provision(Stage):
    def setUp(self) -> None:
        super().setUp()
        self.store, self.done = self.folder / "store", self.folder / "data/system/provisioned"
        self.store.mkdir()
        self.carried = self.folder / "carried"
        self.library = "manifests/registry.ollama.ai/library"

    def carry(self, name: str, tag: str) -> None:
        manifest = self.carried / self.library / name / tag
        manifest.parent.mkdir(parents=True)
        manifest.write_text("{}")
        (self.carried / "blobs").mkdir(exist_ok=True)
        (self.carried / "blobs" / f"sha256-{name}").write_text("weights")

    def provision(self, models: str, download: str = "yes"):
        return self.run_script(
            "config/libexec/thox-provision", THOX_STORE=self.store, THOX_STORE_OWNER=f"{os.getuid()}:{os.getgid()}",
            THOX_PROVISIONED=self.done, THOX_PROVISION_CARRIED=self.carried, THOX_PROVISION_MODELS=models,
            THOX_PROVISION_DOWNLOAD=download,
        )  # fmt: skip

    def test_what_the_image_carries_is_not_downloaded(self) -> None:
        self.carry("qwen2.5-coder", "7b")
        self.double("thox", "")
        self.assert_ok(self.provision("qwen2.5-coder:7b nomic-embed-text"))
        self.assertEqual((self.store / "blobs/sha256-qwen2.5-coder").read_text(), "weights")
        self.assertTrue((self.store / self.library / "qwen2.5-coder/7b").exists())
        self.assertEqual(self.calls(), ["thox models pull nomic-embed-text"])
        self.assertTrue(self.done.exists())

    def test_a_download_that_fails_is_tried_again(self) -> None:
        self.double("thox", '[ "$3" != b ]')
        self.assert_fails(self.provision("a b c"), "not there yet: b")
        self.assertEqual(len(self.calls()), 3, "the others do not wait for it")
        self.assertFalse(self.done.exists())
        for model in "ac":
            manifest = self.store / self.library / model / "latest"
            manifest.parent.mkdir(parents=True)
            manifest.write_text("{}")
        self.forget_calls()
        self.double("thox", "")
        self.assert_ok(self.provision("a b c"))
        self.assertEqual(self.calls(), ["thox models pull b"])

    def test_names_are_ollamas(self) -> None:
        for path in ("registry.ollama.ai/library/m/latest", "registry.ollama.ai/o/m/t", "hf.co/o/m/t"):
            manifest = self.store / "manifests" / path
            manifest.parent.mkdir(parents=True)
            manifest.write_text("{}")
        self.double("thox", "")
        self.assert_ok(self.provision("m o/m:t hf.co/o/m:t"))
        self.assertEqual(self.calls(), [])

    def test_a_power_cut_leaves_no_half_model(self) -> None:
        self.carry("m", "latest")
        (self.store / "blobs").mkdir()
        (self.store / "blobs/sha256-m.new").write_text("wei")
        self.double("thox", "")
        self.assert_ok(self.provision("m"))
        self.assertEqual([path.name for path in (self.store / "blobs").iterdir()], ["sha256-m"])

    def test_what_does_not_fit_is_not_begun(self) -> None:
        self.carry("m", "latest")
        self.double("thox", "exit 1")
        self.double("df", "echo Head; echo 'dev 1 1 0 100% /'")
        self.assert_fails(self.provision("m"), "none is put in place")
        self.assertEqual(list(self.store.iterdir()), [])

    def test_nothing_is_downloaded_where_that_is_not_wanted(self) -> None:
        self.double("thox", "")
        said = self.assert_ok(self.provision("m", download="no"))
        self.assertIn("not to be downloaded", said)
        self.assertEqual(self.calls(), [])
        self.assertTrue(self.done.exists())


class Container(Stage):
    """podman as far as it is called: images by id, one name that moves to what was loaded last."""

    OLD, NEW = "sha256:" + "a" * 64, "sha256:" + "b" * 64
    PODMAN = """
case "$1 $2" in
"image exists") [ -e {here}/"$3" ] ;;
"load "*) image=$(cat "$4"); : >{here}/"$image"; echo "$image" >{here}/name ;;
"tag "*) [ -e {here}/"$2" ] && echo "$2" >>{here}/named ;;
"image prune") cd {here} && for one in sha256:*; do grep -qxF "$one" name || grep -qxF "$one" named || rm "$one"; done ;;
esac
"""

    def setUp(self) -> None:
        super().setUp()
        self.here = self.folder / "here"
        self.here.mkdir()
        self.archive = self.folder / "image.tar"
        self.archive.write_text(self.OLD)
        self.double("podman", self.PODMAN.format(here=self.here))

    def load(self, image: str, archive: object = None):
        return self.run_script("config/libexec/thox-tensorrt-image", TENSORRT_LLM_IMAGE=image, TENSORRT_LLM_ARCHIVE=archive or self.archive)

    def test_loaded_once(self) -> None:
        self.assert_ok(self.load(self.OLD))
        self.assertIn(f"podman load --quiet --input {self.archive}", self.calls())
        self.assertTrue((self.here / self.OLD).exists())
        self.forget_calls()
        self.assert_ok(self.load(self.OLD))
        self.assertEqual(self.calls(), [f"podman image exists {self.OLD}"])

    def test_one_that_an_update_brings_is_loaded(self) -> None:
        self.assert_ok(self.load(self.OLD))
        # The same file's name, the same tag in it, another image.
        self.archive.write_text(self.NEW)
        self.assert_ok(self.load(self.NEW))
        self.assertTrue((self.here / self.NEW).exists())

    def test_a_tag_is_no_digest(self) -> None:
        for image in ("localhost/tensorrt-edge-llm:installed", "", "sha256:", "sha256:abc", "x@sha256:" + "g" * 64):
            self.assert_fails(self.load(image), f'"{image}"', "/etc/thox/tensorrt-llm.conf")
        self.assertEqual(self.calls(), [])
        self.assert_fails(self.load("localhost/x@" + self.NEW), "has no image")

    def test_says_what_is_missing(self) -> None:
        self.assert_fails(self.load(self.OLD, "/nonexistent"), "/nonexistent", "tensorrt-llm.conf")
        self.assert_fails(self.load(self.NEW), "has no image", self.NEW)


class Carried(Stage):
    """What the recipe writes into the settings of a device that carries the container."""

    RECIPE = ROOT / "meta-thox/dynamic-layers/virtualization-layer/recipes-engines/tensorrt-engine"

    def test_an_archive_that_is_none(self) -> None:
        archive = self.folder / "x.tar"
        subprocess.run(["tar", "-C", self.folder, "-cf", archive, "bin"], check=True)
        for path, why in ((archive, "no index.json"), (self.folder / "none", "No such file")):
            done = subprocess.run([sys.executable, self.RECIPE / "files/oci-image-id", path], text=True, capture_output=True, check=False)
            self.assert_fails(done, why, str(path))

    def test_the_id_is_set(self) -> None:
        settings = self.folder / "tensorrt-llm.conf"
        settings.write_text((ROOT / "config/tensorrt-llm/thox.conf").read_text())
        recipe = (self.RECIPE / "tensorrt-engine_1.0.bb").read_text()
        line = re.search(r'^ +(sed -i .*) \$\{D\}\$\{nonarch_libdir\}/thox/tensorrt-llm.conf$', recipe, re.M)
        assert line
        image = "sha256:" + "c" * 64
        count = lambda text: settings.read_text().splitlines().count(text)  # noqa: E731
        self.assertEqual(count("TENSORRT_LLM_IMAGE="), 1, "no tag is a default")
        subprocess.run(["sh", "-euc", f"id={image}; {line[1]} {settings}"], check=True)
        self.assertEqual((count("TENSORRT_LLM_IMAGE="), count(f"TENSORRT_LLM_IMAGE={image}")), (0, 1))


class LastWords(Stage):
    def end(self, result: str):
        return self.run_script(
            "config/libexec/thox-engine-log", str(self.folder / "engine.log"), INVOCATION_ID="abc", SERVICE_RESULT=result
        )

    def setUp(self) -> None:
        super().setUp()
        self.log = self.folder / "engine.log"
        self.double("journalctl", "echo Loading; echo ValueError")
        self.double("chgrp", "")

    def test_kept_after_a_failure(self) -> None:
        self.assert_ok(self.end("exit-code"))
        self.assertEqual(self.log.read_text(), "Loading\nValueError\n")
        self.assertEqual(self.log.stat().st_mode & 0o777, 0o640)
        asked = [call for call in self.calls() if call.startswith("journalctl")]
        self.assertTrue(asked[0].endswith("_SYSTEMD_INVOCATION_ID=abc"), asked)
        self.assertTrue([call for call in self.calls() if call.startswith("chgrp thox")], self.calls())

    def test_an_end_that_was_wanted_changes_nothing(self) -> None:
        self.log.write_text("of the failure before")
        self.assert_ok(self.end("success"))
        self.assertEqual(self.log.read_text(), "of the failure before")
        self.assertEqual(self.calls(), [])


class Cdi(Stage):
    def setUp(self) -> None:
        super().setUp()
        self.spec = self.folder / "cdi/nvidia.yaml"

    def describe(self):
        passthrough = self.folder / "passthrough"
        passthrough.mkdir(exist_ok=True)
        return self.run_script(
            "config/libexec/thox-cdi", THOX_DEV=self.folder / "dev", THOX_CDI=self.spec,
            THOX_GPU_GROUPS_FILE=self.folder / "groups", NVIDIA_CTK_PASSTHROUGH_ROOT=passthrough,
        )  # fmt: skip

    def test_the_nodes_groups_by_number(self) -> None:
        dev = self.folder / "dev"
        for name, group in (("nvmap", 44), ("nvhost-ctrl-gpu", 44), ("nvgpu/igpu0/power", 45), ("nvgpu/igpu0/dbg", 99),
                            ("dri/renderD128", 107), ("dma_heap/system", 0)):  # fmt: skip
            (dev / name).parent.mkdir(parents=True, exist_ok=True)
            (dev / name).write_text("")
            os.chown(dev / name, 0, group)
        self.double("nvidia-ctk", NVIDIA_CTK)
        self.assert_ok(self.describe())
        groups = (self.folder / "groups").read_text().strip()
        self.assertEqual(groups, "THOX_GPU_GROUPS=--group-add=45 --group-add=44 --group-add=107", "not the debuggers', not root's")
        self.assertIn("--mode=csv", self.calls()[0])
        self.assertIn("cdiVersion", self.spec.read_text())
        self.assertEqual([path.name for path in self.spec.parent.iterdir()], ["nvidia.yaml"], "podman reads all that is here")

    def test_none_is_written(self) -> None:
        self.double("nvidia-ctk", "")
        self.assert_fails(self.describe(), "wrote no", str(self.spec))
