# It says at every boot that the slot is good. thox-commit.service says so, after a model has answered. Disabled and not
# masked: its own post-installation enables it and fails on a mask.
SYSTEMD_AUTO_ENABLE:distro-thox = "disable"
