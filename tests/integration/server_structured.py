#!/usr/bin/env python3
"""Answers by schema over HTTP and on the command line, judged by Python's jsonschema where that is installed."""
import json
import subprocess
import tempfile

from _server import SHOAL, Server, check, finish

try:
    import jsonschema
except ImportError:
    jsonschema = None

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 12},
        "age": {"type": "integer", "minimum": 1, "maximum": 130},
        "colours": {"type": "array", "items": {"enum": ["red", "grey"]}, "minItems": 1, "maxItems": 3},
        "home": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/place"}]},
    },
    "required": ["name", "age", "colours", "home"],
    "additionalProperties": False,
    "$defs": {"place": {"type": "object", "properties": {"den": {"type": "boolean"}, "since": {"type": "string", "format": "date"}},
                        "required": ["den", "since"], "additionalProperties": False}},
}
FOX = [{"role": "user", "content": "Describe a fox."}]


def is_valid(text):
    try:
        value = json.loads(text)
    except ValueError:
        return False
    if jsonschema:
        return jsonschema.Draft202012Validator(SCHEMA).is_valid(value)
    return list(value) == ["name", "age", "colours", "home"] and 1 <= value["age"] <= 130 and 1 <= len(value["name"]) <= 12


def chat(s, **more):
    return s.ask("POST", "/v1/chat/completions", {"messages": FOX, "max_tokens": 400, **more})


def text_of(answer):
    choice = answer["choices"][0]
    return choice["message"]["content"] if "message" in choice else choice["text"]


def test_chat(s):
    wanted = {"type": "json_schema", "json_schema": {"name": "fox", "strict": True, "schema": SCHEMA}}
    for seed in range(20):
        status, _, a = chat(s, seed=seed, response_format=wanted)
        check("json_schema, seed %d" % seed, status == 200 and is_valid(text_of(a)) and a["choices"][0]["finish_reason"] == "stop", a)
    many = chat(s, seed=1, n=4, response_format=wanted)[2]["choices"]
    check("n answers", all(is_valid(c["message"]["content"]) for c in many), many)
    check("text", chat(s, response_format={"type": "text"}, max_tokens=5)[0] == 200)
    a = chat(s, seed=3, response_format={"type": "json_object"}, max_tokens=300)[2]
    done = a["choices"][0]["finish_reason"] == "stop"
    check("json_object", text_of(a).startswith("{") and (not done or isinstance(json.loads(text_of(a)), dict)), a)


def test_completions(s):
    def ask(**more):
        return s.ask("POST", "/v1/completions", {"prompt": "The fox", "max_tokens": 300, "seed": 5, **more})
    check("grammar", text_of(ask(grammar='root ::= " ran" | " slept"')[2]) in (" ran", " slept"))
    check("json_schema field", is_valid(text_of(ask(json_schema=SCHEMA)[2])))
    status, _, a = ask(grammar='root ::= root "a" | "b"')
    check("left recursion", status == 400 and a["error"]["param"] == "grammar" and "line 1" in a["error"]["message"], a)
    status, _, a = ask(grammar='root ::= "a"', json_schema=SCHEMA)
    check("both", status == 400 and a["error"]["param"] == "json_schema", a)


def test_errors(s):
    for name, value in [("a word", "json"), ("no type", {}), ("unknown type", {"type": "yaml"}), ("no schema", {"type": "json_schema"}),
                        ("schema a text", {"type": "json_schema", "json_schema": {"schema": "x"}}),
                        ("unsupported", {"type": "json_schema", "json_schema": {"schema": {"properties": {"a": {"not": {}}}}}})]:
        status, _, a = chat(s, response_format=value)
        check("refused: " + name, status == 400 and a["error"]["param"] == "response_format", a)
    check("the pointer is named", "#/properties/a/not" in a["error"]["message"], a)


def run(*args):
    return subprocess.run([SHOAL, "run", "minnow", *args, "Describe a fox."], capture_output=True, text=True, timeout=120)


def test_command_line():
    check("--json-schema JSON", is_valid(run("--seed", "1", "--json-schema", json.dumps(SCHEMA)).stdout))
    with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
        json.dump(SCHEMA, f)
        f.flush()
        check("--json-schema FILE", is_valid(run("--seed", "2", "--json-schema", f.name).stdout))
    with tempfile.NamedTemporaryFile("w", suffix=".gbnf") as f:
        f.write('root ::= "yes" | "no"\n')
        f.flush()
        check("--grammar", run("--grammar", f.name).stdout.strip() in ("yes", "no"))
        both = run("--grammar", f.name, "--format", "json")
        check("two forms", both.returncode != 0 and "exclude" in both.stderr, both.stderr)
    bad = run("--json-schema", '{"type": "strin"}')
    check("bad schema", bad.returncode != 0 and "#/type" in bad.stderr, bad.stderr)


with Server() as server:
    test_chat(server)
    test_completions(server)
    test_errors(server)
test_command_line()
finish()
