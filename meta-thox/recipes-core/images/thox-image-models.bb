SUMMARY = "The system of a Thox device that brings its first models"
DESCRIPTION = "As thox-image, for a device that never sees the Internet: thox-provision puts the models on /data."

require thox-image.inc

IMAGE_INSTALL += "thox-models"
