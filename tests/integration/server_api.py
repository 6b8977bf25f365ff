#!/usr/bin/env python3
"""The HTTP server with nothing but Python's standard library: routes, streams, errors, limits, clients that leave."""
import json
import re
import shutil
import subprocess
import threading
import time

from _server import SHOAL, Server, check, finish

FOX = [{"role": "user", "content": "Tell me a story about a fox."}]


def chat(server, **more):
    return server.ask("POST", "/v1/chat/completions", {"messages": FOX, "max_tokens": 12, "seed": 7, **more})


def request(body, path="/v1/chat/completions", head=b""):
    """The bytes of a POST."""
    data = json.dumps(body).encode()
    return b"POST %s HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %d\r\n\r\n" % (path.encode(), head, len(data)) + data


def read_until(sock, *texts, seconds=10):
    """What comes until one of the texts does, or the connection ends."""
    got, end = b"", time.time() + seconds
    while not any(text in got for text in texts) and time.time() < end:
        try:
            part = sock.recv(65536)
        except OSError:
            break
        if not part:
            break
        got += part
    return got


def test_answers(s):
    status, _, a = chat(s)
    check("chat", status == 200 and a["object"] == "chat.completion" and a["choices"][0]["message"]["role"] == "assistant", a)
    text = a["choices"][0]["message"]["content"]
    check("usage counts", a["usage"]["completion_tokens"] == 12 and a["choices"][0]["finish_reason"] == "length", a)
    check("equal seed, equal text", chat(s)[2]["choices"][0]["message"]["content"] == text)
    check("another seed, another text", chat(s, seed=8)[2]["choices"][0]["message"]["content"] != text)
    many = chat(s, n=3)[2]["choices"]
    check("n answers, the first as alone", len(many) == 3 and many[0]["message"]["content"] == text and [c["index"] for c in many] == [0, 1, 2], many)
    word = text.split()[2]
    stopped = chat(s, stop=[word])[2]["choices"][0]
    check("stop string is not in the text", word not in stopped["message"]["content"] and stopped["finish_reason"] == "stop", stopped)
    parts = [{"role": "user", "content": [{"type": "text", "text": "Tell me a story "}, {"type": "text", "text": "about a fox."}]}]
    check("content parts", chat(s, messages=parts)[2]["choices"][0]["message"]["content"] == text)
    lp = chat(s, logprobs=True, top_logprobs=3)[2]["choices"][0]["logprobs"]["content"]
    check("logprobs", len(lp) == 12 and all(len(t["top_logprobs"]) == 3 and t["logprob"] <= 0 for t in lp), lp[:1])
    check("logprob tokens make the text", bytes(b for t in lp for b in t["bytes"]).decode() == text, text)
    best = lp[0]["top_logprobs"][0]
    ids = s.ask("POST", "/tokenize", {"content": best["token"]})[2]["tokens"]
    banned = chat(s, temperature=0, logit_bias={str(ids[0]): -100}, logprobs=True)[2]["choices"][0]["logprobs"]["content"]
    check("max_completion_tokens wins over max_tokens", chat(s, max_completion_tokens=3)[2]["usage"]["completion_tokens"] == 3)
    check("null is as good as absent", chat(s, stop=None, n=None, top_p=None, logit_bias=None, stream=None)[2]["choices"][0]["message"]["content"] == text)
    check("the widest seeds", chat(s, seed=9223372036854774784)[0] == 200 and chat(s, seed=-(1 << 63))[0] == 200)
    go_on = FOX + [{"role": "assistant", "content": text}]
    a = chat(s, messages=go_on, continue_final_message=True)[2]
    check("the last message is gone on with", a["usage"]["prompt_tokens"] > 12 and a["choices"][0]["message"]["content"] != text, a)
    check("logit_bias bans a token", banned[0]["token"] != best["token"], banned[:1])


