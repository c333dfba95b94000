"""The engines' part of the image's system: their units, the GPU that they wait for, their containers. booted.py runs these
after its own.
"""

from __future__ import annotations

import json
import re
import sys
import time

from device import ROOT, Device, booted, until

get = booted.get


def test_engines_environment(device: Device) -> str:
    box = device.box
    until("the engine listens", 20, booted.engine_listens)

    def environment() -> str:
        pid = box.show("ollama.service", "MainPID")
        return box.inside("cat", f"/proc/{pid}/environ").stdout.replace("\0", "\n")

    own = environment()
    assert "OLLAMA_HOST=127.0.0.1:11434" in own and "OLLAMA_KV_CACHE_TYPE=q8_0" in own, own
    assert "OLLAMA_CONTEXT_LENGTH=16384" in own
    box.inside("sh", "-c", "echo OLLAMA_CONTEXT_LENGTH=4096 >/etc/thox/ollama.conf")
    box.inside("systemctl", "restart", "ollama.service")
    until("the engine listens", 20, booted.engine_listens)
    assert "OLLAMA_CONTEXT_LENGTH=4096" in environment(), "the owner's word counts more"
    box.inside("rm", "/etc/thox/ollama.conf")
    return "the image's, then the owner's"


# In the quadlet's place.
FAILS_OR_SERVES = """
[Service]
ExecStart=/bin/sh -c 'test ! -e /run/%i-fails && exec sleep infinity'
"""


def test_only_engines_that_failed_are_tried_again(device: Device) -> str:
    box, tensorrt = device.box, "tensorrt-llm@{}.service".format
    state = lambda unit: box.show(unit, "ActiveState")  # noqa: E731

    def retry() -> None:
        # So many in a row are a test's.
        box.inside("systemctl", "reset-failed", "thox-engines-retry.service")
        box.inside("systemctl", "start", "thox-engines-retry.service")
        # It waits for no start; what it wanted is under way or over.
        until("nothing is started", 30, lambda: "No jobs" in box.inside("systemctl", "list-jobs").stdout)

    def failing(model: str) -> None:
        box.inside("mkdir", "-p", f"/data/tensorrt-llm/{model}/model")
        box.inside("touch", f"/run/{model}-fails")
        box.inside("systemctl", "start", tensorrt(model), check=False)
        until(f"{model} is given up", 30, lambda: state(tensorrt(model)) == "failed")
        box.inside("rm", f"/run/{model}-fails")

    box.write("/run/systemd/system/tensorrt-llm@.service", FAILS_OR_SERVES)
    box.write("/run/systemd/system/ollama.service.d/zz-dead.conf", "[Service]\nExecStart=\nExecStart=/bin/false\nRestartSec=50ms\nRestartSteps=0\n")
    box.inside("systemctl", "daemon-reload")
    box.inside("systemctl", "restart", "ollama.service", check=False)
    until("systemd gives it up", 30, lambda: state("ollama.service") == "failed")
    box.inside("rm", "/run/systemd/system/ollama.service.d/zz-dead.conf")
    # By the timer, which is a test's only in how soon it is.
    box.write("/run/systemd/system/thox-engines-retry.timer.d/soon.conf", "[Timer]\nOnActiveSec=\nOnActiveSec=1s\n")
    box.inside("systemctl", "daemon-reload")
    box.inside("systemctl", "restart", "thox-engines-retry.timer")
    until("it is tried again", 30, lambda: state("ollama.service") == "active")
    box.inside("rm", "-r", "/run/systemd/system/thox-engines-retry.timer.d")
    box.inside("systemctl", "daemon-reload")
    box.inside("systemctl", "restart", "thox-engines-retry.timer")
    for stop in (("thox", "engines", "stop", "ollama"), ("systemctl", "stop", "ollama.service")):
        box.inside(*stop)
        retry()
        assert state("ollama.service") == "inactive", f"{stop}: it stays as somebody wanted it"
        box.inside("systemctl", "start", "ollama.service")
    failing("early")
    failing("late")
    retry()
    assert [state(tensorrt(model)) for model in ("early", "late")] == ["failed", "active"], "the one that was wanted last, alone"
    retry()
    assert state(tensorrt("early")) == "failed", "none beside another"
    box.inside("systemctl", "stop", tensorrt("late"))
    box.inside("systemctl", "reset-failed", tensorrt("early"))
    retry()
    assert [state(tensorrt(model)) for model in ("early", "late")] == ["inactive"] * 2, "stopped and forgotten"
    box.inside("rm", "-r", "/run/systemd/system/tensorrt-llm@.service", "/data/tensorrt-llm")
    box.inside("systemctl", "daemon-reload")
    return "those that failed, and none that was stopped"


