SUMMARY = "The system of a Thox device"
DESCRIPTION = "Read-only root, no password, SSH by key alone, both engines, updates into the other slot."

require thox-image.inc

ROOTFS_POSTPROCESS_COMMAND += "thox_no_password"
# There is no default password: an account that has any, or an empty one, ends the build.
thox_no_password() {
    if grep -E '^[^:]+:[^*!:x][^:]*:|^[^:]+::' ${IMAGE_ROOTFS}${sysconfdir}/shadow; then
        bbfatal "the accounts above can be logged in to with a password, or with none; lock them"
    fi
}
