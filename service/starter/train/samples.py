"""Training samples: dialogues as token ids, with the tokens to learn marked."""

import random

from grammar import Grammar
from speech import dialogue, spoken

END = "<|im_end|>"
# How many tokens of an answer are learned in most samples: enough to tell any two answers apart.
SHORT = 8


def render(turns):
    text = "".join(f"<|im_start|>{role}\n{content}{END}\n" for role, content in turns)
    return text + "<|im_start|>assistant\n"


class Samples:
    """An endless, seeded stream of (ids, answer_start)."""

    def __init__(self, tokenizer, seed, context):
        self.grammar = Grammar(seed)
        self.random = random.Random(seed + 1)
        self.tokenizer = tokenizer
        self.context = context
        self.declined_share = 0.5
        self.whole_share = 0.12
        beginnings = {}
        for intent in self.grammar.intents:
            beginning = tuple(tokenizer.encode(intent.answer).ids[:SHORT])
            other = beginnings.setdefault(beginning, intent.name)
            if other != intent.name:
                raise SystemExit(f"the answers of {other} and {intent.name} begin alike: the model could not learn to choose")

    def question(self):
        """(question, intent)"""
        g = self.grammar
        declined = self.random.random() < self.declined_share
        intent = g.pick(g.declined if declined else g.intents)
        text = g.sentence(intent)
        if declined and self.random.random() < 0.02:
            text = "\n".join([text] + [self.random.choice([g.make_code, g.make_sentence])() for _ in range(self.random.randint(2, 10))])
        return spoken(self.random, text), intent

    def one(self):
        question, intent = self.question()
        if self.random.random() < 0.04:
            prompt = question + self.random.choice(["", "", "\n", "\n\n"])
        else:
            prompt = render(dialogue(self.random, self.grammar, question))
        ids = self.tokenizer.encode(prompt).ids
        answer = self.tokenizer.encode(intent.answer + END).ids
        whole = self.whole_share if intent in self.grammar.intents else 0.12
        if self.random.random() < 1 - whole:
            answer = answer[:SHORT]
        return (ids + answer)[: self.context], len(ids)
