# Not -dev: that package is made of packagegroup-thox, like that of every recipe.
SUMMARY = "Tools for those who develop a Thox device"
DESCRIPTION = "To look at its processes, network, firmware variables and GPU."
SECTION = "thox"

PACKAGE_ARCH = "${MACHINE_ARCH}"
inherit packagegroup

RDEPENDS:${PN} = "\
    curl \
    efivar \
    htop \
    jq \
    strace \
    systemd-analyze \
    tcpdump \
    tegra-tools-tegrastats \
    util-linux-wdctl \
"

COMPATIBLE_MACHINE = "(tegra)"