def test_quadlet(device: Device) -> str:
    box = device.box
    start = box.show("tensorrt-llm@qwen.service", "ExecStart")
    for word in ("--pull never", "--cap-drop all", "--read-only", "--user 960:960", "no-new-privileges", "nvidia.com/gpu=all",
                 "--host 127.0.0.1", "/data/tensorrt-llm/qwen/model:/model:ro", "${TENSORRT_LLM_IMAGE}",
                 # In no braces and no quotes: systemd makes a word of each group. Without them no node lets it in.
                 " $THOX_GPU_GROUPS "):  # fmt: skip
        assert word in start, (word, start)
    for name, value in (("Slice", "thox-engines.slice"), ("OOMScoreAdjust", "600"), ("ConditionResult", "no")):
        assert box.show("tensorrt-llm@qwen.service", name) == value, name
    assert "network-online" not in box.show("tensorrt-llm@qwen.service", "After")
    # On JetPack 6 the other one has this one's name.
    other = (ROOT / "systemd/tensorrt-llm-jetpack6@.container").read_text()
    box.write("/run/jetpack6/tensorrt-llm@.container", other)
    dry = box.inside("env", "QUADLET_UNIT_DIRS=/run/jetpack6", "/usr/libexec/podman/quadlet", "-dryrun").stdout
    for word in ("--pull never", "--cap-drop all", "--read-only", "--user 960:960", "no-new-privileges", "nvidia.com/gpu=all",
                 "--host 127.0.0.1", "openai_server.py", "Slice=thox-engines.slice", " $THOX_GPU_GROUPS "):  # fmt: skip
        assert word in dry, (word, dry)
    return "both command lines, word by word"


# The quadlet's place, with a server that compiles for a moment; what is called at its end is the quadlet's own.
COMPILES = """
[Unit]
ConditionPathIsDirectory=/data/tensorrt-llm/%i/model
[Service]
ExecStart=/bin/sh -c 'case %i in broken*) echo "ValueError: no recipe for this" >&2; sleep 1; exit 1;; esac; sleep 2; mkdir -p /data/tensorrt-llm/%i/cache; head -c 4000 /dev/zero >/data/tensorrt-llm/%i/cache/engine; sleep infinity | /opt/double edge-llm --port 8000'
{end}
Restart=on-failure
RestartSec=1s
"""


