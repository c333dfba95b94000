"""Reads the pattern files in text/ and samples sentences from them."""

import random
import re
from dataclasses import dataclass, field
from pathlib import Path

TEXT = Path(__file__).parent / "text"


@dataclass
class Intent:
    """One thing that can be asked, its one answer and the ways to ask it."""

    name: str
    weight: float
    answer: str = ""
    patterns: list = field(default_factory=list)
    keys: list = field(default_factory=list)
    shares: list = field(default_factory=list)


def parse(source):
    """Turns a pattern into a tree: str | ("choice", [sequence]) | ("slot", name); a sequence is a list."""

    def sequence(i, closing):
        parts, text = [], ""
        while i < len(source) and source[i] not in closing:
            c = source[i]
            if c == "\\":
                text += source[i + 1]
                i += 2
            elif c == "[":
                parts.append(text)
                text, options = "", []
                i += 1
                while True:
                    option, i = sequence(i, "|]")
                    if i >= len(source):
                        raise ValueError(f"unclosed choice in: {source}")
                    options.append(option)
                    i += 1
                    if source[i - 1] == "]":
                        break
                parts.append(("choice", options))
            elif c == "{":
                end = source.index("}", i)
                parts += [text, ("slot", source[i + 1 : end])]
                text, i = "", end + 1
            else:
                text += c
                i += 1
        parts.append(text)
        return [p for p in parts if p != ""], i

    tree, end = sequence(0, "")
    if end != len(source):
        raise ValueError(f"stray bracket in: {source}")
    return tree


def count(tree):
    """How many sentences a tree has, slots counted as four."""
    total = 1
    for part in tree:
        if isinstance(part, tuple):
            total *= 4 if part[0] == "slot" else sum(count(o) for o in part[1])
    return total


def read_intents(path):
    intents = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("@"):
            _, name, *weight = line.split()
            intents.append(Intent(name, float(weight[0]) if weight else 1.0))
        elif line.startswith("> "):
            intents[-1].answer = line[2:]
        elif line.startswith("= "):
            intents[-1].keys += [parse(key.strip()) for key in line[2:].split(",")]
        else:
            times = 1
            if line.startswith("*"):
                head, line = line.split(" ", 1)
                times = int(head[1:])
            try:
                tree = parse(line)
            except ValueError as error:
                raise SystemExit(f"{path}:{number}: {error}") from error
            intents[-1].patterns.append(tree)
            # A pattern with many sentences is drawn more often, but not in proportion.
            intents[-1].shares.append(times * count(tree) ** 0.35)
    for intent in intents:
        if intent.keys:
            intent.patterns.append([("keyed", intent.keys)])
            # A fifth of an intent's questions are one of its keys in a common frame.
            intent.shares.append(0.25 * sum(intent.shares))
    return intents


def read_words(path):
    lists = {}
    for line in path.read_text().splitlines():
        if line and not line.startswith("#"):
            name, _, items = line.partition(":")
            lists[name] = [parse(item.strip()) for item in items.split(",")]
    return lists


