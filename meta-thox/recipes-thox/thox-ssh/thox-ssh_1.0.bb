SUMMARY = "SSH by key, and only where a key is"
DESCRIPTION = "sshd.socket starts when somebody has given the device a key; an image may bring one (THOX_SSH_AUTHORIZED_KEYS)."

THOX_FILES = "\
    config/ssh/thox.conf=${sysconfdir}/ssh/sshd_config.d/thox.conf \
    systemd/sshd.socket.d/thox.conf=${systemd_system_unitdir}/sshd.socket.d/thox.conf \
"
inherit thox_system

SRC_URI += "${@'file://' + d.getVar('THOX_SSH_AUTHORIZED_KEYS') if d.getVar('THOX_SSH_AUTHORIZED_KEYS') else ''}"

do_install:append() {
    if [ -n "${THOX_SSH_AUTHORIZED_KEYS}" ]; then
        # bitbake keeps the folders of the path.
        install -D -m 0644 ${UNPACKDIR}/${THOX_SSH_AUTHORIZED_KEYS} ${D}${datadir}/thox/authorized_keys
        # Copied once: what the owner writes there later stays.
        install -d ${D}${nonarch_libdir}/tmpfiles.d
        printf '%s\n' 'd /data/system/ssh 0700 root root -' \
            'C /data/system/ssh/authorized_keys 0600 root root - ${datadir}/thox/authorized_keys' \
            > ${D}${nonarch_libdir}/tmpfiles.d/thox-ssh.conf
    fi
}

FILES:${PN} += "${datadir}/thox"
CONFFILES:${PN} = "${sysconfdir}/ssh/sshd_config.d/thox.conf"
RDEPENDS:${PN} = "nftables openssh-sftp-server openssh-sshd thox-firewall"
