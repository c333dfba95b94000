# Installs files of the repository that the layer stands in; no recipe has a copy of a unit, a rule or a setting.
#
#   THOX_FILES = "\
#       systemd/thox-reset.service=${systemd_system_unitdir}/thox-reset.service \
#       systemd/factory-reset=${nonarch_libdir}/thox/factory-reset;0755 \
#   "
#
# Each is PATH=TARGET or PATH=TARGET;MODE, PATH below ${THOX_SOURCE}; without MODE it is 0644.

THOX_FILES ?= ""

# Of use to the layer's own recipes alone, so that nothing of another layer is found there.
# nooelint: oelint.vars.fileextrapaths,oelint.vars.outofcontext,oelint.vars.srcurifile
FILESEXTRAPATHS:prepend := "${THOX_SOURCE}:"

def thox_files(d):
    files = []
    for entry in d.getVar('THOX_FILES').split():
        path, _, target = entry.partition('=')
        target, _, mode = target.partition(';')
        if not target.startswith('/'):
            bb.fatal('%s: THOX_FILES: "%s" is not PATH=/TARGET' % (d.getVar('PN'), entry))
        files.append((path, target, mode or '0644'))
    return files

def thox_uris(d):
    return ' '.join('file://' + path for path, _, _ in thox_files(d))

def thox_install(d):
    return '\n'.join('install -D -m %s %s/%s %s%s' % (mode, d.getVar('UNPACKDIR'), path, d.getVar('D'), target)
                     for path, target, mode in thox_files(d))

SRC_URI:append = " ${@thox_uris(d)}"
do_install[vardeps] += "THOX_FILES"

thox_files_do_install() {
    ${@thox_install(d)}
}

EXPORT_FUNCTIONS do_install
