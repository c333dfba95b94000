SUMMARY = "Tools for those who develop a Thox device"

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
"
