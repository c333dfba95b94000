"""What ci/parse-layers asks of recipes that take nothing but files: what a do_install takes was put there by do_unpack.

usage: unpack.py LAYER RECIPE…     in a build folder, with bitbake's lib in PYTHONPATH; LAYER's bbappends are applied

Recipes are read one by one, and their files unpacked as do_unpack does it: nothing is built, and nothing of what they
depend on is looked for.
"""

import os
import pathlib
import re
import shutil
import sys

import bb.fetch2
import bb.tinfoil


def appends(layer, recipe):
    """The layer's bbappends of a recipe, by bitbake's rule for names."""
    found = []
    for file in sorted(pathlib.Path(layer).rglob("*.bbappend")):
        name = file.name.removesuffix("append")
        if recipe.name.startswith(name.partition("%")[0]) if "%" in name else recipe.name == name:
            found.append(str(file))
    return found


def missing(data):
    """What do_install names in the folder that sources are unpacked to, and how much of it is not there."""
    folder = data.getVar("UNPACKDIR")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    fetcher = bb.fetch2.Fetch([uri for uri in data.getVar("SRC_URI").split() if uri.startswith("file://")], data)
    fetcher.download()
    fetcher.unpack(folder)
    text = data.getVar("do_install")
    # A class's own do_install is called by name.
    text += "".join(data.getVar(name) for name in re.findall(r"^\s*(\w+_do_install)\s*$", text, re.M))
    named = set(re.findall(re.escape(folder) + r"""/+([^\s;"'$)]+)""", text))
    return named, sorted(name for name in named if not os.path.exists(os.path.join(folder, name)))


def main():
    layer, *recipes = sys.argv[1:]
    failed = 0
    with bb.tinfoil.Tinfoil() as tinfoil:
        tinfoil.prepare(config_only=True, quiet=2)
        for recipe in map(pathlib.Path, recipes):
            data = tinfoil.parse_recipe_file(str(recipe), appends=True, appendlist=appends(layer, recipe))
            named, gone = missing(data)
            if gone or not named:
                print(f"ERROR: {recipe}: do_install takes {', '.join(gone) or 'nothing'} of UNPACKDIR, where do_unpack has not put it", flush=True)
                failed += 1
            else:
                print(f"unpacked: {data.getVar('PN')} has the {len(named)} files that its do_install takes", flush=True)
    return 1 if failed or not recipes else 0


if __name__ == "__main__":
    sys.exit(main())
