SUMMARY = "The update bundle of a Thox device"
DESCRIPTION = "One signed file for RAUC, with the root of thox-image."
HOMEPAGE = "https://github.com/thox-ai/thox"
LICENSE = "MIT"

# It is made of what other recipes deploy.
SRC_URI = ""

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
