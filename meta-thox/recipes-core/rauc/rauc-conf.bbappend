# Slots and handlers as config/rauc/system.conf.in has them. A board takes its own bundles alone.
FILESEXTRAPATHS:prepend:thox := "${THOX_SOURCE}/config/rauc:"

SRC_URI:append:thox = " file://system.conf.in"

do_install:prepend:thox() {
    sed 's,@COMPATIBLE@,thox-${MACHINE},' ${UNPACKDIR}/system.conf.in > ${UNPACKDIR}/system.conf
}

PACKAGE_ARCH:thox = "${MACHINE_ARCH}"
