#!/usr/bin/env python3
"""The ollama package for Python against our server, and the parts of Ollama's API that it does not reach."""
import json

from _pip import pip
from _server import Server, check, finish

pip("ollama")
import ollama  # noqa: E402

FOX = [{"role": "user", "content": "Tell me a story about a fox."}]
FEW = {"num_predict": 12, "seed": 7}


def raises(name, call, status):
    try:
        call()
    except ollama.ResponseError as e:
        check(name, e.status_code == status and e.error, (e.status_code, e.error))
        return e
    except Exception as e:  # noqa: BLE001
        check(name, False, e)
    else:
        check(name, False, "no error")
    return None


def lines(s, path, body):
    """(content type, objects) of a stream."""
    c = s.connect()
    c.request("POST", path, json.dumps(body))
    r = c.getresponse()
    text = r.read().decode()
    c.close()
    return r.headers["Content-Type"], [json.loads(x) for x in text.splitlines()]


def test_chat(s, c):
    a = c.chat("minnow", FOX, options=FEW)
    text = a.message.content
    check("chat", text and a.done and a.done_reason == "length" and a.message.role == "assistant", a)
    check("counts", a.eval_count == 12 and a.prompt_eval_count > 5 and a.total_duration >= a.eval_duration > 0, a)
    check("the tag is no part of the name", c.chat("minnow:latest", FOX, options=FEW).message.content == text)
    parts = list(c.chat("minnow", FOX, options=FEW, stream=True))
    check("stream", "".join(p.message.content for p in parts) == text and [p.done for p in parts[-2:]] == [False, True], parts[-2:])
    check("its end", parts[-1].done_reason == "length" and parts[-1].eval_count == 12 and parts[-1].created_at.endswith("Z"), parts[-1])
    check("the same text as OpenAI's route gives", s.ask("POST", "/v1/chat/completions", {"messages": FOX, "max_tokens": 12, "seed": 7})[2]
          ["choices"][0]["message"]["content"] == text)
    word = text.split()[2]
    a = c.chat("minnow", FOX, options={**FEW, "stop": [word]})
    check("stop", word not in a.message.content and a.done_reason == "stop", a)
    a = c.chat("minnow", [{"role": "system", "content": "Be brief."}, *FOX], options=FEW)
    check("system text goes to the model's template, which leaves it out", a.message.content == text, a)
    schema = {"type": "object", "properties": {"name": {"enum": ["fox", "crow"]}, "age": {"type": "integer", "minimum": 1, "maximum": 9}},
              "required": ["name", "age"], "additionalProperties": False}
    a = json.loads(c.chat("minnow", FOX, format=schema, options={"seed": 7}).message.content)
    check("format: a schema", a["name"] in ("fox", "crow") and a["age"] in range(1, 10) and len(a) == 2, a)
    a = c.generate("minnow", "Tell me.", format={"enum": ["yes", "no"]}, options={"seed": 3}).response
    check("format of generate", a in ('"yes"', '"no"'), a)
    check("format json begins an object", c.chat("minnow", FOX, format="json", options=FEW).message.content.lstrip()[0] == "{")
    check("no messages: loaded", c.chat("minnow", []).done_reason == "load")
    a = c.chat("minnow", FOX, options=FEW, logprobs=True, top_logprobs=2)
    check("logprobs", len(a.logprobs) == 12 and all(len(t.top_logprobs) == 2 and t.logprob <= 0 for t in a.logprobs), a.logprobs[:1])
    kind, chunks = lines(s, "/api/chat", {"model": "minnow", "messages": FOX, "options": FEW})
    check("streams unless told not to", kind == "application/x-ndjson" and len(chunks) > 5 and chunks[-1]["done"], (kind, chunks[-1:]))
    calls = [{"function": {"name": "f", "arguments": {"a": 1}}}]
    told = FOX + [{"role": "assistant", "content": "", "tool_calls": calls}, {"role": "tool", "tool_name": "f", "content": "2"}]
    check("calls and their results are read", c.chat("minnow", told, options=FEW).eval_count > 0)


