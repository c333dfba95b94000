SUMMARY = "The system of a Thox device, for those who develop it"
DESCRIPTION = "As thox-image, with tools, and a root shell for whoever holds the serial cable. SSH stays by key alone."

require thox-image.inc

# For the workbench: a release is thox-image (yocto/release.yml), which has none of these.
# nooelint: oelint.var.badimagefeature
IMAGE_FEATURES += "empty-root-password post-install-logging serial-autologin-root tools-debug"
IMAGE_INSTALL += "packagegroup-thox-tools"
