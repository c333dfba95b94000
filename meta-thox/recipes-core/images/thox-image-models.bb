SUMMARY = "The system of a Thox device with its first models, for one that never sees the Internet"
DESCRIPTION = "As thox-image; thox-provision puts the models on /data at the first boot."

require thox-image.bb

IMAGE_INSTALL += "thox-models"
