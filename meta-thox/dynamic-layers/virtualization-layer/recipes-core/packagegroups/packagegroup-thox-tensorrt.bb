SUMMARY = "TensorRT Edge-LLM in a container, for models that Ollama is slow with"

PACKAGE_ARCH = "${MACHINE_ARCH}"
inherit features_check packagegroup

REQUIRED_DISTRO_FEATURES = "virtualization"

RDEPENDS:${PN} = "\
    nvidia-container-toolkit \
    podman \
    tensorrt-engine \
"
