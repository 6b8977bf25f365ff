#!/usr/bin/env python3
"""The HTTP server with nothing but Python's standard library: routes, streams, errors, limits, clients that leave."""
import json
import subprocess
import time

from _server import SHOAL, Server, check, finish

FOX = [{"role": "user", "content": "Tell me a story about a fox."}]


def chat(server, **more):
    return server.ask("POST", "/v1/chat/completions", {"messages": FOX, "max_tokens": 12, "seed": 7, **more})


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
    check("logprobs lists", [len(lists[k]) for k in ("tokens", "token_logprobs", "top_logprobs", "text_offset")] == [8] * 4, lists)
    _, events = s.stream("/v1/completions", ask)
    check("completion stream", "".join(json.loads(e)["choices"][0]["text"] for e in events[:-1]) == text, events)
    back = s.ask("POST", "/detokenize", {"tokens": ids, "skip_special": True})[2]["content"]
    check("tokenize and back", back == ask["prompt"], back)


def test_operation(s):
    check("models", [m["id"] for m in s.ask("GET", "/v1/models")[2]["data"]] == ["minnow"])
    check("one model", s.ask("GET", "/v1/models/minnow")[2]["id"] == "minnow")
    check("health", s.ask("GET", "/health")[2]["status"] == "ok")
    api = s.ask("GET", "/openapi.json")[2]
    refs = [r.split('"')[0] for r in json.dumps(api).split('"$ref": "#/components/schemas/')[1:]]
    check("every reference of openapi.json resolves", refs and all(r in api["components"]["schemas"] for r in refs), refs)
    check("metrics", (s.metric("shoal_generated_tokens_total") or 0) > 0)
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
    for field, value in (("temperature", 3), ("temperature", "hot"), ("top_p", 1.5), ("n", 0), ("max_tokens", 0), ("stop", [""]), ("stop", 5), ("seed", 0.5),
                         ("logit_bias", {"x": 1}), ("logit_bias", []), ("stream_options", 1), ("top_logprobs", 2), ("response_format", {"type": "json_object"}),
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
    error("foreign host name", 403, None, "GET", "/v1/models", headers={"Host": "evil.example"})
    error("declared body too large", 413, None, *post, headers={"Content-Length": str(1 << 30)}, raw=b"")
    c = s.connect()
    c.request("POST", "/v1/chat/completions", iter([b"x" * (1 << 20)] * 9), {"Transfer-Encoding": "chunked"}, encode_chunked=True)
    check("chunked body too large", c.getresponse().status == 413)
    c.close()
    c = s.connect()
    for _ in range(2):
        c.request("POST", "/tokenize", json.dumps({"content": 1}))
        bad = c.getresponse()
        bad.read()
        c.request("POST", "/tokenize", json.dumps({"content": "fine"}))
        good = c.getresponse()
        good.read()
    check("one connection survives errors", bad.status == 400 and good.status == 200)
    c.close()


def test_leaving_clients(s):
    long = {"messages": FOX, "ignore_eos": True, "seed": 1}
    for stream in (True, False):
        sock = s.raw()
        body = json.dumps({**long, "stream": stream}).encode()
        sock.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        if stream:
            sock.recv(2000)
        else:
            time.sleep(0.02)
        sock.close()
        check(f"a client that leaves frees its slot (stream {stream})", s.wait_idle(2), s.metric("shoal_requests_active"))
    half = s.raw()
    half.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{")
    check("half an upload disturbs nobody", chat(s)[0] == 200)
    half.close()


def test_queue():
    with Server("--parallel", "1", "--queue", "1") as s:
        socks = []
        body = json.dumps({"messages": FOX, "ignore_eos": True, "stream": True, "max_tokens": 900}).encode()
        statuses = []
        for _ in range(6):
            sock = s.raw()
            sock.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            socks.append(sock)
        for sock in socks:
            statuses.append(sock.recv(4000).decode(errors="replace"))
        full = [x for x in statuses if x.startswith("HTTP/1.1 429")]
        check("a full queue gives 429", full, [x[:20] for x in statuses])
        check("with Retry-After", all("Retry-After: 1" in x for x in full))
        for sock in socks:
            sock.close()
        check("and recovers", s.wait_idle(5) and chat(s)[0] == 200)


def test_token():
    with Server(env={"SHOAL_TOKEN": "s3cret"}) as s:
        check("401 without a token", s.ask("GET", "/v1/models")[0] == 401)
        status, headers, _ = s.ask("GET", "/v1/models", headers={"Authorization": "Bearer wrong"})
        check("401 with a wrong one", status == 401 and headers["WWW-Authenticate"] == "Bearer")
        check("200 with the right one", s.ask("GET", "/v1/models", headers={"Authorization": "Bearer s3cret"})[0] == 200)
        check("health is open", s.ask("GET", "/health")[0] == 200)
    r = subprocess.run([SHOAL, "serve", "--port", "0", "--host", "0.0.0.0"], capture_output=True, text=True, timeout=60, env={"PATH": "/usr/bin"})
    check("no listening beyond loopback without a token", r.returncode == 1 and "token" in r.stderr and not r.stdout, r.stderr)


def test_stop():
    s = Server()
    sock = s.raw()
    body = json.dumps({"messages": FOX, "ignore_eos": True, "stream": True}).encode()
    sock.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    sock.recv(1000)
    check("SIGTERM during a stream ends cleanly", s.stop() == 0)
    sock.close()


with Server() as server:
    for test in (test_answers, test_streams, test_completions, test_operation, test_errors, test_leaving_clients):
        test(server)
test_queue()
test_token()
test_stop()
finish()
