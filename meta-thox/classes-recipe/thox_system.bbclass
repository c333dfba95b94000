# A recipe that only installs files of the repository and builds nothing.

HOMEPAGE ?= "https://github.com/thox-ai/thox"
BUGTRACKER ?= "https://github.com/thox-ai/thox/issues"
SECTION ?= "thox"
LICENSE = "MIT | Apache-2.0"
LIC_FILES_CHKSUM = "\
    file://LICENSE-MIT;md5=59d8763b3de05ae286918999a138631a \
    file://LICENSE-APACHE;md5=3b83ef96387f14655fc854ddc3c6bd57 \
"

SRC_URI = "\
    file://LICENSE-MIT \
    file://LICENSE-APACHE \
"

S = "${UNPACKDIR}"

inherit features_check thox_files

# What is installed are units, and files of such a system.
REQUIRED_DISTRO_FEATURES = "systemd"

# Nothing is compiled.
INHIBIT_DEFAULT_DEPS = "1"

do_configure[noexec] = "1"
do_compile[noexec] = "1"

FILES:${PN}:append = " ${nonarch_libdir} ${systemd_unitdir}"