class Grammar:
    """All intents, the declined groups and the lists, with one random source."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.lists = read_words(TEXT / "words.txt")
        self.intents = [i for p in sorted(TEXT.glob("intents-*.txt")) for i in read_intents(p)]
        self.declined = read_intents(TEXT / "off-topic.txt")
        decline = self.declined[0].answer
        for group in self.declined:
            group.answer = decline
        known = set()
        for intent in self.intents:
            for tree in intent.patterns:
                known.update(words_in(tree))
        foreign = set()
        for name, trees in self.lists.items():
            if name not in ("how", "whatis", "show", "box", "app", "editor", "frame", "onword", "thoxmodel"):
                for tree in trees:
                    foreign.update(words_in(tree))
        for group in self.declined:
            for tree in group.patterns:
                foreign.update(words_in(tree))
        # Words that occur in no question about Thox: on their own they decide nothing but "decline".
        self.foreign = sorted(w for w in foreign - known if w.isascii())

    def pick(self, intents):
        return self.random.choices(intents, [i.weight for i in intents])[0]

    def sentence(self, intent):
        tree = self.random.choices(intent.patterns, intent.shares)[0]
        return re.sub(r" +", " ", self.expand(tree)).strip()

    def expand(self, tree):
        out = []
        for part in tree:
            if isinstance(part, str):
                out.append(part)
            elif part[0] == "choice":
                out.append(self.expand(self.random.choice(part[1])))
            elif part[0] == "keyed":
                key = self.expand(self.random.choice(part[1]))
                out.append(self.expand(self.random.choice(self.lists["frame"])).replace("@", key))
            else:
                out.append(self.slot(part[1]))
        return "".join(out)

    def slot(self, name):
        made = getattr(self, f"make_{name}", None)
        return made() if made else self.expand(self.random.choice(self.lists[name]))

    # Lists that are made, not written.

    def make_nl(self):
        return self.random.choice(["\n", " ", "\n\n"])

    def make_number(self):
        digits = self.random.choice([1, 1, 2, 2, 3, 4, 6])
        return str(self.random.randrange(10**digits))

    def make_word(self):
        r = self.random.random()
        if r < 0.7:
            return self.random.choice(self.foreign)
        return self.pseudo_word()

    def pseudo_word(self):
        onsets = ["b", "br", "c", "ch", "cl", "d", "dr", "f", "fl", "g", "gr", "h", "j", "k", "l", "m", "n", "p", "pl", "qu", "r", "s", "sh", "sk", "st", "t", "th", "tr", "v", "w", "y", "z", ""]
        rimes = ["a", "an", "ar", "ate", "e", "ell", "en", "er", "est", "i", "ing", "ish", "ism", "o", "on", "ook", "or", "ous", "ow", "u", "ump", "um", "ight", "ain", "ology", "ity", "tion", "ment", "ly", "ed"]
        syllables = self.random.choice([1, 2, 2, 2, 3])
        return "".join(self.random.choice(onsets) + self.random.choice(rimes) for _ in range(syllables))

    def make_words(self):
        glue = ["the", "a", "of", "in", "and", "to", "with", "my", "is", "for", "on", "at", "are", "was", "that"]
        n = self.random.choice([1, 2, 2, 3, 3, 4, 5, 6, 8])
        return " ".join(self.random.choice(glue) if self.random.random() < 0.25 else self.make_word() for _ in range(n))

    def make_noise(self):
        kinds = ["letters", "hex", "symbols", "pseudo", "mixed"]
        kind = self.random.choice(kinds)
        n = self.random.randint(1, 14)
        alphabet = {
            "letters": "abcdefghijklmnopqrstuvwxyz",
            "hex": "0123456789abcdef",
            "symbols": "!?.,;:-_#*+~/\\()[]{}<>|@$%&=^",
            "mixed": "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .-/",
        }
        if kind == "pseudo":
            return " ".join(self.pseudo_word() for _ in range(self.random.randint(1, 5)))
        return "".join(self.random.choice(alphabet[kind]) for _ in range(n)).strip() or "x"

    def make_sentence(self):
        subject = self.random.choice(["i", "we", "you", "they", "she", "he", "the people", self.slot("name"), self.slot("person"), self.slot("animal"), "my " + self.make_word()])
        verb = self.random.choice(["like", "saw", "will buy", "have lost", "talked about", "dream of", "made", "went to", "are near", "hate", "found", "want", "need", "described", "always carry"])
        where = self.random.choice(["", " in " + self.slot("place"), " with " + self.slot("name"), " yesterday", " because of " + self.slot("concept"), " and " + self.slot("thing"), " at home", " for " + self.slot("topic")])
        return f"{subject} {verb} {self.slot('offnoun')}{where}."

    def make_mangled(self):
        """A question about Thox with its words of substance replaced."""
        words = self.sentence(self.pick(self.intents)).split(" ")
        long = [i for i, word in enumerate(words) if len(word) > 3]
        for i in self.random.sample(long, min(len(long), 3)):
            words[i] = self.make_word()
        return " ".join(words) if long else self.make_words()

    def make_code(self):
        w = lambda: re.sub(r"[^a-z]", "", self.make_word()) or "x"
        n = self.make_number()
        forms = [
            lambda: f"def {w()}({w()}, {w()}):\n    return {w()} + {n}",
            lambda: f"for {w()} in range({n}):\n    print({w()})",
            lambda: f"function {w()}({w()}) {{\n  return {w()}.{w()}({n});\n}}",
            lambda: f"const {w()} = await {w()}.{w()}('{w()}');",
            lambda: f"fn {w()}({w()}: u32) -> u32 {{\n    {w()} * {n}\n}}",
            lambda: f"SELECT {w()}, {w()} FROM {w()} WHERE {w()} = {n};",
            lambda: f"public class {w().title()} {{\n  private int {w()} = {n};\n}}",
            lambda: f"import {w()}\nfrom {w()} import {w()}\n\n{w()} = {w()}.{w()}()",
            lambda: f'{{"{w()}": {n}, "{w()}": "{w()}"}}',
            lambda: f"#include <{w()}.h>\nint main() {{ {w()}({n}); return 0; }}",
            lambda: f"<div class=\"{w()}\"><{w()}>{w()} {w()}</{w()}></div>",
            lambda: f"if ({w()} == {n}) {{ {w()}++; }} else {{ {w()}(); }}",
            lambda: f"{w()} = [{n}, {self.make_number()}, {self.make_number()}]\n{w()}.sort()",
            lambda: f"git {w()} --{w()} {w()}",
            lambda: f"{w()}: {w()}\n  - {w()}: {n}\n  - {w()}",
        ]
        return "\n".join(self.random.choice(forms)() for _ in range(self.random.choice([1, 1, 1, 2, 3, 6])))


def words_in(tree):
    for part in tree:
        if isinstance(part, str):
            yield from re.findall(r"[a-z][a-z'-]+", part.lower())
        elif part[0] in ("choice", "keyed"):
            for option in part[1]:
                yield from words_in(option)
