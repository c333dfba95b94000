SUMMARY = "The data partition of a Thox device"
DESCRIPTION = "systemd-repart makes it behind the two slots; it survives updates and is what a factory reset empties."

THOX_FILES = "\
    systemd/data.mount=${systemd_system_unitdir}/data.mount \
    systemd/etc-thox.mount=${systemd_system_unitdir}/etc-thox.mount \
    systemd/var-lib-ollama.mount=${systemd_system_unitdir}/var-lib-ollama.mount \
    systemd/var-lib-systemd-timesync.mount=${systemd_system_unitdir}/var-lib-systemd-timesync.mount \
    systemd/var-lib-thox.mount=${systemd_system_unitdir}/var-lib-thox.mount \
"
inherit systemd thox_system

# Behind the class, which begins the list.
SRC_URI += "file://50-thox-data.conf"

do_install:append() {
    install -D -m 0644 ${UNPACKDIR}/50-thox-data.conf ${D}${nonarch_libdir}/repart.d/50-thox-data.conf
    # Where it is mounted; the root cannot make folders.
    install -d ${D}/data
}

SYSTEMD_SERVICE:${PN} = "\
    data.mount \
    etc-thox.mount \
    var-lib-ollama.mount \
    var-lib-systemd-timesync.mount \
    var-lib-thox.mount \
"

FILES:${PN} += "/data"
RDEPENDS:${PN} = "e2fsprogs-e2fsck e2fsprogs-mke2fs e2fsprogs-resize2fs"
