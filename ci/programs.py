"""Which programs a POSIX shell script calls, read from its text: what stands where a command stands."""

import re

# The shell's own, and words that another command follows.
BUILTIN = set(
    ". : [ break cd command continue echo eval exec exit export false getopts hash kill printf pwd read return set shift test trap true "
    "type ulimit umask unset wait".split()
)
BEFORE = {"if", "then", "else", "elif", "do", "while", "until", "!", "{", "exec", "env"}
AFTER = {"fi", "done", "esac", "}"}


class Script:
    """A reader that goes through the text once; `called` is what it found."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.called: set[str] = set()
        self.functions = set(re.findall(r"^\s*(\w+)\(\)", text, re.M))
        # A name with a default is the default: tests put others in its place.
        self.defaults = dict(re.findall(r"^(\w+)=\$\{\w+:-([\w-]+)\}$", text, re.M))
        self.commands("")

    def next(self, count: int = 1) -> str:
        found = self.text[self.at : self.at + count]
        self.at += count
        return found

    def peek(self, word: str) -> bool:
        return self.text.startswith(word, self.at)

    def dollar(self) -> str:
        """What follows a $: commands are looked at, a variable gives its name."""
        if self.peek("(("):
            self.next(2)
            self.until("))")
        elif self.peek("("):
            self.next()
            self.commands(")")
        elif self.peek("{"):
            self.next()
            self.until("}")
        else:
            name = re.compile(r"\w*").match(self.text, self.at)[0]
            self.next(len(name))
            return f"${name}"
        return "$"

    def until(self, end: str) -> None:
        """Text that is no command, with commands in it."""
        while self.at < len(self.text) and not self.peek(end):
            if self.next() == "$":
                self.dollar()
        self.next(len(end))

    def word(self) -> str:
        found = ""
        while self.at < len(self.text) and self.text[self.at] not in " \t\n;|&()<>":
            letter = self.next()
            if letter == "'":
                end = self.text.index("'", self.at)
                found += self.next(end - self.at)
                self.next()
            elif letter == '"':
                while not self.peek('"'):
                    letter = self.next()
                    found += self.next() if letter == "\\" else self.dollar() if letter == "$" else letter
                self.next()
            elif letter == "\\":
                found += self.next().strip("\n")
            else:
                found += self.dollar() if letter == "$" else letter
        return found

    def commands(self, end: str) -> None:
        """Commands up to `end`, which is the closing bracket of where they stand, or nothing."""
        starts, choice, here = True, [], ""
        while self.at < len(self.text):
            if end and self.peek(end):
                self.next(len(end))
                return
            letter = self.text[self.at]
            if letter == "#" and self.text[self.at - 1] in " \t\n;":
                self.at = self.text.find("\n", self.at) % (len(self.text) + 1)
            elif self.peek(";;"):
                self.next(2)
                starts = False
            elif letter == "\n" and here:
                # The lines that were announced are no commands.
                self.until(f"\n{here}\n")
                here, starts = "", True
            elif letter in "\n;|&(" and not re.match(r"&\d|&-", self.text[self.at :]):
                self.next()
                # The patterns of a case are no commands.
                starts = not (choice and choice[-1] == "pattern")
            elif letter == ")":
                # It ends a pattern, or a subshell.
                self.next()
                starts = True
                if choice:
                    choice[-1] = "commands"
            elif letter in "<>":
                is_here = self.peek("<<")
                self.next()
                while self.text[self.at] in "<>&- \t":
                    self.next()
                target = self.word()
                here = target if is_here else here
            elif letter in " \t":
                self.next()
            else:
                starts = self.one(self.word(), starts, choice)
            if choice and self.text[self.at - 2 : self.at] == ";;":
                choice[-1], starts = "pattern", False

    def one(self, word: str, starts: bool, choice: list[str]) -> bool:
        """Whether a command follows the word."""
        if choice and choice[-1] == "word" and word == "in":
            choice[-1] = "pattern"
            return False
        if choice and choice[-1] == "pattern" and word == "esac":
            choice.pop()
            return False
        if not starts:
            return False
        if word == "case":
            choice.append("word")
            return False
        if word == "esac" and choice:
            choice.pop()
        if word in AFTER or word == "for":
            return False
        if word in BEFORE or re.match(r"\w+=", word):
            return True
        if word in ("timeout", "chroot"):
            # Behind its options and one word of its own.
            self.called.add(word)
            while re.match(r"\s+(-\S+|\d+)", self.text[self.at :]):
                self.next(re.match(r"\s+(-\S+|\d+)", self.text[self.at :]).end())
            return True
        if word == "command":
            # It asks whether something is there, and does without.
            self.at = re.compile(r"[^;|&\n]*").match(self.text, self.at).end()
            return False
        name = self.defaults.get(word[1:], "") if word.startswith("$") else word
        name = name.rsplit("/", 1)[-1]
        if name and name not in BUILTIN and name not in self.functions:
            self.called.add(name)
        return False
