#!/usr/bin/env python3
"""64 streams at once, some of which are left early, against the server with the address sanitizer (the plain one when that is
not built): equal seeds give the text of a lone request, nothing leaks, the queue stays bounded."""
import json
import os
import random
import threading

from _server import ROOT, SHOAL, Server, check, finish

binary = os.path.join(ROOT, "build", "asan", "shoal")
if not os.path.exists(binary):
    binary = SHOAL
    print("skip address sanitizer: build/asan/shoal is not built")

PROMPTS = ["Tell me a story about a fox.", "What happened next?", "A tale of two frogs, please.", "Who are you?"]


def ask(prompt, seed):
    return {"messages": [{"role": "user", "content": PROMPTS[prompt]}], "max_tokens": 40, "seed": seed, "ignore_eos": True}


def text_of(events):
    return "".join(json.loads(e)["choices"][0]["delta"].get("content", "") for e in events[:-1] if json.loads(e)["choices"])


with Server("--parallel", "16", "--queue", "64", binary=binary) as s:
    alone = {(p, seed): text_of(s.stream("/v1/chat/completions", ask(p, seed))[1]) for p in range(4) for seed in range(2)}
    wrong, failed, lock = [], [], threading.Lock()

    def client(i):
        p, seed = i % 4, i // 4 % 2
        try:
            if i % 7 == 3:
                body = json.dumps({**ask(p, seed), "stream": True, "max_tokens": 900}).encode()
                sock = s.raw()
                sock.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                sock.recv(random.randrange(1, 5000))
                sock.close()
                return
            status, events = s.stream("/v1/chat/completions", ask(p, seed))
            if status != 200 or text_of(events) != alone[p, seed]:
                with lock:
                    wrong.append((i, status, text_of(events) if status == 200 else events))
        except Exception as e:  # noqa: BLE001 - any failure of a client is a finding
            with lock:
                failed.append((i, repr(e)))

    for _ in range(2):
        threads = [threading.Thread(target=client, args=(i,)) for i in range(64)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    check("no client failed", not failed, failed)
    check("64 streams at once give the text of lone requests", not wrong, wrong[:2])
    check("all slots are free again", s.wait_idle(10))
    code = s.stop()
check("the server ends cleanly (no leak, no error of the sanitizers)", code == 0, code)
finish()
