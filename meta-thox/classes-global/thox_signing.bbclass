# Stops a build that would sign with nobody's key, or a release with a key of development, before it has begun.

addhandler thox_signing_check
thox_signing_check[eventmask] = "bb.event.BuildStarted"
python thox_signing_check() {
    import os
    keys = d.getVar('THOX_KEYS')
    needed = [d.expand('${THOX_KEYS}/${RAUC_KEYRING_FILE}')] + [d.getVar(name) for name in (
        'RAUC_KEY_FILE', 'RAUC_CERT_FILE', 'UEFI_CAPSULE_SIGNER_PRIVATE_CERT',
        'UEFI_CAPSULE_OTHER_PUBLIC_CERT', 'UEFI_CAPSULE_TRUSTED_PUBLIC_CERT')]
    missing = [path for path in needed if not os.path.exists(path)]
    if missing:
        bb.fatal('THOX_KEYS: %s is missing. For development: yocto/keys %s; for a release set THOX_KEYS to the folder of the '
                 'keys that your devices trust' % (', '.join(missing), keys))
    if d.getVar('THOX_RELEASE') != '1':
        return
    if os.path.exists(os.path.join(keys, 'DEVELOPMENT')):
        bb.fatal('THOX_KEYS: the keys in %s are of development, and this is a release (THOX_RELEASE = "1"). Set THOX_KEYS to '
                 'the folder of the keys that your customers\' devices trust' % keys)
    if d.getVar('THOX_SSH_AUTHORIZED_KEYS'):
        bb.fatal('THOX_SSH_AUTHORIZED_KEYS: a release lets nobody in. Empty it, or build without yocto/release.yml')
}
