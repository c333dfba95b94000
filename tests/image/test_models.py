"""How a new device gets its models, and the engine its container: thox-provision, thox-tensorrt-image, thox-cdi."""

import os

from stage import Stage


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
    IMAGE = "localhost/tensorrt-edge-llm@sha256:" + "a" * 64

    def load(self, archive: str):
        return self.run_script("config/libexec/thox-tensorrt-image", TENSORRT_LLM_IMAGE=self.IMAGE, TENSORRT_LLM_ARCHIVE=archive)

    def test_loaded_once(self) -> None:
        archive = self.folder / "image.tar"
        archive.write_text("x")
        there = self.folder / "there"
        self.double("podman", f'case "$1 $2" in "image exists") [ -e {there} ] ;; "load "*) : >{there} ;; esac')
        self.assert_ok(self.load(str(archive)))
        self.assertIn(f"podman load --quiet --input {archive}", self.calls())
        self.forget_calls()
        self.assert_ok(self.load(str(archive)))
        self.assertEqual(self.calls(), [f"podman image exists {self.IMAGE}"])

    def test_says_what_is_missing(self) -> None:
        self.double("podman", '[ "$1" != image ]')
        self.assert_fails(self.load("/nonexistent"), "/nonexistent", "tensorrt-llm.conf")
        archive = self.folder / "image.tar"
        archive.write_text("x")
        self.assert_fails(self.load(str(archive)), "has no image")


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
    def test_the_nodes_groups_by_number(self) -> None:
        dev = self.folder / "dev"
        for name, group in (("nvmap", 44), ("nvhost-ctrl", 44), ("nvgpu/igpu0/power", 107), ("dma_heap/system", 0)):
            (dev / name).parent.mkdir(parents=True, exist_ok=True)
            (dev / name).write_text("")
            os.chown(dev / name, 0, group)
        self.double("nvidia-ctk", 'for word; do case $word in --output=*) echo cdiVersion: 0.5.0 >"${word#--output=}" ;; esac; done')
        passthrough = self.folder / "passthrough"
        passthrough.mkdir()
        done = self.run_script(
            "config/libexec/thox-cdi", THOX_DEV=dev, THOX_CDI=self.folder / "nvidia.yaml",
            THOX_GPU_GROUPS_FILE=self.folder / "groups", NVIDIA_CTK_PASSTHROUGH_ROOT=passthrough,
        )  # fmt: skip
        self.assert_ok(done)
        self.assertEqual((self.folder / "groups").read_text().strip(), "THOX_GPU_GROUPS=--group-add=44 --group-add=107")
        self.assertIn("--mode=csv", self.calls()[0])
        self.assertTrue((self.folder / "nvidia.yaml").exists())
