SUMMARY = "What the engines of a Thox device have in common"
DESCRIPTION = "The GPU that they wait for, their users, the slice that bounds their memory, another try when one was given up."

THOX_FILES = "\
    config/libexec/thox-engines-retry=${nonarch_libdir}/thox/libexec/thox-engines-retry;0755 \
    systemd/sysusers.d/thox-engines.conf=${nonarch_libdir}/sysusers.d/thox-engines.conf \
    systemd/thox-engines-retry.service=${systemd_system_unitdir}/thox-engines-retry.service \
    systemd/thox-engines-retry.timer=${systemd_system_unitdir}/thox-engines-retry.timer \
    systemd/thox-engines.slice=${systemd_system_unitdir}/thox-engines.slice \
    systemd/thox-gpu.service=${systemd_system_unitdir}/thox-gpu.service \
    systemd/tmpfiles.d/thox-engines.conf=${nonarch_libdir}/tmpfiles.d/thox-engines.conf \
    config/libexec/thox-gpu=${nonarch_libdir}/thox/libexec/thox-gpu;0755 \
"
inherit systemd thox_system useradd

# thoxd's.
REQUIRED_DISTRO_FEATURES += "polkit"

USERADD_PACKAGES = "${PN}"
# As systemd/sysusers.d/thox-engines.conf says: on a read-only root nobody can be added at boot.
USERADD_PARAM:${PN} = "\
    --system --no-create-home --home-dir ${localstatedir}/lib/ollama --shell ${sbindir}/nologin --comment Ollama --user-group ollama; \
    --system --no-create-home --home-dir /data/tensorrt-llm --shell ${sbindir}/nologin --comment 'TensorRT engine' \
    --uid 960 --user-group tensorrt \
"

SYSTEMD_SERVICE:${PN} = "thox-engines-retry.timer"

RDEPENDS:${PN} = "thox-data thox-udev"
