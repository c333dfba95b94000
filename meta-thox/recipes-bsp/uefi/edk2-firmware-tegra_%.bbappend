# The firmware takes capsules that THOX_KEYS' root stands for. Without this it would trust EDK2's public test root: it would
# refuse ours and take anybody's.
FILESEXTRAPATHS:prepend:distro-thox := "${THISDIR}/files:"

SRC_URI:append:distro-thox = " file://capsule-root file://thox-capsule-root.cfg"

# Behind the recipe's own, which has read the fragment. The build looks for what it includes in the folder of config.dsc.inc.
# nooelint: oelint.func.specific - the distribution's override (conf/distro/thox.conf).
do_configure:append:distro-thox() {
    settings=${B}/nvidia-config/Tegra/${EDK2_PLATFORM}
    if ! grep -q '^CONFIG_FMP_CERTIFICATES_PRODUCTION_FILE=y' $settings/.config ||
        grep -q '^CONFIG_FMP_CERTIFICATES_\(EDK2_TEST_FILE\|DTB\)=y' $settings/.config; then
        bbfatal "the firmware would trust another root for capsules than THOX_KEYS': $settings/.config does not take \
CONFIG_FMP_CERTIFICATES_PRODUCTION_FILE; see what became of it in Platform/NVIDIA/Kconfig of edk2-nvidia"
    fi
    ${PYTHON} ${UNPACKDIR}/capsule-root ${UEFI_CAPSULE_TRUSTED_PUBLIC_CERT} > $settings/thox-capsule-root.inc
}

# Another root in the same folder is another firmware (conf/distro/include/thox-signing.inc).
do_configure[file-checksums] += "${@d.getVar('THOX_CAPSULE_ROOT') or ''}"
