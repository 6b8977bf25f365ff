#!/usr/bin/env python3
"""The openai package for Python against our server."""
from _pip import pip
from _server import Server, check, finish

pip("openai")
import openai  # noqa: E402

FOX = [{"role": "user", "content": "Tell me a story about a fox."}]


def raises(name, kind, call):
    try:
        call()
    except kind as e:
        check(name, True)
        return e
    except Exception as e:  # noqa: BLE001
        check(name, False, e)
    else:
        check(name, False, "no error")
    return None


with Server() as s:
    c = openai.OpenAI(base_url=f"http://127.0.0.1:{s.port}/v1", api_key="none", max_retries=0)
    a = c.chat.completions.create(model="minnow", messages=FOX, max_tokens=16, seed=3, logprobs=True, top_logprobs=2)
    text = a.choices[0].message.content
    check("chat", text and a.usage.completion_tokens == 16, a)
    check("logprobs", len(a.choices[0].logprobs.content) == 16)
    pieces = [x.choices[0].delta.content or "" for x in c.chat.completions.create(model="minnow", messages=FOX, max_tokens=16, seed=3, stream=True)]
    check("stream", "".join(pieces) == text, pieces)
    with c.chat.completions.create(model="minnow", messages=FOX, stream=True, extra_body={"ignore_eos": True}) as stream:
        for _ in stream:
            break
    check("an abandoned stream frees its slot", s.wait_idle(3))
    check("completion", c.completions.create(model="minnow", prompt="Once upon a time", max_tokens=5).usage.completion_tokens == 5)
    check("models", [m.id for m in c.models.list()] == ["minnow"] and c.models.retrieve("minnow").id == "minnow")
    e = raises("unknown model", openai.NotFoundError, lambda: c.chat.completions.create(model="gpt", messages=FOX))
    check("its code", e and e.code == "model_not_found" and e.param == "model", e)
    e = raises("bad request", openai.BadRequestError, lambda: c.chat.completions.create(model="minnow", messages=FOX, temperature=9))
    check("names the field", e and e.param == "temperature" and e.type == "invalid_request_error", e)
    raises("unknown model by path", openai.NotFoundError, lambda: c.models.retrieve("some/model"))
    a = c.completions.create(model="minnow", prompt=["Once upon a time", "The fox"], max_tokens=4, logprobs=2, echo=True, stop=["zebra"])
    check("two prompts", len(a.choices) == 2 and a.choices[1].text.startswith("The fox") and len(a.choices[0].logprobs.tokens) == 4, a)
    chunks = list(c.chat.completions.create(model="minnow", messages=FOX, max_tokens=4, n=2, stream=True, stream_options={"include_usage": True}))
    check("usage of a stream", chunks[-1].usage.completion_tokens == 8 and not chunks[-1].choices, chunks[-1])

with Server("--ctx", "65536", "--parallel", "1", "--queue", "1") as s:
    c = openai.OpenAI(base_url=f"http://127.0.0.1:{s.port}/v1", api_key="none", max_retries=0)
    busy = [c.chat.completions.create(model="minnow", messages=FOX, stream=True, extra_body={"ignore_eos": True}) for _ in range(2)]
    e = raises("full queue", openai.RateLimitError, lambda: c.chat.completions.create(model="minnow", messages=FOX))
    check("says when to come back", e and e.response.headers["retry-after"] == "1" and e.code == "queue_full", e)
    for stream in busy:
        stream.close()
    check("and again", s.wait_idle(3) and c.chat.completions.create(model="minnow", messages=FOX, max_tokens=2).usage.completion_tokens == 2)

with Server(env={"SHOAL_TOKEN": "right"}) as s:
    c = openai.OpenAI(base_url=f"http://127.0.0.1:{s.port}/v1", api_key="wrong", max_retries=0)
    raises("wrong token", openai.AuthenticationError, lambda: c.models.list())
    check("right token", openai.OpenAI(base_url=c.base_url, api_key="right").models.list().data)
finish()
