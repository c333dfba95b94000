"""Shows which held-out questions the training patterns produce word for word: there should be none."""

import re
import sys
from pathlib import Path

EVAL = Path(__file__).parent
sys.path.insert(0, str(EVAL.parent / "train"))

from grammar import Grammar  # noqa: E402

SAMPLES = 250_000


def plain(text):
    return re.sub(r"[^a-z0-9 ]", "", text.lower().replace("-", " ")).strip()


def main():
    lines = (EVAL / "heldout.tsv").read_text().splitlines()
    held_out = {plain(line.split("\t")[1]) for line in lines if line and not line.startswith("#")}
    grammar = Grammar(99)
    sides = (grammar.intents, grammar.declined)
    seen = {plain(grammar.sentence(grammar.pick(sides[i % 2]))) for i in range(SAMPLES)}
    both = sorted(held_out & seen)
    print(f"{len(both)} of {len(held_out)} held-out questions are among {len(seen)} training questions", *both, sep="\n")
    sys.exit(bool(both))


main()