def test_generate(s, c):
    a = c.generate("minnow", "Once upon a time", options={**FEW, "temperature": 0}, raw=True)
    check("generate", a.response == s.ask("POST", "/v1/completions", {"prompt": "Once upon a time", "max_tokens": 12, "temperature": 0})[2]
          ["choices"][0]["text"], a.response)
    check("context is prompt and answer", len(a.context) == a.prompt_eval_count + 12, a.context)
    b = c.generate("minnow", " and", context=a.context, options=FEW, raw=True)
    check("and can be gone on from", b.prompt_eval_count > len(a.context) and b.context[:len(a.context)] == a.context, b)
    parts = list(c.generate("minnow", "Once upon a time", options={**FEW, "temperature": 0}, raw=True, stream=True))
    check("stream", "".join(p.response for p in parts) == a.response and parts[-1].context == a.context, parts[-1])
    t = c.generate("minnow", "Once", template="{{ if .System }}{{ .System }}: {{ end }}{{ .Prompt }} upon a time{{ .Response }} gone", options={**FEW, "temperature": 0})
    check("template", t.response == a.response, t.response)
    check("the model's own template", c.generate("minnow", FOX[0]["content"], options=FEW).response == c.chat("minnow", FOX, options=FEW).message.content)
    check("no prompt: loaded", c.generate("minnow").done_reason == "load")
    check("and dropped", c.generate("minnow", keep_alive=0).done_reason == "unload")


def test_models(s, c):
    listed = c.list().models
    check("list", [m.model for m in listed] == ["minnow:latest"] and listed[0].size > 0 and len(listed[0].digest) == 64, listed)
    m = c.show("minnow")
    kind = m.modelinfo["general.architecture"]
    check("show", kind == listed[0].details.family and m.modelinfo[f"{kind}.block_count"] > 0 and "completion" in m.capabilities, m)
    check("ps", [m.name for m in c.ps().models] == ["minnow:latest"] and c.ps().models[0].expires_at.year > 2100)
    check("version", s.ask("GET", "/api/version")[2]["version"].count(".") == 2)
    check("HEAD / finds us", s.ask("HEAD", "/")[0] == 200 and s.ask("GET", "/")[0] == 200)


def test_errors(s, c):
    raises("unknown model", lambda: c.chat("gpt", FOX), 404)
    raises("unknown model to show", lambda: c.show("gpt"), 404)
    e = raises("bad option", lambda: c.chat("minnow", FOX, options={"top_p": 7}), 400)
    check("names it", e and "top_p" in e.error, e)
    raises("a format that is none", lambda: c.generate("minnow", "x", format={"type": "nonsense"}), 400)
    raises("a suffix without a place for it", lambda: c.generate("minnow", "x", suffix="y"), 400)
    raises("images", lambda: c.generate("minnow", "What?", images=["aGk="]), 400)
    raises("a template we do not know", lambda: c.generate("minnow", "x", template="{{ range .Messages }}{{ end }}"), 400)
    raises("a stream that cannot begin", lambda: list(c.chat("gpt", FOX, stream=True)), 404)
    status, _, a = s.ask("POST", "/api/chat", raw=b"{")
    check("no JSON", status == 400 and isinstance(a["error"], str), a)
    status, _, a = s.ask("GET", "/api/nothing")
    check("no such path", status == 404 and isinstance(a["error"], str), a)
    check("no model named", s.ask("POST", "/api/show", {})[0] == 400)
    check("a bad keep_alive", s.ask("POST", "/api/chat", {"model": "minnow", "keep_alive": "soon"})[0] == 400)


with Server() as server:
    client = ollama.Client(host=f"http://127.0.0.1:{server.port}")
    test_chat(server, client)
    test_generate(server, client)
    test_models(server, client)
    test_errors(server, client)
    for _ in client.chat("minnow", FOX, stream=True):
        break
    check("an abandoned stream frees its slot", server.wait_idle(5))
finish()
