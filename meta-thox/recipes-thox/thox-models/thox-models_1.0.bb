SUMMARY = "Models that an image carries to its device"
DESCRIPTION = "Taken from a folder that Ollama filled on a machine with a network, each model pinned by the hash of its \
manifest, which has the hashes of all its parts."
HOMEPAGE = "https://github.com/thox-ai/thox"
SECTION = "thox"
# What the models are under is their authors' to say and stands in their own manifests.
LICENSE = "CLOSED"

# An OLLAMA_MODELS folder: manifests/ and blobs/.
THOX_MODELS_DIR ??= ""
# NAME=SHA256 of the manifest, NAME as its path below manifests/: registry.ollama.ai/library/qwen2.5-coder/7b=…
THOX_MODELS ??= ""

# Not fetched: THOX_MODELS_DIR has gigabytes that are copied once.
SRC_URI = ""

INHIBIT_DEFAULT_DEPS = "1"

S = "${UNPACKDIR}"
B = "${WORKDIR}/build"

# Only an image that carries models asks for them.
EXCLUDE_FROM_WORLD = "1"
do_configure[noexec] = "1"

# nooelint: oelint.task.noanonpython - an image without models does not know the recipe
python () {
    if not d.getVar('THOX_MODELS_DIR') or not d.getVar('THOX_MODELS'):
        raise bb.parse.SkipRecipe('THOX_MODELS_DIR and THOX_MODELS say which models thox-image-models carries '
                                  '(yocto/README.md), and are not set')
}

python do_compile() {
    import json, os, shutil

    sha256 = bb.utils.sha256_file
    store, target = d.getVar('THOX_MODELS_DIR'), d.expand('${B}/models')
    shutil.rmtree(target, ignore_errors=True)
    os.makedirs(os.path.join(target, 'blobs'))
    for entry in d.getVar('THOX_MODELS').split():
        name, _, wanted = entry.partition('=')
        manifest = os.path.join(store, 'manifests', name)
        if not os.path.isfile(manifest):
            bb.fatal('THOX_MODELS: %s is not in %s; pull it there with OLLAMA_MODELS set to that folder' % (name, store))
        if sha256(manifest) != wanted:
            bb.fatal('THOX_MODELS: the manifest of %s has sha256 %s, expected %s; if upstream has a new one that you want, '
                     'pin that' % (name, sha256(manifest), wanted))
        copy = os.path.join(target, 'manifests', name)
        os.makedirs(os.path.dirname(copy), exist_ok=True)
        shutil.copyfile(manifest, copy)
        with open(manifest) as file:
            parts = json.load(file)
        for part in [parts['config']] + parts['layers']:
            blob = part['digest'].replace(':', '-')
            path = os.path.join(store, 'blobs', blob)
            if not os.path.isfile(path) or 'sha256-' + sha256(path) != blob:
                bb.fatal('THOX_MODELS: %s of %s is missing or damaged; pull the model again' % (path, name))
            if not os.path.exists(os.path.join(target, 'blobs', blob)):
                shutil.copyfile(path, os.path.join(target, 'blobs', blob))
}
do_compile[vardeps] += "THOX_MODELS THOX_MODELS_DIR"
do_compile[cleandirs] = "${B}"

do_install() {
    install -d ${D}${datadir}/thox
    cp -R --no-preserve=ownership ${B}/models ${D}${datadir}/thox/models
}

FILES:${PN} += "${datadir}/thox/models"
RDEPENDS:${PN} = "thox-provision"

COMPATIBLE_MACHINE = "(tegra)"