def test_streams(s):
    whole = chat(s)[2]["choices"][0]["message"]["content"]
    status, events = s.stream("/v1/chat/completions", {"messages": FOX, "max_tokens": 12, "seed": 7, "stream_options": {"include_usage": True}})
    chunks = [json.loads(e) for e in events[:-1]]
    check("stream ends with [DONE]", status == 200 and events[-1] == "[DONE]", events[-1])
    check("first chunk names the role", chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}, chunks[0])
    pieces = [c["choices"][0]["delta"].get("content", "") for c in chunks if c["choices"]]
    check("pieces make the whole answer", "".join(pieces) == whole, pieces)
    check("usage comes last", chunks[-1]["choices"] == [] and chunks[-1]["usage"]["completion_tokens"] == 12, chunks[-1])
    check("finish reason comes before it", chunks[-2]["choices"][0]["finish_reason"] == "length", chunks[-2])
    _, events = s.stream("/v1/chat/completions", {"messages": FOX, "max_tokens": 8, "seed": 7, "n": 2})
    seen = {json.loads(e)["choices"][0]["index"] for e in events[:-1]}
    check("streams of several choices", seen == {0, 1}, seen)
    _, events = s.stream("/v1/chat/completions", {"messages": FOX, "max_tokens": 4, "seed": 7, "logprobs": True, "top_logprobs": 2})
    lp = [t for e in events[:-1] for t in (json.loads(e)["choices"][0]["logprobs"] or {"content": []})["content"]]
    check("streamed logprobs", len(lp) == 4 and all(len(t["top_logprobs"]) == 2 for t in lp), lp)


def test_completions(s):
    ask = {"prompt": "Once upon a time", "max_tokens": 8, "temperature": 0}
    a = s.ask("POST", "/v1/completions", ask)[2]
    text = a["choices"][0]["text"]
    check("completion", a["object"] == "text_completion" and a["usage"]["completion_tokens"] == 8, a)
    check("echo", s.ask("POST", "/v1/completions", {**ask, "echo": True})[2]["choices"][0]["text"] == ask["prompt"] + text)
    ids = s.ask("POST", "/tokenize", {"content": ask["prompt"], "add_special": True})[2]["tokens"]
    check("prompt of token ids", s.ask("POST", "/v1/completions", {**ask, "prompt": ids})[2]["choices"][0]["text"] == text)
    two = s.ask("POST", "/v1/completions", {**ask, "prompt": [ask["prompt"], "The fox"]})[2]
    check("two prompts", len(two["choices"]) == 2 and two["choices"][0]["text"] == text, two)
    lists = s.ask("POST", "/v1/completions", {**ask, "logprobs": 2})[2]["choices"][0]["logprobs"]
    check("text offsets are where the tokens are", all(text[o:].startswith(t) for o, t in zip(lists["text_offset"], lists["tokens"])), (text, lists))
    check("logprobs lists", [len(lists[k]) for k in ("tokens", "token_logprobs", "top_logprobs", "text_offset")] == [8] * 4, lists)
    _, events = s.stream("/v1/completions", ask)
    check("completion stream", "".join(json.loads(e)["choices"][0]["text"] for e in events[:-1]) == text, events)
    half = s.ask("POST", "/tokenize", {"content": "\U00013000"})[2]["tokens"][0]
    check("a token that is half a character", s.ask("POST", "/detokenize", {"tokens": [half]})[2]["content"] == "\ufffd", half)
    a = s.ask("POST", "/v1/completions", {**ask, "prompt": [half], "echo": True})
    check("its echo", a[0] == 200 and a[2]["choices"][0]["text"].startswith("\ufffd"), a)
    _, events = s.stream("/v1/completions", {**ask, "prompt": [half], "echo": True})
    check("its echo as a stream", events[-1] == "[DONE]" and json.loads(events[0])["choices"][0]["text"] == "\ufffd", events)
    back = s.ask("POST", "/detokenize", {"tokens": ids, "skip_special": True})[2]["content"]
    pieces = s.ask("POST", "/tokenize", {"content": ask["prompt"], "with_pieces": True})[2]
    plain = s.ask("POST", "/tokenize", {"content": ask["prompt"]})[2]
    check("pieces", [t["id"] for t in pieces["tokens"]] == plain["tokens"] and pieces["count"] == plain["count"] == len(plain["tokens"]) and
          ask["prompt"].startswith(pieces["tokens"][0]["piece"]), pieces)
    check("nothing to tokenize", s.ask("POST", "/tokenize", {"content": ""})[2] == {"tokens": [], "count": 0})
    check("tokenize and back", back == ask["prompt"], back)


