SUMMARY = "The update bundle of a Thox device"
DESCRIPTION = "One signed file for RAUC, with the root of thox-image."

require thox-bundle.inc

RAUC_BUNDLE_DESCRIPTION = "Thox ${DISTRO_VERSION} for ${MACHINE}"
RAUC_SLOT_rootfs = "thox-image"