def test_an_engine_is_built(device: Device) -> str:
    """By the command line, thoxd, the real systemd and the real polkit."""
    box, name = device.box, "qwen2.5-coder-7b"
    quadlet = (ROOT / "systemd/tensorrt-llm@.container").read_text()
    end = re.search(r"^ExecStopPost=.*thox-engine-log.*$", quadlet, re.M)
    box.write("/run/systemd/system/tensorrt-llm@.service", COMPILES.format(end=end[0]))
    box.inside("systemctl", "daemon-reload")
    none = box.inside("thox", "models", "build", name, check=False)
    assert none.returncode == 5 and f"/data/tensorrt-llm/{name}/model" in none.stderr, none.stderr
    for model in (name, "broken"):
        box.inside("mkdir", "-p", f"/data/tensorrt-llm/{model}/model")
    start = time.monotonic()
    broken = box.inside("thox", "models", "build", "broken", check=False)
    assert broken.returncode == 1 and "ValueError: no recipe for this" in broken.stderr, broken.stderr
    assert box.show("tensorrt-llm@broken.service", "ActiveState") == "inactive", "it is not tried again"
    built = box.inside("thox", "models", "build", name)
    assert f"{name} is built" in built.stdout, built.stdout
    assert box.show(f"tensorrt-llm@{name}.service", "ActiveState") == "active", "it serves"
    models = [model["id"] for model in json.loads(get("/v1/models")[1])["data"]]
    assert name in models, models
    took = time.monotonic() - start
    box.inside("systemctl", "stop", f"tensorrt-llm@{name}.service")
    box.inside("rm", "-r", "/run/systemd/system/tensorrt-llm@.service", "/data/tensorrt-llm")
    box.inside("systemctl", "daemon-reload")
    return f"one that fails, with its last words, and one that is served: {took:.0f} s"


# Of a Jetson, what thox-gpu looks for; how long it waits.
GPU_NODES = ("nvgpu/igpu0/power", "nvgpu/igpu0/ctrl", "nvmap", "host1x-fence")
ON_A_JETSON = "[Unit]\nConditionPathExistsGlob=\n[Service]\nEnvironment=THOX_GPU_WAIT=4\n"


def test_an_engine_waits_for_the_gpu(device: Device) -> str:
    """The real units and scripts; the nodes are files."""
    box = device.box
    until("the engine listens", 20, booted.engine_listens)
    assert box.show("thox-gpu.service", "ConditionResult") == "no", "no Jetson, and nothing that is waited for"
    nodes = [f"/dev/{name}" for name in GPU_NODES]
    stop = lambda: box.inside("systemctl", "stop", "ollama.service", "thox-gpu.service", "thox-cdi.service")  # noqa: E731
    invocation = lambda: box.show("ollama.service", "InvocationID")  # noqa: E731
    entered = lambda unit: int(box.show(unit, "ActiveEnterTimestampMonotonic"))  # noqa: E731
    box.write("/run/systemd/system/thox-gpu.service.d/jetson.conf", ON_A_JETSON)
    box.inside("systemctl", "daemon-reload")
    try:
        stop()
        start = time.monotonic()
        box.inside("systemctl", "start", "ollama.service")
        waited = time.monotonic() - start
        assert 4 <= waited < 20 and box.show("ollama.service", "ActiveState") == "active", waited
        assert box.show("thox-gpu.service", "ActiveState") == "failed"
        said = box.inside("journalctl", "-u", "thox-gpu.service", "-b", "-o", "cat", "--no-pager").stdout
        assert "no GPU after 4 s: /dev/nvgpu/igpu0/power is missing" in said, said
        # TensorRT has no CPU to fall back on: it is refused, and a list without the GPU is not kept.
        refused = box.inside("systemctl", "start", "thox-cdi.service", check=False)
        assert refused.returncode != 0 and box.show("thox-cdi.service", "ActiveState") == "inactive", refused.stderr
        before = invocation()
        box.inside("mkdir", "-p", "/dev/nvgpu/igpu0")
        box.inside("touch", *nodes)
        box.inside("systemctl", "start", "thox-gpu.service")
        until("Ollama has started again, with it", 20, lambda: invocation() != before and box.show("ollama.service", "ActiveState") == "active")
        stop()
        box.inside("systemctl", "start", "ollama.service")
        assert 0 < entered("thox-gpu.service") < entered("ollama.service"), "first awake, then used"
        assert box.inside("cat", nodes[0]).stdout == "1\n", "powered on"
        before = invocation()
        box.inside("systemctl", "start", "thox-gpu.service", "thox-cdi.service")
        assert invocation() == before, "an engine that has its GPU is left alone"
    finally:
        box.inside("rm", "-rf", "/run/systemd/system/thox-gpu.service.d", "/dev/nvgpu", *nodes[2:])
        box.inside("systemctl", "daemon-reload")
        box.inside("systemctl", "reset-failed", "thox-gpu.service", check=False)
    return f"{waited:.1f} s, then without; with it when it comes"


