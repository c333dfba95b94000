"""Autobahn's fuzzing client against /v1/stream (Python 2.7; how to run it: README.md beside this file).

Autobahn wants an echo; thoxd answers a message that is no request with one `error` event. So the n-th event counts here as
the echo of the n-th message that a case expects. Nothing else is changed: frames, pings and closes are Autobahn's.
"""
from __future__ import print_function

import json
import sys

from autobahntestsuite import fuzzing
from twisted.internet import reactor

PERFECT = ("OK", "INFORMATIONAL")
# Text that is wrong is found when its frame is whole, not while its bytes come: RFC 6455 allows both.
LATE = ("6.4.3", "6.4.4")
# thoxd refuses binary messages with 1003 (1.2, 9.2, 9.4, 9.6, 9.8) and offers no compression (12, 13).
EXCLUDED = ["1.2.*", "9.2.*", "9.4.*", "9.6.*", "9.8.*", "12.*", "13.*"]

original = fuzzing.FuzzingProtocol.onMessage


def echo(case):
    """What the case is waiting for."""
    for name in ("DATALEN", "LEN"):
        if hasattr(case, name):
            return "*" * getattr(case, name)
    so_far = len([part for part in case.received if part[0] == "message"])
    expected = [part[1] for part in case.expected.get("OK", []) if part[0] == "message"]
    return expected[so_far] if so_far < len(expected) else "an event too many"


def on_message(self, msg, binary):
    if binary or json.loads(msg).get("type") != "error":
        raise ValueError("thoxd said something else than an error event: %r" % msg)
    original(self, echo(self.runCase), False)


def main():
    url, folder = sys.argv[1:3]
    cases = sys.argv[3:] or ["*"]
    fuzzing.FuzzingProtocol.onMessage = on_message
    spec = {
        "outdir": folder,
        "servers": [{"agent": "thoxd", "url": url, "options": {"version": 18}}],
        "cases": cases,
        "exclude-cases": EXCLUDED,
        "exclude-agent-cases": {},
    }
    factory = fuzzing.FuzzingClientFactory(spec)
    reactor.run()
    results = factory.agents["thoxd"]
    wrong = 0
    for case in sorted(results, key=lambda name: [int(part) for part in name.split(".")]):
        result = results[case]
        good = result["behavior"] in PERFECT and result["behaviorClose"] in PERFECT
        wrong += not good and (case not in LATE or result["behavior"] != "NON-STRICT")
        if not good:
            kinds = (case, result["behavior"], result["behaviorClose"])
            print("%-8s %s / %s: %s; %s" % (kinds + (result["result"], result["resultClose"])))
    print("%d cases, %d wrong" % (len(results), wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
