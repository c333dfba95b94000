# What updates, the firewall and containers need of the kernel.
FILESEXTRAPATHS:prepend:distro-thox := "${THISDIR}/${PN}:"

SRC_URI:append:distro-thox = " file://thox.cfg"
