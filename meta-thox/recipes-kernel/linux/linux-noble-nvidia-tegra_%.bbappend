# What updates, the firewall and containers need of the kernel.
FILESEXTRAPATHS:prepend:thox := "${THISDIR}/${PN}:"

SRC_URI:append:thox = " file://thox.cfg"
