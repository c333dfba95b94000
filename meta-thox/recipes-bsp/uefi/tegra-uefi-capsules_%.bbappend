# Other keys in the same folder make another capsule: what was signed with the ones before is not taken from the shared state
# (conf/distro/include/thox-signing.inc).
do_compile[file-checksums] += "${@d.getVar('THOX_CAPSULE_KEYS') or ''}"
