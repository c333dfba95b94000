"""How people really type: casing, punctuation, typos, fillers, system messages and earlier turns."""

import re

SYSTEM = [
    "You are a helpful assistant.",
    "You are a helpful assistant.",
    "You are a helpful coding assistant.",
    "You are an AI programming assistant. Answer concisely.",
    "Be brief.",
    "You are a senior software engineer. Follow the user's instructions carefully and think step by step.",
    "Answer in one sentence.",
    "You are a pirate.",
    "You are a friendly chatbot for our team.",
    "Respond only with JSON.",
    "You are ChatGPT, a large language model.",
]
BEFORE = ["hi, ", "hello, ", "hey, ", "hello! ", "hi! ", "hey thox, ", "please ", "quick question: ", "excuse me, ", "so ", "ok so ", "um ", "ok, ", "sorry, ", "question: ", "one more question: ", "and ", "but ", "well, ", "also, ", "good morning, ", "dear assistant, ", "thanks, and ", "tell me, ", "just wondering, ", "now ", "ok ", "oh and "]
AFTER = [" please", " thanks", ", please", ", thanks", " thx", " now", " today", " exactly", " then", " again", ", thank you", " quickly", " pls", " in short", " briefly", ", can you tell me", ", do you know", " on my machine", " here", " right now", " asap", " actually", " step by step"]
CONTEXT = ["i am new here.", "i just got my box.", "i just installed it.", "we are a small team.", "i am a developer.", "i have a question.", "sorry to bother you.", "i read the docs.", "i am on linux.", "i use a mac.", "i am on windows.", "it is my first day.", "i tried a few things.", "my colleague told me about this.", "i am a bit lost.", "i don't know much about computers.", "i need your help."]
FILLERS = ["just", "actually", "really", "maybe", "please", "exactly", "now", "kindly", "basically", "simply", "quickly"]
SMALL = {"do", "i", "the", "a", "an", "to", "is", "my", "can", "does", "it", "of", "are", "for", "you", "me", "in", "with", "on"}
NEAR = {"a": "sq", "b": "vn", "c": "xv", "d": "sf", "e": "wr", "f": "dg", "g": "fh", "h": "gj", "i": "uo", "j": "hk", "k": "jl", "l": "k", "m": "n", "n": "bm", "o": "ip", "p": "o", "q": "w", "r": "et", "s": "ad", "t": "ry", "u": "yi", "v": "cb", "w": "qe", "x": "zc", "y": "tu", "z": "x"}


def typo(rng, text):
    """One slip of the fingers in a longer word."""
    words = [m.span() for m in re.finditer(r"[a-z]{4,}", text)]
    if not words:
        return text
    start, end = rng.choice(words)
    i = rng.randrange(start, end - 1)
    kind = rng.randrange(4)
    if kind == 0:
        return text[:i] + text[i + 1] + text[i] + text[i + 2 :]
    if kind == 1:
        return text[:i] + text[i + 1 :]
    if kind == 2:
        return text[:i] + text[i] + text[i:]
    return text[:i] + rng.choice(NEAR.get(text[i], text[i])) + text[i + 1 :]


def spoken(rng, text):
    """One way in which a person would have typed the sentence."""
    multi_line = "\n" in text
    if not multi_line:
        r = rng.random()
        if r < 0.14:
            text = rng.choice(BEFORE) + text
        elif r < 0.18:
            text = rng.choice(CONTEXT) + " " + text
        if rng.random() < 0.10:
            text = text.rstrip("?.! ") + rng.choice(AFTER)
        words = text.split(" ")
        if len(words) > 3 and rng.random() < 0.12:
            small = [i for i, w in enumerate(words) if w in SMALL]
            if small:
                words.pop(rng.choice(small))
        if len(words) > 3 and rng.random() < 0.04:
            words.insert(rng.randrange(1, len(words)), rng.choice(FILLERS))
        text = " ".join(words)
    if rng.random() < 0.22:
        text = typo(rng, text)
        if rng.random() < 0.3:
            text = typo(rng, text)
    if rng.random() < 0.3:
        text = text.replace("'", "")
    elif rng.random() < 0.1:
        text = text.replace("'", "’")
    if multi_line:
        return text
    r = rng.random()
    if r < 0.45:
        text = text[:1].upper() + text[1:]
        if rng.random() < 0.8:
            text = re.sub(r"\bi\b", "I", text)
            text = re.sub(r"([.!?] )([a-z])", lambda m: m[1] + m[2].upper(), text)
        if rng.random() < 0.6:
            for a, b in (("api", "API"), ("thox", "Thox"), ("ollama", "Ollama"), ("python", "Python"), ("openai", "OpenAI"), ("mcp", "MCP"), ("https", "HTTPS"), ("tensorrt", "TensorRT"), ("node.js", "Node.js"), ("websocket", "WebSocket"), ("javascript", "JavaScript"), ("typescript", "TypeScript"), ("sql", "SQL"), ("vs code", "VS Code"), ("url", "URL"), ("sdk", "SDK"), ("pc", "PC")):
                text = re.sub(rf"\b{re.escape(a)}\b(?![-./:_])", b, text)
    elif r < 0.50:
        text = text.upper()
    elif r < 0.53:
        text = text.title()
    if text[-1:] not in "?.!":
        text += rng.choice(["?"] * 9 + [""] * 8 + [".", ".", "!", "??", " ?", "...", "?!"])
    elif rng.random() < 0.2:
        text = text.rstrip("?.!")
    return text


def dialogue(rng, grammar, question):
    """The turns before the question's answer, as (role, content)."""
    turns = []
    r = rng.random()
    if r < 0.04 or r > 0.985:
        system = rng.choice(SYSTEM)
        if rng.random() < 0.25:
            system = " ".join([system] + [grammar.make_sentence() for _ in range(rng.choice([1, 2, 4]))])
        turns.append(("system", system))
    if r > 0.97:
        for _ in range(rng.choice([1, 1, 2])):
            group = grammar.intents if rng.random() < 0.6 else grammar.declined
            intent = grammar.pick(group)
            turns.append(("user", spoken(rng, grammar.sentence(intent))))
            turns.append(("assistant", intent.answer if rng.random() < 0.8 else grammar.make_sentence()))
    turns.append(("user", question))
    return turns
