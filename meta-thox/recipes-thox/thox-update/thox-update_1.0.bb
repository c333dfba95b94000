SUMMARY = "Updates of a Thox device"
DESCRIPTION = "RAUC's back-end for the two slots of a Jetson, the bootloader's capsule, and what confirms a slot."

THOX_FILES = "\
    config/rauc/nvbootctrl-backend=${nonarch_libdir}/thox/rauc/nvbootctrl-backend;0755 \
    config/rauc/post-install=${nonarch_libdir}/thox/rauc/post-install;0755 \
    config/dbus/de.pengutronix.rauc.thox.conf=${sysconfdir}/dbus-1/system.d/de.pengutronix.rauc.thox.conf \
    config/libexec/thox-commit=${nonarch_libdir}/thox/libexec/thox-commit;0755 \
    systemd/thox-commit.service=${systemd_system_unitdir}/thox-commit.service \
"
inherit systemd thox_system

PACKAGE_ARCH = "${MACHINE_ARCH}"

SYSTEMD_SERVICE:${PN} = "thox-commit.service"

# What its scripts call: curl for an answer where a key is wanted; coreutils, since busybox has sync FILE and od -w in part.
RDEPENDS:${PN} = "coreutils curl e2fsprogs rauc rauc-conf tegra-redundant-boot thox thox-data thoxd util-linux-mountpoint"

COMPATIBLE_MACHINE = "(tegra)"
