SUMMARY = "Ollama: the engine for models of ordinary size"
DESCRIPTION = "Upstream's own build. Its CUDA 13 part has Orin's architecture (sm_87) and fits JetPack 7; CUDA 12 and \
Vulkan are left out."
HOMEPAGE = "https://ollama.com"
BUGTRACKER = "https://github.com/ollama/ollama/issues"
SECTION = "thox"
LICENSE = "MIT"
# The archive has no licence file; upstream's is this one.
# nooelint: oelint.var.licenseremotefile
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/MIT;md5=0835ade698e0bcf8506ecda2f7b4f302"

SRC_URI = "https://github.com/ollama/ollama/releases/download/v${PV}/ollama-linux-arm64.tar.zst;subdir=${BP}"
SRC_URI[sha256sum] = "cb627d332b1fe5055bd5485ca10d595da8429e447648209e375390ec3bd09374"

UPSTREAM_CHECK_URI = "https://github.com/ollama/ollama/releases"

inherit systemd thox_files

S = "${UNPACKDIR}/${BP}"

# In ${S} stand bin/ollama and lib/ollama; nothing is built.
INHIBIT_DEFAULT_DEPS = "1"
PACKAGE_ARCH = "${TEGRA_PKGARCH}"
do_configure[noexec] = "1"
do_compile[noexec] = "1"

THOX_FILES = "\
    config/ollama/thox.conf=${nonarch_libdir}/thox/ollama.conf \
    systemd/ollama.service=${systemd_system_unitdir}/ollama.service \
"

do_install() {
    thox_files_do_install
    install -D -m 0755 ${S}/bin/ollama ${D}${bindir}/ollama
    # Ollama looks for them beside itself, in ../lib/ollama, whatever ${libdir} is.
    install -d ${D}${prefix}/lib
    cp -R --no-dereference --preserve=mode,links ${S}/lib/ollama ${D}${prefix}/lib/ollama
    rm -rf ${D}${prefix}/lib/ollama/cuda_v12 ${D}${prefix}/lib/ollama/vulkan
}

SYSTEMD_SERVICE:${PN} = "ollama.service"

FILES:${PN} += "${prefix}/lib/ollama ${nonarch_libdir} ${systemd_system_unitdir}"

# The GPU's driver, which it opens by name.
RDEPENDS:${PN} = "tegra-libraries-cuda tegra-libraries-nvml thox-engines"
# nooelint: oelint.vars.insaneskip - built by others: stripped, with their own flags, and with a CUDA of its own that nobody else may link to.
INSANE_SKIP:${PN} = "already-stripped dev-so file-rdeps ldflags libdir"
EXCLUDE_FROM_SHLIBS = "1"
INHIBIT_PACKAGE_DEBUG_SPLIT = "1"
INHIBIT_PACKAGE_STRIP = "1"
INHIBIT_SYSROOT_STRIP = "1"

COMPATIBLE_HOST = "aarch64.*-linux"
COMPATIBLE_MACHINE = "(tegra)"
