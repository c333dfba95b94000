# The EFI system partition of the disk that the system runs from, not of a stick (udev/65-thox-disk.rules). The recipe copies
# its unit's text and puts in the place alone.
# nooelint: oelint.func.specific - the distribution's override (conf/distro/thox.conf).
do_install:append:distro-thox() {
    sed -i 's,^What=/dev/disk/by-partlabel/esp$,What=/dev/disk/thox/esp,' ${D}${systemd_system_unitdir}/${ESPMOUNTUNIT}
    grep -q '^What=/dev/disk/thox/esp$' ${D}${systemd_system_unitdir}/${ESPMOUNTUNIT} ||
        bbfatal "${ESPMOUNTUNIT} mounts something else than by-partlabel/esp: see that it is of the disk that the system runs from"
}
