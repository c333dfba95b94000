SUMMARY = "What makes a board a Thox device"
DESCRIPTION = "First boot, claim code, factory reset, journal, watchdog, clock, resolver, status LED, update sticks."

THOX_FILES = "\
    config/image.toml=${nonarch_libdir}/thox/config.d/10-image.toml \
    config/libexec/thox-firstboot=${nonarch_libdir}/thox/libexec/thox-firstboot;0755 \
    config/libexec/thox-led=${nonarch_libdir}/thox/libexec/thox-led;0755 \
    config/libexec/thox-usb-update=${nonarch_libdir}/thox/libexec/thox-usb-update;0755 \
    systemd/emergency.service.d/thox.conf=${systemd_system_unitdir}/emergency.service.d/thox.conf \
    systemd/factory-reset=${nonarch_libdir}/thox/factory-reset;0755 \
    systemd/journald.conf.d/thox.conf=${nonarch_libdir}/systemd/journald.conf.d/thox.conf \
    systemd/resolved.conf.d/thox.conf=${nonarch_libdir}/systemd/resolved.conf.d/thox.conf \
    systemd/system.conf.d/thox.conf=${nonarch_libdir}/systemd/system.conf.d/thox.conf \
    systemd/thox-claim-code.service=${systemd_system_unitdir}/thox-claim-code.service \
    systemd/thox-firstboot.service=${systemd_system_unitdir}/thox-firstboot.service \
    systemd/thox-reset.service=${systemd_system_unitdir}/thox-reset.service \
    systemd/thox-usb-update@.service=${systemd_system_unitdir}/thox-usb-update@.service \
    systemd/thoxd.service.d/image.conf=${systemd_system_unitdir}/thoxd.service.d/image.conf \
    systemd/timesyncd.conf.d/thox.conf=${nonarch_libdir}/systemd/timesyncd.conf.d/thox.conf \
"
inherit systemd thox_system

# thoxd's.
REQUIRED_DISTRO_FEATURES += "polkit"

# thox-usb-update@.service is started by udev/80-thox-usb.rules.
SYSTEMD_SERVICE:${PN} = "\
    thox-claim-code.service \
    thox-firstboot.service \
    thox-reset.service \
"

# The scripts are POSIX, and some of what they call busybox has only in part: sync FILE, od -w, chattr.
RDEPENDS:${PN} = "coreutils e2fsprogs findutils openssh-keygen thox-data thox-udev thoxd util-linux-blkid util-linux-mountpoint"
# Sticks with an update.
RRECOMMENDS:${PN} = "kernel-module-exfat kernel-module-uas kernel-module-usb-storage"
