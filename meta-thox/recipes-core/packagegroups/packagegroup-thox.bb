SUMMARY = "All of a Thox device"
SUMMARY:${PN}-engines = "What computes: Ollama, and TensorRT Edge-LLM where there are containers"
SUMMARY:${PN}-system = "What makes it a device on a network"
SUMMARY:${PN}-update = "Updates into the other slot, and of the bootloader"
DESCRIPTION = "The service, the engines, the updates, and what makes the board a device on a network."
SECTION = "thox"

PACKAGE_ARCH = "${MACHINE_ARCH}"
inherit packagegroup

PACKAGES = "\
    ${PN} \
    ${PN}-engines \
    ${PN}-system \
    ${PN}-update \
"

RDEPENDS:${PN} = "\
    ${PN}-engines \
    ${PN}-system \
    ${PN}-update \
    thox \
    thoxd \
"

RDEPENDS:${PN}-engines = "\
    ollama \
    ${@bb.utils.contains('DISTRO_FEATURES', 'virtualization', 'packagegroup-thox-tensorrt', '', d)} \
"

RDEPENDS:${PN}-system = "\
    ca-certificates \
    tegra-nvfancontrol \
    tegra-nvpmodel \
    thox-data \
    thox-device \
    thox-firewall \
    thox-provision \
    thox-ssh \
    thox-udev \
    tzdata-core \
"

RDEPENDS:${PN}-update = "\
    rauc \
    rauc-service \
    setup-nv-boot-control-service \
    tegra-redundant-boot \
    tegra-uefi-capsules \
    thox-update \
"

COMPATIBLE_MACHINE = "(tegra)"
