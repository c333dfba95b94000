SUMMARY = "Rules for udev on a Thox device"
DESCRIPTION = "Whose the GPU's nodes and the status LED are, which partitions are the system's, and what happens with an \
update stick."

THOX_FILES = "\
    config/libexec/thox-own-disk=${nonarch_libdir}/thox/libexec/thox-own-disk;0755 \
    udev/65-thox-disk.rules=${nonarch_base_libdir}/udev/rules.d/65-thox-disk.rules \
    udev/70-thox-gpu.rules=${nonarch_base_libdir}/udev/rules.d/70-thox-gpu.rules \
    udev/75-thox-led.rules=${nonarch_base_libdir}/udev/rules.d/75-thox-led.rules \
    udev/80-thox-usb.rules=${nonarch_base_libdir}/udev/rules.d/80-thox-usb.rules \
"
inherit thox_system

# thoxd's.
REQUIRED_DISTRO_FEATURES += "polkit"

FILES:${PN} += "${nonarch_base_libdir}/udev"
# The groups that the rules name.
RDEPENDS:${PN} = "thoxd udev"
