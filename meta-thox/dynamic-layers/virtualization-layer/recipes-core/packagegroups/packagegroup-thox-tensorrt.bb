SUMMARY = "The TensorRT engine of a Thox device"
DESCRIPTION = "TensorRT Edge-LLM in a container, with podman and what describes the GPU to it."
SECTION = "thox"

PACKAGE_ARCH = "${MACHINE_ARCH}"
inherit features_check packagegroup

REQUIRED_DISTRO_FEATURES = "virtualization"

RDEPENDS:${PN} = "\
    nvidia-container-toolkit \
    podman \
    tensorrt-engine \
"

COMPATIBLE_MACHINE = "(tegra)"
