SUMMARY = "The update bundle of a Thox device: one signed file for RAUC"
HOMEPAGE = "https://github.com/thox-ai/thox"
LICENSE = "MIT"

inherit bundle

# Read block by block while it is verified, also over HTTPS; a device fetches the blocks that it does not have.
RAUC_BUNDLE_FORMAT = "verity"
RAUC_BUNDLE_COMPATIBLE = "thox-${MACHINE}"
RAUC_BUNDLE_VERSION = "${DISTRO_VERSION}"
RAUC_BUNDLE_DESCRIPTION = "Thox ${DISTRO_VERSION} for ${MACHINE}"

RAUC_BUNDLE_SLOTS = "rootfs"
RAUC_SLOT_rootfs = "thox-image"
RAUC_SLOT_rootfs[fstype] = "ext4"
RAUC_SLOT_rootfs[adaptive] = "block-hash-index"

COMPATIBLE_MACHINE = "(tegra)"
