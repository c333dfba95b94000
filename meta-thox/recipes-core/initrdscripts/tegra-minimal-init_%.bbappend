# What cannot be started is left: a root that does not come or cannot be mounted ends in a reboot, so that the bootloader's
# counter moves, and never in a shell for whoever holds the serial cable.
FILESEXTRAPATHS:prepend:distro-thox := "${THISDIR}/${BPN}:"

SRC_URI:append:distro-thox = " file://thox-preboot.sh"

# Its /init reads platform-preboot, then waits for the root, mounts it and, if it cannot, becomes a shell.
# nooelint: oelint.func.specific - the distribution's override (conf/distro/thox.conf).
do_install:append:distro-thox() {
    if ! grep -q '^\[.*\] || \. .*/platform-preboot$' ${D}/init || ! grep -q 'exec sh$' ${D}/init; then
        bbfatal "/init of tegra-minimal-init is another than thox-preboot.sh was written for: see that it still ends in a \
reboot when the root cannot be mounted"
    fi
    cat ${UNPACKDIR}/thox-preboot.sh >> ${D}${sysconfdir}/platform-preboot
}
