SUMMARY = "The update bundle of a Thox device that brings its models"
DESCRIPTION = "One signed file for RAUC, with the root of thox-image-models: a device that was flashed with that one has its \
models after an update too, and a factory reset finds them there."

require thox-bundle.inc

RAUC_BUNDLE_DESCRIPTION = "Thox ${DISTRO_VERSION} for ${MACHINE}, with models"
RAUC_SLOT_rootfs = "thox-image-models"
