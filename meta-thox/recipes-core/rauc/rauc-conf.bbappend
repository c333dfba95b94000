# Slots and handlers as config/rauc/system.conf.in has them. A board takes its own bundles alone, signed by whom the
# certificate in THOX_KEYS stands for: by its name, since of an absolute path bitbake would keep the folders too.
FILESEXTRAPATHS:prepend:distro-thox := "${THOX_KEYS}:${THOX_SOURCE}/config/rauc:"

SRC_URI:append:distro-thox = " file://system.conf.in"

# The distribution's override (conf/distro/thox.conf).
# nooelint: oelint.func.specific
do_install:prepend:distro-thox() {
    sed 's,@COMPATIBLE@,thox-${MACHINE},' ${UNPACKDIR}/system.conf.in > ${UNPACKDIR}/system.conf
}

PACKAGE_ARCH:distro-thox = "${MACHINE_ARCH}"
