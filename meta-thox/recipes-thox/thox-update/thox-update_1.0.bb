SUMMARY = "Updates of a Thox device: RAUC's back-end for the two slots of a Jetson, and what confirms a slot"

THOX_FILES = "\
    config/rauc/nvbootctrl-backend=${nonarch_libdir}/thox/rauc/nvbootctrl-backend;0755 \
    config/rauc/post-install=${nonarch_libdir}/thox/rauc/post-install;0755 \
    config/libexec/thox-commit=${nonarch_libdir}/thox/libexec/thox-commit;0755 \
    systemd/thox-commit.service=${systemd_system_unitdir}/thox-commit.service \
"
inherit systemd thox_system

SYSTEMD_SERVICE:${PN} = "thox-commit.service"

RDEPENDS:${PN} = "rauc rauc-conf tegra-redundant-boot thox-data thoxd"
