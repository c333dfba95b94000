SUMMARY = "The firewall of a Thox device"
DESCRIPTION = "What may come in is listed: the API, mDNS, and SSH while it runs."

THOX_FILES = "\
    config/libexec/thox-firewall=${nonarch_libdir}/thox/libexec/thox-firewall;0755 \
    config/nftables/thox.nft=${nonarch_libdir}/thox/thox.nft \
    systemd/thox-firewall.service=${systemd_system_unitdir}/thox-firewall.service \
"
inherit systemd thox_system

SYSTEMD_SERVICE:${PN} = "thox-firewall.service"

RDEPENDS:${PN} = "nftables"
# Where the kernel has them as modules.
RRECOMMENDS:${PN} = "kernel-module-nf-conntrack kernel-module-nf-tables kernel-module-nft-ct kernel-module-nft-limit"
