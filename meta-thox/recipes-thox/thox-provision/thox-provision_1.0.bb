SUMMARY = "The first models of a Thox device"
DESCRIPTION = "Those that its image carries are put in place, the others downloaded through thoxd at the first boot."

THOX_FILES = "\
    config/libexec/thox-provision=${nonarch_libdir}/thox/libexec/thox-provision;0755 \
    config/provision.conf=${nonarch_libdir}/thox/provision.conf \
    systemd/thox-provision.service=${systemd_system_unitdir}/thox-provision.service \
"
inherit systemd thox_system

PACKAGE_ARCH = "${MACHINE_ARCH}"

SYSTEMD_SERVICE:${PN} = "thox-provision.service"

RDEPENDS:${PN} = "ollama thox thox-device"

COMPATIBLE_MACHINE = "(tegra)"
