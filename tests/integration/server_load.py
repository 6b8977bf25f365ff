#!/usr/bin/env python3
"""64 clients at once, some of which leave early, against the server with the address sanitizer (SHOAL_SANITIZED, else
build/asan/shoal, else the plain one): equal seeds give the text of a lone request, the queue stays bounded, nothing leaks, and a
stop in the midst of it ends everything."""
import json
import os
import random
import threading
import time

from _server import ROOT, SHOAL, Server, check, finish

binary = os.environ.get("SHOAL_SANITIZED") or os.path.join(ROOT, "build", "asan", "shoal")
if not os.path.exists(binary):
    binary = SHOAL
    print("skip address sanitizer: build/asan/shoal is not built")

PROMPTS = ["Tell me a story about a fox.", "What happened next?", "A tale of two frogs, please.", "Who are you?"]
N_CLIENTS = 64
failed, lock = [], threading.Lock()


def ask(prompt, seed):
    return {"messages": [{"role": "user", "content": PROMPTS[prompt]}], "max_tokens": 40, "seed": seed, "ignore_eos": True}


def text_of(events):
    return "".join(json.loads(e)["choices"][0]["delta"].get("content", "") for e in events[:-1] if json.loads(e)["choices"])


def send(s, body):
    data = json.dumps(body).encode()
    sock = s.raw()
    sock.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
    return sock


def crowd(client):
    """N_CLIENTS threads; what goes wrong in one is a finding."""
    def guarded(i):
        try:
            client(i)
        except Exception as e:  # noqa: BLE001
            with lock:
                failed.append((i, repr(e)))

    threads = [threading.Thread(target=guarded, args=(i,)) for i in range(N_CLIENTS)]
    for t in threads:
        t.start()
    return threads


def join(threads):
    for t in threads:
        t.join()


def test_equal_texts(s):
    alone = {(p, seed): text_of(s.stream("/v1/chat/completions", ask(p, seed))[1]) for p in range(4) for seed in range(2)}
    wrong = []

    def client(i):
        p, seed = i % 4, i // 4 % 2
        if i % 7 == 3:  # leaves in the midst
            with send(s, {**ask(p, seed), "stream": i % 2 == 0, "max_tokens": 900}) as sock:
                sock.settimeout(0.2)
                try:
                    sock.recv(random.randrange(1, 5000))
                except TimeoutError:
                    pass
            return
        if i % 5 == 0:
            status, _, a = s.ask("POST", "/v1/chat/completions", ask(p, seed))
            text = a["choices"][0]["message"]["content"] if status == 200 else a
        else:
            status, events = s.stream("/v1/chat/completions", ask(p, seed))
            text = text_of(events) if status == 200 else events
        if text != alone[p, seed]:
            with lock:
                wrong.append((i, status, text))

    for _ in range(2):
        join(crowd(client))
    check("64 at once give the text of lone requests", not wrong, wrong[:2])
    check("all slots are free again", s.wait_idle(10))


with Server("--parallel", "16", "--queue", "64", binary=binary) as s:
    test_equal_texts(s)
    code = s.stop()
check("the server ends cleanly (no leak, no error of the sanitizers)", code == 0, code)

# Room for six: the others are told so at once. Nothing here ends by itself.
with Server("--ctx", "65536", "--parallel", "4", "--queue", "2", binary=binary) as s:
    socks = [send(s, {**ask(i % 4, i), "stream": True, "max_tokens": 60000}) for i in range(N_CLIENTS)]
    heads = [sock.recv(12) for sock in socks]
    check("the queue is bounded", sorted(heads) == [b"HTTP/1.1 200"] * 6 + [b"HTTP/1.1 429"] * (N_CLIENTS - 6), heads)
    # The heads come at once, the engine takes the requests in at its next step.
    counts = None
    for _ in range(200):
        counts = s.metric("shoal_requests_active"), s.metric("shoal_requests_waiting")
        if counts == (4, 2):
            break
        time.sleep(0.05)
    check("and no more run", counts == (4, 2), counts)
    for sock in socks:
        sock.close()
    check("those who left make room", s.wait_idle(10))

    def visitor(i):
        end = time.time() + 30
        while time.time() < end:
            try:
                with send(s, {**ask(i % 4, i), "stream": i % 2 == 0, "max_tokens": 60000}) as sock:
                    sock.settimeout(random.random() * 0.3)
                    while sock.recv(65536):
                        pass
            except ConnectionRefusedError:
                return  # stopped
            except OSError:
                pass

    threads = crowd(visitor)
    time.sleep(1)
    code = s.stop()
    join(threads)
check("a stop amid clients that come and go ends cleanly", code == 0, code)
check("no client failed", not failed, failed[:3])
finish()
