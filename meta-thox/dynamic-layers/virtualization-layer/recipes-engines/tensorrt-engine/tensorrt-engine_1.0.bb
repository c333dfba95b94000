SUMMARY = "TensorRT Edge-LLM on a Thox device"
DESCRIPTION = "thoxd starts tensorrt-llm@MODEL.service, which podman makes of the quadlet. The container's image is loaded \
from a file, which this may carry, and never from a network."

# JetPack 7: tensorrt-llm-jetpack6@.container is for boards that stay on JetPack 6.
THOX_FILES = "\
    config/containers/thox-storage.conf=${nonarch_libdir}/thox/containers-storage.conf \
    config/libexec/thox-cdi=${nonarch_libdir}/thox/libexec/thox-cdi;0755 \
    config/libexec/thox-engine-log=${nonarch_libdir}/thox/libexec/thox-engine-log;0755 \
    config/libexec/thox-tensorrt-image=${nonarch_libdir}/thox/libexec/thox-tensorrt-image;0755 \
    config/tensorrt-llm/thox.conf=${nonarch_libdir}/thox/tensorrt-llm.conf \
    systemd/tensorrt-llm@.container=${datadir}/containers/systemd/tensorrt-llm@.container \
    systemd/thox-cdi.service=${systemd_system_unitdir}/thox-cdi.service \
    systemd/thox-tensorrt-image.service=${systemd_system_unitdir}/thox-tensorrt-image.service \
"
inherit systemd thox_system

SRC_URI += "file://oci-image-id"

PACKAGE_ARCH = "${TEGRA_PKGARCH}"

# The container's image as a file (podman save --format oci-archive) that the device's image carries, and the file's sha256;
# the device then runs the image in it and no other. Empty: somebody copies one to the device, and
# /etc/thox/tensorrt-llm.conf says where it is and which.
THOX_TENSORRT_ARCHIVE ??= ""
THOX_TENSORRT_ARCHIVE_SHA256 ??= ""

REQUIRED_DISTRO_FEATURES += "polkit virtualization"

do_install:append() {
    if [ -n "${THOX_TENSORRT_ARCHIVE}" ]; then
        echo "${THOX_TENSORRT_ARCHIVE_SHA256}  ${THOX_TENSORRT_ARCHIVE}" | sha256sum --check --quiet - ||
            bbfatal "THOX_TENSORRT_ARCHIVE: ${THOX_TENSORRT_ARCHIVE} has not the sha256 that THOX_TENSORRT_ARCHIVE_SHA256 names"
        install -D -m 0644 ${THOX_TENSORRT_ARCHIVE} ${D}${datadir}/thox/tensorrt-edge-llm.oci.tar
        id=$(python3 ${UNPACKDIR}/oci-image-id ${THOX_TENSORRT_ARCHIVE}) || bbfatal "THOX_TENSORRT_ARCHIVE: above"
        sed -i "s/^TENSORRT_LLM_IMAGE=.*/TENSORRT_LLM_IMAGE=$id/" ${D}${nonarch_libdir}/thox/tensorrt-llm.conf
    fi
}
do_install[file-checksums] += "${@d.getVar('THOX_TENSORRT_ARCHIVE') + ':True' if d.getVar('THOX_TENSORRT_ARCHIVE') else ''}"

# Both are started by whoever needs them: udev, the quadlet.
SYSTEMD_SERVICE:${PN} = "thox-cdi.service thox-tensorrt-image.service"
SYSTEMD_AUTO_ENABLE = "disable"

FILES:${PN} += "${datadir}/containers ${datadir}/thox"
RDEPENDS:${PN} = "coreutils nvidia-container-toolkit podman thox-engines thoxd"

COMPATIBLE_MACHINE = "(tegra)"