def test_operation(s):
    check("models", [m["id"] for m in s.ask("GET", "/v1/models")[2]["data"]] == ["minnow"])
    check("one model", s.ask("GET", "/v1/models/minnow")[2]["id"] == "minnow")
    check("health", s.ask("GET", "/health")[2]["status"] == "ok")
    api = s.ask("GET", "/openapi.json")[2]
    refs = [r.split('"')[0] for r in json.dumps(api).split('"$ref": "#/components/schemas/')[1:]]
    check("every reference of openapi.json resolves", refs and all(r in api["components"]["schemas"] for r in refs), refs)
    check("metrics", (s.metric("shoal_generated_tokens_total") or 0) > 0)
    text = s.ask("GET", "/metrics")[2]
    line = re.compile(r'(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z]+="[^"\n]*"(,[a-z]+="[^"\n]*")*\})? [0-9.e+-]+)\Z')
    check("metrics are in Prometheus' format", all(line.match(x) for x in text.splitlines()), [x for x in text.splitlines() if not line.match(x)])
    status, headers, text = s.ask("OPTIONS", "/v1/chat/completions")
    check("OPTIONS", status == 204 and "POST" in headers["Allow"] and text == "", (status, text))
    status, headers, text = s.ask("HEAD", "/health")
    check("HEAD", status == 200 and text == "", (status, text))


def test_errors(s):
    def error(name, expected, param, *ask, **kw):
        status, headers, a = s.ask(*ask, **kw)
        e = a.get("error", {}) if isinstance(a, dict) else {}
        check(name, status == expected and e.get("param") == param and e.get("message") and "type" in e and "code" in e, (status, a))
        return headers

    post = ("POST", "/v1/chat/completions")
    error("no JSON", 400, None, *post, raw=b"{")
    error("not an object", 400, None, *post, raw=b"[]")
    error("no messages", 400, "messages", *post, {})
    error("bad role", 400, "messages", *post, {"messages": [{"role": "king", "content": "x"}]})
    error("image part", 400, "messages", *post, {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]})
    for field, value in (("temperature", 3), ("temperature", "hot"), ("top_p", 1.5), ("n", 0), ("max_tokens", 0), ("stop", [""]), ("stop", 5), ("stop", "a\0b"), ("stop", ["x"] * 16), ("seed", 0.5), ("seed", 1e30), ("n", 17),
                         ("logit_bias", {"x": 1}), ("logit_bias", []), ("stream_options", 1), ("top_logprobs", 2), ("response_format", {"type": "yaml"}),
                         ("tools", {}), ("stream", "yes")):
        error(f"bad {field} {value!r}", 400, field, *post, {"messages": FOX, field: value})
    error("unknown model", 404, "model", *post, {"messages": FOX, "model": "nope"})
    error("unknown path", 404, None, "GET", "/v1/nope")
    error("unknown model by path", 404, "model", "GET", "/v1/models/a/b")
    headers = error("wrong method", 405, None, "DELETE", "/v1/models")
    check("Allow header", "GET" in (headers.get("Allow") or ""), headers.get("Allow"))
    error("prompt longer than the context", 400, None, *post, {"messages": [{"role": "user", "content": "word " * 5000}]})
    error("bad token id", 400, "tokens", "POST", "/detokenize", {"tokens": [99999999]})
    error("foreign origin", 403, None, "GET", "/v1/models", headers={"Origin": "http://evil.example"})
    for host in ("evil.example", "localhost.evil.example", "127.evil.example:80", "127.0.0.1.evil.example", "[::1].evil.example", "[", "", "localhost@x"):
        error(f"foreign host name {host!r}", 403, None, "GET", "/v1/models", headers={"Host": host})
    for host in ("localhost", "LOCALHOST:1", f"127.0.0.1:{s.port}", "127.9.9.9", "[::1]:80"):
        check(f"own name {host}", s.ask("GET", "/v1/models", headers={"Host": host})[0] == 200)
    error("origin of no page", 403, None, "GET", "/v1/models", headers={"Origin": "null"})
    check("a page of the server itself", s.ask("GET", "/v1/models", headers={"Origin": f"http://127.0.0.1:{s.port}"})[0] == 200)
    error("a path of odd bytes", 404, None, "GET", "/%0aGET%20/%ff%00")
    error("declared body too large", 413, None, *post, headers={"Content-Length": str(1 << 30)}, raw=b"")
    big = b"x" * (9 << 20)
    error("a body too large, sent to its end before the answer is read", 413, None, *post, raw=big)
    error("a large body for no path", 404, None, "POST", "/nope", raw=big)
    error("a large body with the wrong method", 405, None, "PUT", "/v1/completions", raw=big)
    error("JSON too deep", 400, None, *post, raw=b"[" * 100000)
    c = s.connect()
    c.request("POST", "/v1/chat/completions", iter([b"x" * (1 << 20)] * 9), {"Transfer-Encoding": "chunked"}, encode_chunked=True)
    check("chunked body too large", c.getresponse().status == 413)
    c.close()
    test_connections(s)


