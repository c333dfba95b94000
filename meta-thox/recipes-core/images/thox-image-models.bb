SUMMARY = "The system of a Thox device that brings its first models"
DESCRIPTION = "As thox-image, with models in its root, which thox-provision puts on /data: a new device answers without a \
download. Its updates are thox-bundle-models; thox-bundle would leave the models to what is on /data."

require thox-image.inc

IMAGE_INSTALL += "thox-models"
