SUMMARY = "The system of a Thox device, for those who develop it"
DESCRIPTION = "As thox-image, with tools, and a root shell on the serial console for whoever holds the cable. SSH stays by \
key alone."

require thox-image.inc

IMAGE_FEATURES += "empty-root-password post-install-logging serial-autologin-root tools-debug"
IMAGE_INSTALL += "packagegroup-thox-dev"