def test_connections(s):
    c = s.connect()
    statuses = []
    for _ in range(2):
        for method, path, body in (("POST", "/tokenize", {"content": 1}), ("POST", "/nope", {}), ("PUT", "/tokenize", {}), ("POST", "/tokenize", {"content": "fine"})):
            c.request(method, path, json.dumps(body))
            if not statuses:
                port = c.sock.getsockname()
            r = c.getresponse()
            r.read()
            statuses.append(r.status)
    check("one connection survives errors", statuses == [400, 404, 405, 200] * 2 and c.sock and c.sock.getsockname() == port, statuses)
    c.close()
    ask = request({"content": "one fish"}, "/tokenize")
    with s.raw() as sock:
        sock.sendall(ask + request({"messages": FOX, "max_tokens": 4}) + ask)
        got = b""
        while got.count(b"HTTP/1.1 200") < 3 or not got.endswith(b"}"):
            part = sock.recv(65536)
            if not part:
                break
            got += part
        check("requests sent at once are answered in order", [x[2:3] for x in re.findall(rb'\r\n\r\n{"[ti]', got)] == [b"\r"] * 3 and
              re.findall(rb'\r\n\r\n{"([a-z]*)"', got) == [b"tokens", b"id", b"tokens"], got)
    with s.raw() as sock:
        for i in range(0, len(ask)):
            sock.sendall(ask[i:i + 1])
        check("a request that comes byte by byte", read_until(sock, b"tokens").startswith(b"HTTP/1.1 200"))
    with s.raw() as sock:
        sock.sendall(request({"content": "x"}, "/tokenize", b"Expect: 100-continue\r\n"))
        check("100-continue", read_until(sock, b"tokens").startswith(b"HTTP/1.1 100"))
    with s.raw() as sock:
        sock.sendall(b"POST /tokenize HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % (20 << 20))
        check("no 100-continue for what is refused", read_until(sock, b"}}").startswith(b"HTTP/1.1 413"))
    if shutil.which("curl"):
        r = subprocess.run(["curl", "-sN", f"http://127.0.0.1:{s.port}/v1/chat/completions", "-d", json.dumps({"messages": FOX, "max_tokens": 3, "stream": True})],
                           capture_output=True, text=True, timeout=60)
        check("curl", r.returncode == 0 and r.stdout.endswith("data: [DONE]\n\n"), r)
    else:
        print("skip curl: not installed")


def test_leaving_clients():
    # A context so long that no generation ends by itself meanwhile.
    with Server("--ctx", "65536", "--parallel", "2") as s:
        long = {"messages": FOX, "ignore_eos": True, "seed": 1}
        for name, body in (("a stream", {**long, "stream": True}), ("an answer", long), ("several answers", {**long, "n": 2}), ("more than fit", {**long, "n": 5})):
            cancelled = s.metric("shoal_generations_cancelled_total")
            with s.raw() as sock:
                sock.sendall(request(body))
                end = time.time() + 5
                while s.metric("shoal_requests_active") == 0 and time.time() < end:
                    time.sleep(0.01)
                check(f"{name} runs", s.metric("shoal_requests_active") > 0)
            check(f"a client that leaves {name} frees its slots", s.wait_idle(1), s.metric("shoal_requests_active"))
            check("and cancels", s.metric("shoal_generations_cancelled_total") == cancelled + body.get("n", 1))
        half = [s.raw() for _ in range(40)]
        for sock in half:
            sock.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{")
        check("uploads that stop half-way disturb nobody", chat(s)[0] == 200)
        for sock in half:
            sock.close()


def test_queue():
    with Server("--ctx", "65536", "--parallel", "1", "--queue", "1") as s:
        socks = [s.raw() for _ in range(6)]
        body = {"messages": FOX, "ignore_eos": True, "stream": True}
        heads = []
        for sock in socks:
            sock.sendall(request(body))
            heads.append(read_until(sock, b"}}", b"finish_reason").decode(errors="replace"))
        check("running, waiting, and full", [x[9:12] for x in heads] == ["200"] * 2 + ["429"] * 4, heads)
        check("a stream that waits has its first event", '"role":"assistant"' in heads[1], heads[1])
        check("429 with Retry-After", all("Retry-After: 1\r\n" in x and "rate_limit_error" in x for x in heads[2:]), heads[2])
        check("it is counted", s.metric("shoal_generations_rejected_total") == 4 and s.metric("shoal_requests_waiting") == 1)
        for sock in socks:
            sock.close()
        check("and recovers", s.wait_idle(2) and chat(s)[0] == 200)
        check("more answers than there is room for", chat(s, n=3)[0] == 429 and s.wait_idle(2))
    with Server("--ctx", "65536", "--timeout", "1") as s:
        begin = time.time()
        a = s.ask("POST", "/v1/chat/completions", {"messages": FOX, "ignore_eos": True})[2]
        check("time is up", a["choices"][0]["finish_reason"] == "length" and 0.9 < time.time() - begin < 5, a["usage"])


def test_token():
    with Server(env={"SHOAL_TOKEN": "s3cret"}) as s:
        check("401 without a token", s.ask("GET", "/v1/models")[0] == 401)
        status, headers, _ = s.ask("GET", "/v1/models", headers={"Authorization": "Bearer wrong"})
        check("401 with a wrong one", status == 401 and headers["WWW-Authenticate"] == "Bearer")
        check("200 with the right one", s.ask("GET", "/v1/models", headers={"Authorization": "Bearer s3cret"})[0] == 200)
        check("health is open", s.ask("GET", "/health")[0] == 200)
        check("401 for a large upload", s.ask("POST", "/v1/completions", raw=b"x" * (9 << 20))[0] == 401)
        check("any Host with a token", s.ask("GET", "/health", headers={"Host": "example.org"})[0] == 200)
    with Server("--cors", "http://page.example", env={"SHOAL_TOKEN": "s3cret"}) as s:
        page = {"Origin": "http://page.example", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
        status, headers, _ = s.ask("OPTIONS", "/v1/chat/completions", headers=page)
        check("a browser may ask first", status == 204 and headers["Access-Control-Allow-Origin"] == page["Origin"] and
              "Authorization" in headers["Access-Control-Allow-Headers"] and "POST" in headers["Access-Control-Allow-Methods"], dict(headers))
        check("another page may not", s.ask("OPTIONS", "/v1/chat/completions", headers={"Origin": "http://evil.example"})[0] == 403)
        status, headers, _ = s.ask("POST", "/v1/chat/completions", {"messages": FOX, "max_tokens": 1, "stream": True},
                                   headers={"Origin": "http://page.example", "Authorization": "Bearer s3cret"})
        check("streams carry the header too", status == 200 and headers["Access-Control-Allow-Origin"] == page["Origin"])
    r = subprocess.run([SHOAL, "serve", "--port", "0", "--host", "0.0.0.0"], capture_output=True, text=True, timeout=60, env={"PATH": "/usr/bin"})
    check("no listening beyond loopback without a token", r.returncode == 1 and "token" in r.stderr and not r.stdout, r.stderr)


def test_stop():
    s = Server()
    sock = s.raw()
    sock.sendall(request({"messages": FOX, "ignore_eos": True, "stream": True, "max_tokens": 150}))
    first = read_until(sock, b"data: ")
    idle = s.connect()
    idle.request("GET", "/health")
    idle.getresponse().read()
    waiter = threading.Thread(target=lambda: codes.append(s.stop()))
    codes = []
    waiter.start()
    check("SIGTERM lets a stream end", b"[DONE]" in first + read_until(sock, b"[DONE]"))
    waiter.join()
    check("and then ends", codes == [0], codes)
    sock.close()
    idle.close()

    s = Server("--ctx", "65536")
    long = {"messages": FOX, "ignore_eos": True}
    socks = [s.raw() for _ in range(12)]
    for i, sock in enumerate(socks):
        sock.sendall(request({**long, "stream": i % 2 == 0}))
    read_until(socks[0], b"data: ")
    begin = time.time()
    late = s.connect()
    late.request("GET", "/health")
    late.getresponse().read()
    waiter = threading.Thread(target=lambda: codes.append(s.stop()))
    waiter.start()
    time.sleep(0.5)
    late.request("POST", "/v1/chat/completions", json.dumps(long))
    r = late.getresponse()
    check("what comes while it stops gets 503", r.status == 503 and json.loads(r.read())["error"]["code"] == "stopping", r.status)
    waiter.join()
    check("what does not end is cut off", codes == [0, 0] and time.time() - begin < 8, (codes, time.time() - begin))
    for sock in socks:
        sock.close()


def test_log(server):
    with open(server.log.name, errors="replace") as f:
        lines = f.read().splitlines()
    odd = [x for x in lines if "odd" in x or not re.match(r"(\S+ .* \d+ \d+\.\d ms|stopping|.*loading.*|)\Z", x)]
    check("one clean line of log per request", any("/?GET /" in x for x in lines) and not odd, odd[:3])


with Server() as server:
    for test in (test_answers, test_streams, test_completions, test_operation, test_errors, test_log):
        test(server)
test_leaving_clients()
test_queue()
test_token()
test_stop()
finish()
