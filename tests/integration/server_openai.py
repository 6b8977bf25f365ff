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
    raises("bad request", openai.BadRequestError, lambda: c.chat.completions.create(model="minnow", messages=FOX, temperature=9))

with Server(env={"SHOAL_TOKEN": "right"}) as s:
    c = openai.OpenAI(base_url=f"http://127.0.0.1:{s.port}/v1", api_key="wrong", max_retries=0)
    raises("wrong token", openai.AuthenticationError, lambda: c.models.list())
    check("right token", openai.OpenAI(base_url=c.base_url, api_key="right").models.list().data)
finish()