# udev's database of one device, as the rule would leave it: some device that a container has stands for the GPU's.
UDEV_ENTRY = """
sed -n 's/.*TAG+="systemd", \\(ENV.*\\)$/\\1/p' /usr/lib/udev/rules.d/70-thox-gpu.rules |
    grep -o 'ENV{[A-Z_]*}+="[^"]*"' | sed 's/^ENV{\\(.*\\)}+="\\(.*\\)"$/E:\\1=\\2/' >/run/entry
grep -c SYSTEMD /run/entry
mkdir -p /run/udev/data /run/udev/tags/systemd
{ echo I:1; cat /run/entry; echo G:systemd; echo Q:systemd; echo V:1; } >/run/udev/data/c1:3
: >/run/udev/tags/systemd/c1:3 && : >/run/udev/control
# systemd takes devices of a system whose /sys can be written.
mount -o remount,rw,bind /sys
systemctl daemon-reexec
"""


def test_the_gpus_device_unit_starts_the_engines(device: Device) -> str:
    """What the rule of udev asks of systemd; that the rule fits the device is udev's own test's business."""
    box = device.box
    box.inside("systemctl", "stop", "ollama.service", "thox-gpu.service", "thox-cdi.service")
    box.write("/run/systemd/system/thox-gpu.service.d/jetson.conf", ON_A_JETSON)
    box.inside("mkdir", "-p", "/dev/nvgpu/igpu0")
    box.inside("touch", *(f"/dev/{name}" for name in GPU_NODES))
    box.inside("systemctl", "daemon-reload")
    assert box.inside("sh", "-c", UDEV_ENTRY).stdout == "2\n", "SYSTEMD_ALIAS and SYSTEMD_WANTS"
    active = lambda unit: box.show(unit, "ActiveState") == "active"  # noqa: E731
    units = ["dev-thox-gpu.device", "thox-gpu.service", "ollama.service", "thox-cdi.service"]
    took = until("the GPU and what is started for it are there", 30, lambda: all(active(unit) for unit in units))
    # As it was: nobody's devices.
    device.again()
    return f"dev-thox-gpu.device, then all three, {took:.1f} s"


def test_the_gpu_is_described_to_podman(device: Device) -> str:
    """thox-cdi in its own sandbox; what it leaves is what the quadlet asks for."""
    box = device.box
    # On a host with control groups of version 1 systemd leaves the container's /run writable where it protects those.
    box.write("/run/systemd/system/thox-cdi.service.d/board.conf", "[Service]\nProtectControlGroups=no\n")
    box.inside("systemctl", "daemon-reload")
    strict = ["systemd-run", "--wait", "--pipe", "--quiet", "--property=ProtectSystem=strict", "mkdir", "/run/not-ours"]
    assert "Read-only" in box.inside(*strict, check=False).stderr, "as on a board"
    box.inside("rm", "-rf", "/run/cdi")
    box.inside("systemctl", "restart", "thox-cdi.service")
    spec = box.inside("cat", "/run/cdi/nvidia.yaml").stdout
    kind = re.search(r"^kind: (\S+)$", spec, re.M)
    assert kind, spec
    described = {f"{kind[1]}={name}" for name in re.findall(r"^ +- name: \"?(\w+)\"?$", spec, re.M)}
    asked = re.findall(r"--device (\S+)", box.show("tensorrt-llm@qwen.service", "ExecStart"))
    assert asked and set(asked) <= described, (asked, described)
    for when in ("Requires", "After"):
        assert {"thox-cdi.service", "thox-tensorrt-image.service"} <= set(box.show("tensorrt-llm@qwen.service", when).split()), when
    groups = box.inside("cat", "/run/thox-cdi/gpu-groups.env").stdout
    assert groups.startswith("THOX_GPU_GROUPS="), groups
    assert box.inside("stat", "-c", "%a %U", "/run/cdi/nvidia.yaml").stdout == "644 root\n", "podman of the unit reads it"
    # Described anew, not beside: two files with one name would be none.
    box.inside("systemctl", "restart", "thox-cdi.service")
    assert box.inside("ls", "-A", "/run/cdi").stdout == "nvidia.yaml\n"
    box.inside("rm", "-r", "/run/systemd/system/thox-cdi.service.d")
    box.inside("systemctl", "daemon-reload")
    return ", ".join(asked)


