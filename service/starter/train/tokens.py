"""Trains the byte-level BPE on the training text."""

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from grammar import Grammar
from speech import spoken

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def byte_level(tokenizer):
    """Splits and spells as GPT-2 does, which GGUF calls `gpt-2`."""
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def train(vocabulary, seed):
    grammar = Grammar(seed)

    def texts():
        for _ in range(40_000):
            group = grammar.declined if grammar.random.random() < 0.4 else grammar.intents
            question = spoken(grammar.random, grammar.sentence(grammar.pick(group)))
            yield question
        for intent in grammar.intents + grammar.declined:
            for _ in range(40):
                yield "user\nassistant\nsystem\n" + intent.answer

    tokenizer = byte_level(Tokenizer(models.BPE()))
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=SPECIAL,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts(), trainer)
    return tokenizer
