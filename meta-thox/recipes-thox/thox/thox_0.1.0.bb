SUMMARY = "The daemon and the command line of a Thox device"
DESCRIPTION = "thoxd is one private, OpenAI-compatible API in front of the engines of the device, and thox its command \
line. One workspace, one build, two packages."
HOMEPAGE = "https://github.com/thox-ai/thox"
BUGTRACKER = "https://github.com/thox-ai/thox/issues"
SECTION = "thox"
LICENSE = "MIT | Apache-2.0"
LIC_FILES_CHKSUM = "\
    file://LICENSE-MIT;md5=59d8763b3de05ae286918999a138631a \
    file://LICENSE-APACHE;md5=3b83ef96387f14655fc854ddc3c6bd57 \
"

# Cargo reads the manifests of all members, so tests/ is there too; of it nothing is built.
SRC_URI = "\
    file://LICENSE-MIT;subdir=${BP} \
    file://LICENSE-APACHE;subdir=${BP} \
    file://Cargo.toml;subdir=${BP} \
    file://Cargo.lock;subdir=${BP} \
    file://service;subdir=${BP} \
    file://config/thoxd.toml;subdir=${BP} \
    file://tests/Cargo.toml;subdir=${BP} \
    file://tests/src;subdir=${BP} \
    file://tests/bench;subdir=${BP} \
"
require ${BPN}-crates.inc

inherit cargo cargo-update-recipe-crates features_check systemd useradd thox_files

S = "${UNPACKDIR}/${BP}"

REQUIRED_DISTRO_FEATURES = "polkit systemd"

# bitbake strips, and keeps the symbols in a package of their own.
export CARGO_PROFILE_RELEASE_STRIP = "false"
# No embedded engine: a device has real ones.
CARGO_BUILD_FLAGS:append = " --package thoxd --package thox --no-default-features --features thoxd/mcp"

THOX_FILES = "\
    config/dbus/ai.thox.Thoxd1.conf=${datadir}/dbus-1/system.d/ai.thox.Thoxd1.conf \
    config/dbus/ai.thox.Thoxd1.service=${datadir}/dbus-1/system-services/ai.thox.Thoxd1.service \
    config/dbus/ai.thox.Thoxd1.xml=${datadir}/dbus-1/interfaces/ai.thox.Thoxd1.xml \
    config/polkit/50-thox.rules=${datadir}/polkit-1/rules.d/50-thox.rules \
    config/polkit/ai.thox.Thoxd1.policy=${datadir}/polkit-1/actions/ai.thox.Thoxd1.policy \
    config/thoxd.toml=${nonarch_libdir}/thox/config.d/00-default.toml \
    systemd/sysusers.d/thox.conf=${nonarch_libdir}/sysusers.d/thox.conf \
    systemd/thox.slice=${systemd_system_unitdir}/thox.slice \
    systemd/thox.target=${systemd_system_unitdir}/thox.target \
    systemd/thoxd-control.socket=${systemd_system_unitdir}/thoxd-control.socket \
    systemd/thoxd-https.socket=${systemd_system_unitdir}/thoxd-https.socket \
    systemd/thoxd.service=${systemd_system_unitdir}/thoxd.service \
    systemd/thoxd.socket=${systemd_system_unitdir}/thoxd.socket \
    systemd/tmpfiles.d/thox.conf=${nonarch_libdir}/tmpfiles.d/thox.conf \
"

PACKAGE_BEFORE_PN = "thoxd"

USERADD_PACKAGES = "thoxd"
# As systemd/sysusers.d/thox.conf says: on a read-only root nobody can be added at boot.
USERADD_PARAM:thoxd = "--system --no-create-home --home-dir ${localstatedir}/lib/thox --shell ${sbindir}/nologin \
    --comment 'Thox daemon' --user-group thox"

SYSTEMD_PACKAGES = "thoxd"
# thoxd-https.socket goes with tls.enabled and is not started by itself.
SYSTEMD_SERVICE:thoxd = "thox.target thoxd.service thoxd.socket thoxd-control.socket"

do_install() {
    cargo_do_install
    thox_files_do_install
    # What tmpfiles would make, on a root that it cannot write to.
    install -d -m 1775 -g thox ${D}${sysconfdir}/thox/config.d
}

FILES:thoxd += "\
    ${bindir}/thoxd \
    ${datadir}/dbus-1 \
    ${datadir}/polkit-1 \
    ${nonarch_libdir} \
    ${sysconfdir}/thox \
    ${systemd_system_unitdir} \
"
# The device's own commands: reset, claim code, update; the bus that thoxd is on, and who may change the device by it.
RDEPENDS:thoxd = "${PN} (= ${EXTENDPKGV}) dbus polkit"