PACK = """
export CONTAINERS_STORAGE_CONF=/usr/lib/thox/containers-storage.conf PODMAN_IGNORE_CGROUPSV1_WARNING=1
mkdir -p /run/pack && echo "hello $1" >/run/pack/hello && tar -C /run/pack -cf /run/pack.tar hello
podman import --quiet /run/pack.tar localhost/tensorrt-edge-llm:1 >&2
podman save --quiet --format oci-archive --output /data/system/engine-$1.oci localhost/tensorrt-edge-llm:1 >&2
podman images --no-trunc --format '{{.ID}}'
podman rmi --force localhost/tensorrt-edge-llm:1 >&2
"""
OCI_IMAGE_ID = "meta-thox/dynamic-layers/virtualization-layer/recipes-engines/tensorrt-engine/files/oci-image-id"


def test_container_image_from_a_file(device: Device) -> str:
    box = device.box
    # Two releases, with the same name in them.
    first, second = (box.inside("sh", "-e", "-c", PACK, "-", release).stdout.strip() for release in ("1", "2"))
    assert first != second and all(re.fullmatch("sha256:[0-9a-f]{64}", image) for image in (first, second)), (first, second)
    for release, image in (("1", first), ("2", second)):
        # What the recipe writes into the settings is what podman calls it.
        said = booted.run(sys.executable, ROOT / OCI_IMAGE_ID, device.disk / f"system/engine-{release}.oci", capture_output=True).stdout
        assert said.strip() == image, (said, image)
    podman = "export CONTAINERS_STORAGE_CONF=/usr/lib/thox/containers-storage.conf; podman "
    images = lambda: box.inside("sh", "-c", podman + "images --no-trunc --format '{{.ID}} {{.Digest}}'").stdout.split()  # noqa: E731
    assert images() == []

    def load(name: str, release: str) -> str:
        box.write("/etc/thox/tensorrt-llm.conf", f"TENSORRT_LLM_IMAGE={name}\nTENSORRT_LLM_ARCHIVE=/data/system/engine-{release}.oci\n")
        box.inside("systemctl", "restart", "thox-tensorrt-image.service", check=False)
        return box.show("thox-tensorrt-image.service", "Result")

    said = lambda: box.inside("journalctl", "-u", "thox-tensorrt-image.service", "--no-pager", "-n", "20").stdout  # noqa: E731
    # The unit has no network, and podman runs in what the unit leaves it.
    assert load(f"sha256:{'0' * 64}", "1") == "exit-code", "another image than the one that was tested"
    assert load("localhost/tensorrt-edge-llm:1", "1") == "exit-code" and "no digest" in said(), "a tag is anything"
    assert load(first, "1") == "success", said()
    assert first in images(), images()
    assert load(f"localhost/tensorrt-edge-llm@{images()[images().index(first) + 1]}", "1") == "success", said()
    # An update: the same file's name and the same tag, another image; the one before it goes.
    assert load(second, "2") == "success", said()
    assert second in images() and first not in images(), images()
    started = box.inside("sh", "-c", podman + f"create --pull never --network host {second} /hello", check=False)
    assert started.returncode == 0, started.stderr
    box.inside("sh", "-c", podman + "rm --all --force")
    box.inside("rm", "/etc/thox/tensorrt-llm.conf")
    return "by its id and by its digest, and no other; another one with an update"
