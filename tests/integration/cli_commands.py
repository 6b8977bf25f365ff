#!/usr/bin/env python3
"""Every command of the program, as a user gives it: exit codes, streams, JSON, signals, pipes, and the numbers.

    tests/integration/cli_commands.py [PART...]     (parts are named at the end)

Prints `ok`, `skip` or `FAIL` and a name for each check. Exit codes: 0 all well, 1 a check failed, 77 no program or model.
"""
import array
import json
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time

import _cli_lib as cli_lib
from _cli_lib import DATA, ROOT, SHOAL, environment, shoal

T = cli_lib.Tally()
MINNOW = cli_lib.find_minnow()
STORIES = os.path.join(DATA, "lm/stories260K")
TMP = tempfile.TemporaryDirectory(prefix="shoal-cli-work-")


def tmp(name, content=None):
    path = os.path.join(TMP.name, name)
    if content is not None:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(content if isinstance(content, bytes) else content.encode())
    return path


def good(name, *args, **kw):
    """The command ends well and says nothing on the diagnostics stream (a pipe: no progress, no notes)."""
    r = shoal(*args, **kw)
    T.check(name, r.code == 0 and not r.err, r)
    return r


def good_json(name, *args, keys=(), **kw):
    r = shoal(*args, "--json", **kw)
    try:
        doc = json.loads(r.out)
    except ValueError as e:
        T.check(name, False, f"{e}; {r}")
        return {}
    missing = [k for k in keys if k not in doc]
    T.check(name, r.code == 0 and not r.err and not missing, f"missing {missing}; {r}")
    return doc


def bad(name, code, *args, says="", **kw):
    """The command fails with `code`, prints exactly one line and nothing on standard output."""
    r = shoal(*args, **kw)
    one_line = r.err.startswith("shoal: ") and r.err.endswith("\n") and r.err.count("\n") == 1
    T.check(name, r.code == code and one_line and not r.out and says in r.err, f"expected {code}, {says!r}; {r}")


def commands():
    return shoal("help", "--names").out.split("\n")[:-1]


def options_of(command):
    """The long options that the help of a command lists."""
    found = []
    for line in shoal("help", *command.split()).out.split("\n"):
        words = line.strip().replace(",", "").split()
        at = 1 if words and len(words[0]) == 2 and words[0][0] == "-" else 0
        if line.startswith("  ") and len(words) > at and words[at].startswith("--") and not line.startswith("   " * 4):
            found.append((words[at], words[at + 1] if len(words) > at + 1 else ""))
    return found


def test_help():
    r = shoal()
    T.check("alone: the overview, exit 2", r.code == 2 and not r.out and "Commands:" in r.err, r)
    for flag in ("help", "--help", "-h"):
        r = good(f"overview by {flag}", flag)
        T.check(f"overview by {flag} names every command",
                all(f"\n  {c} " in r.out for c in commands() if " " not in c), r.out)
    for c in commands():
        r = good(f"help {c}", "help", *c.split())
        T.check(f"help {c}: at most 80 columns", all(len(x) <= 80 for x in r.out.split("\n")),
                [x for x in r.out.split("\n") if len(x) > 80])
        T.check(f"{c} --help is the same", shoal(*c.split(), "--help").out == r.out)
        T.check(f"help {c}: common options", all(o in r.out for o in ("--json", "--threads", "--quiet", "--help")))
    bad("help of nothing", 2, "help", "nothing", says="unknown command 'nothing'")
    for typo, meant in (("rnu", "run"), ("chta", "chat"), ("bnech", "bench"), ("tokenise", "tokenize")):
        bad(f"typo {typo}", 2, typo, says=f"did you mean '{meant}'?")
    bad("typo of a sub-command", 2, "debug", "logitz", says="did you mean 'debug logits'?")
    bad("typo of an option", 2, "run", "x", "--temprature", "1", says="did you mean --temperature?")
    bad("an option before the command", 2, "--json", "list", says="options come after")
    for c in commands():
        bad(f"{c}: unknown option", 2, *c.split(), "--no-such-option-here", says="unknown option")
        bad(f"{c}: unknown letter", 2, *c.split(), "-Z", says="unknown option -Z")
        bad(f"{c}: a value for a flag", 2, *c.split(), "--json=1", says="flag --json")


def test_options():
    """Every option that takes a value: without one, and numbers that are none, too large, or not of the choices."""
    for c in commands():
        for name, value in options_of(c):
            if not value or not (value.isupper() or "|" in value or value[0].isupper()):
                continue
            bad(f"{c} {name}: no value", 2, *c.split(), name, says=f"no value for {name}")
            if "|" in value:
                bad(f"{c} {name}: not a choice", 2, *c.split(), name, "nonsense", says="is not one of")
            elif value in ("N", "T", "P", "R", "F", "S", "BYTES", "UNIX") and (c, name) != ("debug logits", "--hidden") \
                    and (c, name) != ("debug logits", "--layers"):
                for number in ("", "x", "1x", "nan", "1e400", "99999999999999999999999", "-99999999999999999999"):
                    bad(f"{c} {name} {number!r}", 2, *c.split(), name, number, says=name)
    bad("SHOAL_THREADS is checked", 2, "list", env={"SHOAL_THREADS": "many"}, says="SHOAL_THREADS")
    bad("SHOAL_CPU is checked", 1, "run", MINNOW, "x", env={"SHOAL_CPU": "fast"}, says="fast")
    bad("too many options", 1 + 1, "run", "x", *["--stop=a"] * 200, says="128")
    bad("too many stops", 2, "run", MINNOW, "x", *["--stop=a"] * 17, says="--stop")
    T.check("-nN, -n N, --max-tokens=N", len({shoal("run", MINNOW, "hello", "-s", "1", *a).out for a in (
        ("-n5",), ("-n", "5"), ("--max-tokens=5",), ("--max-tokens", "5"))}) == 1)
    T.check("-- ends the options", shoal("tokenize", MINNOW, "--", "--ids").code == 0)


def test_run():
    text = good("run: prompt as argument", "run", MINNOW, "-n", "12", "-s", "7", "Tell", "me", "a story").out
    T.check("run: same seed, same text", shoal("run", MINNOW, "-n", "12", "-s", "7", "Tell me a story").out == text)
    for name, args, stdin in (("pipe", (), b"Tell me a story\n"), ("dash", ("-",), b"Tell me a story"),
                              ("crlf", (), b"Tell me a story\r\n")):
        r = good(f"run: prompt from {name}", "run", MINNOW, "-n", "12", "-s", "7", *args, stdin=stdin)
        T.check(f"run: same answer from {name}", r.out == text, r)
    T.check("run: ends in a newline", text.endswith("\n") and len(text) > 5, text)
    doc = good_json("run --json", "run", MINNOW, "-n", "12", "-s", "7", "Tell me a story",
                    keys=("text", "seed", "finish_reason", "prompt_tokens", "generated_tokens"))
    T.check("run --json: same text", doc.get("text", "") + "\n" == text and doc["generated_tokens"] == 12, doc)
    r = shoal("run", MINNOW, "-n", "4", "-v", "hello")
    T.check("run --verbose: counts on stderr", r.code == 0 and "answer: 4 tokens" in r.err, r)
    for args in (("--temperature", "0"), ("--top-k", "1"), ("--top-p", "0.01")):
        T.check(f"run: {args[0]} greedy", len({shoal("run", MINNOW, "-n", "8", "-s", s, *args, "A fox").out
                                             for s in ("1", "2", "3")}) == 1)
    for args in (("--min-p", "0.2"), ("--repeat-penalty", "1.3"), ("--frequency-penalty", "0.5"),
                 ("--presence-penalty", "-0.5"), ("--ctx", "64"), ("--cache-type", "q8"), ("--cache-type", "f32"),
                 ("--system", "Be brief."), ("--raw",), ("--show-special",), ("--ignore-end",), ("-q",),
                 ("--threads", "1"), ("--cpu", "ref")):
        good(f"run {' '.join(args)}", "run", MINNOW, "-n", "4", "-s", "1", *args, "hello")
    first = shoal("run", MINNOW, "-n", "30", "-s", "7", "Tell me a story").out
    word = first.split()[2]
    r = shoal("run", MINNOW, "-n", "30", "-s", "7", "--stop", word, "Tell me a story")
    T.check("run --stop", r.code == 0 and word not in r.out and first.startswith(r.out.rstrip("\n")), r)
    doc = good_json("run: the context is the limit", "run", MINNOW, "--ignore-end", "-c", "48", "hello")
    T.check("run: finish reason length", doc.get("finish_reason") == "length", doc)
    for name, prompt in (("UTF-8", "Ein Märchen: 狐狸 🦊".encode()), ("NUL", b"a\0b"), ("only newlines", b"\n\n\n")):
        good(f"run: prompt of {name}", "run", MINNOW, "-n", "4", stdin=prompt)
    bad("run: invalid UTF-8", 1, "run", MINNOW, "-n", "4", stdin=b"bad \xff\xfe bytes", says="not valid UTF-8")
    good("run --raw: any bytes", "run", MINNOW, "-n", "4", "--raw", stdin=b"bad \xff\xfe bytes")
    bad("run: a prompt beyond the context", 1, "run", MINNOW, stdin=b"word " * 20000, says="tokens")
    bad("run: no model", 2, "run", says="usage: shoal run")
    bad("run: --raw with --system", 1, "run", MINNOW, "--raw", "--system", "x", "hello", says="--system")
    bad("run: missing tokenizer", 1, "run", MINNOW, "--tokenizer", tmp("none.json"), "hello", says="none.json")
    r = subprocess.run([SHOAL, "run", MINNOW, "-n", "900", "--ignore-end", "hello"], capture_output=True, check=False,
                       env=environment(), stdin=subprocess.DEVNULL, preexec_fn=lambda: os.dup2(
                           os.open("/dev/full", os.O_WRONLY), 1))
    T.check("run: a full disk is told", r.returncode == 1 and r.stderr.count(b"\n") == 1 and b"space" in r.stderr, r)


def test_streams():
    """Pipes that close, and Ctrl-C."""
    big = ["run", MINNOW, "--ignore-end", "-s", "1", "hello"]
    begin = time.monotonic()
    p = subprocess.Popen([SHOAL, *big], stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                         env=environment())
    head = p.stdout.read(10)
    p.stdout.close()
    err = p.stderr.read()
    code = p.wait(30)
    T.check("run | head -c 10", len(head) == 10 and code == 1 and not err and time.monotonic() - begin < 20,
            (head, code, err))
    slow = tmp("long.txt", "Once upon a time there was a fox. " * 100)
    for name, args in (("answer", big), ("json", [*big, "--json"])):
        # Slowed down to one thread of the plain kernels, so that the signal comes in the middle.
        p = subprocess.Popen([SHOAL, *args, "--cpu", "ref", "--threads", "1"], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, env=environment())
        if name == "answer":
            first = p.stdout.read(1)
        else:
            time.sleep(0.3)  # the model is there within milliseconds; the whole answer takes seconds
            first = b""
        p.send_signal(signal.SIGSTOP)
        p.send_signal(signal.SIGINT)
        p.send_signal(signal.SIGCONT)
        out, err = p.communicate(timeout=30)
        out = first + out
        if name == "json":
            doc = json.loads(out or b"{}")
            T.check("Ctrl-C --json: a whole document", p.returncode == 1 and doc.get("finish_reason") == "cancelled",
                    (p.returncode, out[-200:], err))
        else:
            T.check("Ctrl-C: partial text, exit 1", p.returncode == 1 and out.endswith(b"\n") and len(out) > 1 and not err,
                    (p.returncode, out[-60:], err))
    # Whole words of a prompt that is long to read: cancelled before the first token comes.
    p = subprocess.Popen([SHOAL, "run", MINNOW, "--raw", "--cpu", "ref", "--threads", "1"], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, stdin=open(slow, "rb"), env=environment())
    time.sleep(0.6)
    p.send_signal(signal.SIGINT)
    begin = time.monotonic()
    p.communicate(timeout=60)
    T.check("Ctrl-C while the prompt is read", time.monotonic() - begin < 10 and p.returncode in (1, -2), p.returncode)
    for args in (["help"], ["version", "--deps"], ["help", "--man"]):
        p = subprocess.Popen([SHOAL, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
        p.stdout.close()
        code = p.wait(10)
        T.check(f"{args[0]} into a closed pipe", code in (0, 1, -signal.SIGPIPE), code)
        p.stderr.close()
    for args in (["help"], ["list", "--json"], ["version"], ["completion", "bash"]):
        r = subprocess.run([SHOAL, *args], stdout=open("/dev/full", "wb"), stderr=subprocess.PIPE, env=environment(),
                           check=False)
        T.check(f"{args[0]} to a full disk", r.returncode == 1 and r.stderr.count(b"\n") == 1, r)


def on_terminal(*args, env=None):
    """Output of a command whose three streams are a terminal."""
    import pty
    pid, fd = pty.fork()
    if pid == 0:
        os.execve(SHOAL, [SHOAL, *args], environment(**(env or {})))
    out = b""
    while True:
        try:
            piece = os.read(fd, 65536)
        except OSError:
            break
        if not piece:
            break
        out += piece
    os.close(fd)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), out


def test_terminal():
    T.check("colours on a terminal", b"\x1b[1m" in on_terminal("help", "run")[1])
    T.check("NO_COLOR", b"\x1b" not in on_terminal("help", "run", env={"NO_COLOR": "1"})[1])
    T.check("an empty NO_COLOR counts for nothing", b"\x1b[1m" in on_terminal("help", "run", env={"NO_COLOR": ""})[1])
    T.check("TERM=dumb", b"\x1b" not in on_terminal("help", "run", env={"TERM": "dumb"})[1])
    T.check("no colours in a pipe", "\x1b" not in shoal("help", "run").out + shoal("rnu").err)
    code, out = on_terminal("rnu", env={"NO_COLOR": "1"})
    T.check("error without colours", code == 2 and out == b"shoal: unknown command 'rnu' (did you mean 'run'?)\r\n", out)
    code, out = on_terminal("run", MINNOW, "-n", "3", "-s", "1", "hello")
    T.check("run on a terminal ends its line", code == 0 and out.endswith(b"\r\n"), (code, out))
    code, out = on_terminal("run", MINNOW)
    T.check("run on a terminal without prompt: exit 2", code == 2 and b"no prompt" in out, (code, out))
    code, out = on_terminal("eval", MINNOW, tmp("eval-tty.txt", "The fox ran over the hill. " * 900), "-c", "128",
                            "--cpu", "ref", "--threads", "1")
    T.check("a bar on a terminal, taken away at the end", code == 0 and b"scoring" in out and b"\r\x1b[Kperplexity" in out,
            (code, out[-300:]))
    code, out = on_terminal("eval", MINNOW, tmp("eval-tty.txt"), "-c", "128", "--windows", "8", "-q")
    T.check("--quiet: no bar", code == 0 and out.startswith(b"perplexity"), (code, out[-300:]))


def test_models():
    bad("run: missing file", 1, "run", "/no/such/model.gguf", "x", says="no such file or folder")
    bad("run: unknown name", 1, "run", "no-such-model", "x", says="'no-such-model' was not found")
    bad("run: empty name", 1, "run", "", "x", says="empty name")
    home = tmp("home")
    for name in ("..", "../x", "a/../../etc/passwd", "x:y:z", ":", "name:", "a\nb", "~root", "%00", ".hidden", "x" * 300):
        r = shoal("info", name, env={"SHOAL_HOME": home})
        T.check(f"refused: {name[:24]!r}", r.code == 1 and r.err.count("\n") == 1 and not r.out, r)
    r = shoal("list", env={"SHOAL_HOME": home})
    T.check("list: nothing of our own is fine", r.code == 0, r)
    os.makedirs(os.path.join(home, "models"), exist_ok=True)
    for name in ("mine", "tagged-q4"):
        target = os.path.join(home, "models", name + (".gguf" if MINNOW.endswith(".gguf") else ""))
        os.symlink(os.path.abspath(MINNOW), target)
    tmp("home/models/notes.txt", "no model")
    tmp("home/models/empty.gguf", b"")
    r = good("list", "list", env={"SHOAL_HOME": home})
    T.check("list: table", "NAME" in r.out and "mine" in r.out and "notes" not in r.out, r.out)
    doc = good_json("list --json", "list", keys=("models",), env={"SHOAL_HOME": home})
    names = [m["name"] for m in doc["models"]]
    T.check("list: names in order", names == sorted(names) and {"mine", "tagged-q4", "empty"} <= set(names), names)
    T.check("list: sizes", all(m["bytes"] > 1e6 for m in doc["models"] if m["name"] in ("mine", "tagged-q4")), doc)
    r = good("list --names", "list", "--names", env={"SHOAL_HOME": home})
    T.check("list --names is the same list", r.out.split() == names, r.out)
    good("a model by name", "info", "mine", env={"SHOAL_HOME": home})
    good("a model by name and tag", "info", "tagged:q4", env={"SHOAL_HOME": home})
    bad("a tag that is not there", 1, "info", "tagged:q8", env={"SHOAL_HOME": home}, says="was not found")
    bad("an empty file", 1, "info", "empty", env={"SHOAL_HOME": home}, says="empty.gguf")
    bad("a text file", 1, "info", tmp("home/models/notes.txt"), says="notes.txt")
    bad("an empty folder", 1, "info", TMP.name, says=TMP.name)
    bad("list: an argument", 2, "list", "x", says="one argument too many")


def test_info():
    r = good("info", "info", MINNOW)
    for word in ("architecture", "parameters", "vocabulary", "context", "chat template", "memory"):
        T.check(f"info: {word}", word in r.out, r.out)
    doc = good_json("info --json", "info", MINNOW, keys=("name", "parameters", "layers", "memory", "vocabulary"))
    memory = doc["memory"]
    T.check("info: sizes", doc["parameters"] > 1e6 and memory["weights"] > 1e6 and memory["fits"] and doc["kind"] ==
            "text generation" and doc["active_parameters"] == doc["parameters"] and memory["verdict"] == "fits", doc)
    T.check("info: parts", memory["needed"] == sum(memory[k] for k in ("weights", "kv_cache", "scratch", "program")), doc)
    a, b = (good_json(f"info -c {c}", "info", MINNOW, "-c", c)["memory"] for c in ("128", "1024"))
    T.check("info: the cache grows by the token",
            b["kv_cache"] - a["kv_cache"] == 896 * (doc["kv_bytes_per_token"] + 4), (a, b))
    for kv, more in (("f32", 1), ("q8", -1)):
        c = good_json(f"info --kv {kv}", "info", MINNOW, "-c", "1024", "--kv", kv)["memory"]
        T.check(f"info --kv {kv}", (c["kv_cache"] - b["kv_cache"]) * more > 0 and c["scratch"] == b["scratch"], (b, c))
    bad("info --kv", 2, "info", MINNOW, "--kv", "q2", says="--kv")
    bad("info: nothing", 2, "info", says="usage")
    bad("info: two models", 2, "info", "a", "b", says="too many")


def test_info_before_download():
    shapes = os.path.join(cli_lib.ROOT, "tests/data/shapes")
    doc = good_json("info of a config.json", "info", os.path.join(shapes, "mixtral-8x7b-instruct-v0.1"), "-c", "32768")
    T.check("info: experts", (doc["parameters"], doc["active_parameters"], doc["weights_here"]) ==
            (46702792704, 12879925248, False) and doc["quantization"] == "BF16", doc)
    T.check("info: what does not fit", doc["memory"]["weights"] == 2 * 46702792704 and
            doc["memory"]["fits"] == (doc["memory"]["needed"] <= doc["memory"]["available"]), doc)
    bad("info: an unknown architecture", 1, "info", os.path.join(shapes, "c4ai-command-r-v01"), says="'cohere' is not supported")
    with open(os.path.join(shapes, "qwen2.5-0.5b-instruct/config.json"), "rb") as f:
        tmp("folder/config.json", f.read())
    layer = ["input_layernorm.weight", "post_attention_layernorm.weight", "mlp.gate_proj.weight", "mlp.up_proj.weight",
             "mlp.down_proj.weight", "self_attn.o_proj.weight"] + [f"self_attn.{x}_proj.{y}" for x in "qkv" for y in
                                                                   ("weight", "bias")]
    names = ["model.embed_tokens.weight", "model.norm.weight"]
    names += [f"model.layers.{i}.{n}" for i in range(24) for n in layer]
    index = {"metadata": {"total_size": 988097824}, "weight_map": {n: "model-00001-of-00002.safetensors" for n in names}}
    tmp("folder/model.safetensors.index.json", json.dumps(index))
    doc = good_json("info of an index", "info", tmp("folder"))
    T.check("info: the index", doc["manifest"] == {"file": "model.safetensors.index.json", "tensors": 290,
                                                   "bytes": 988097824} and doc["parameters"] == 494032768, doc)
    T.check("info: the index, in words", "290 tensors" in shoal("info", tmp("folder")).out)
    del index["weight_map"]["model.layers.7.mlp.up_proj.weight"]
    tmp("folder/model.safetensors.index.json", json.dumps(index))
    bad("info: an index that lacks one", 1, "info", tmp("folder"),
        says="tensor 'model.layers.7.mlp.up_proj.weight' is missing")


def test_info_vocabulary():
    """A GGUF file with a tokenizer and no tensors is described like any other."""
    def text(s):
        return struct.pack("<Q", len(s)) + s.encode()
    numbers = {"block_count": 2, "embedding_length": 64, "attention.head_count": 4, "feed_forward_length": 128}
    pairs = [text(f"llama.{k}") + struct.pack("<II", 4, v) for k, v in numbers.items()]
    pairs += [text("general.architecture") + struct.pack("<I", 8) + text("llama"),
              text("tokenizer.ggml.model") + struct.pack("<I", 8) + text("llama"),
              text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 3) + b"".join(map(text, ("<unk>", "b", "c"))),
              text("tokenizer.ggml.scores") + struct.pack("<IIQ3f", 9, 6, 3, 0, 0, 0),
              text("tokenizer.ggml.token_type") + struct.pack("<IIQ3i", 9, 5, 3, 2, 1, 1)]
    file = tmp("vocabulary.gguf", b"GGUF" + struct.pack("<IQQ", 3, 0, len(pairs)) + b"".join(pairs))
    doc = good_json("info of a vocabulary", "info", file)
    T.check("info: a vocabulary", doc["weights_here"] is False and doc["vocabulary"] == 3 and doc["layers"] == 2, doc)
    T.check("info: a vocabulary, in words", "memory        unknown" in shoal("info", file).out)


def peak_bytes(*args, stdin=b""):
    """The most memory that a run of the program had in use."""
    p = subprocess.Popen([SHOAL, *args], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                         env=environment())
    try:
        p.stdin.write(stdin)
        p.stdin.close()
    except BrokenPipeError:
        pass
    _, status, used = os.wait4(p.pid, 0)
    p.returncode = os.waitstatus_to_exitcode(status)
    return used.ru_maxrss * 1024 if p.returncode == 0 else 0


def test_info_measured():
    """What info counts is within a tenth of what a run with a full context takes."""
    with open(SHOAL, "rb") as f:
        program = f.read()
    sanitized = b"__asan_init" in program or b"__tsan_init" in program
    del program
    if sanitized:
        return T.skip("info: measured", "this build carries a sanitizer's memory")
    folder = os.path.join(DATA, "models/minnow")
    models = [(MINNOW, kv) for kv in ("f16", "f32", "q8")] + [(folder, "f16")] * os.path.isdir(folder)
    for model, kv in models:
        need = good_json(f"info for {kv}", "info", model, "-c", "1024", "--kv", kv)["memory"]["needed"]
        with open("/proc/self/statm") as f:  # a child's peak begins with what its parent had when it forked
            if int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") > 0.9 * need:
                T.skip(f"info: {kv}, measured", "this interpreter is larger than the run")
                continue
        peak = peak_bytes("run", model, "--raw", "-q", "-t", "0", "-n", "8", "-c", "1024", "--cache-type", kv, "-",
                          stdin=b"the " * 1012)
        T.check(f"info: {os.path.basename(model)}, {kv}: {need / 1e6:.1f} MB counted, {peak / 1e6:.1f} MB at the peak",
                peak and abs(need / peak - 1) < 0.1)


def test_tokenize():
    text = "The fox, said Ada: 你好 🦊\n  ok"
    ids = good("tokenize --ids", "tokenize", MINNOW, "--ids", stdin=(text + "\n").encode()).out.split()
    T.check("tokenize: numbers", len(ids) > 5 and all(i.isdigit() for i in ids), ids)
    table = good("tokenize", "tokenize", MINNOW, text).out
    T.check("tokenize: a table", [x.split()[0] for x in table.split("\n") if x[:8].strip().isdigit()] == ids, table)
    doc = good_json("tokenize --json", "tokenize", MINNOW, text, keys=("ids", "count", "tokens"))
    T.check("tokenize --json: same ids", [str(i) for i in doc["ids"]] == ids and doc["count"] == len(ids), doc)
    T.check("tokenize --ids --json", "tokens" not in good_json("tokenize --ids --json", "tokenize", MINNOW, "--ids", "a"))
    plain = shoal("tokenize", MINNOW, "--ids", "--no-special", text).out.split()
    T.check("tokenize --no-special", len(plain) <= len(ids) and plain == ids[len(ids) - len(plain):], (plain, ids))
    for args, stdin in ((plain, b""), ([",".join(plain)], b""), (["-"], " ".join(plain).encode()),
                        ([], ("[" + ", ".join(plain) + "]\n").encode())):
        r = good("detokenize", "detokenize", MINNOW, *args, stdin=stdin)
        T.check("detokenize: the same text", r.out == text, r)
    doc = good_json("detokenize --json", "detokenize", MINNOW, *plain, keys=("text",))
    T.check("detokenize --json: text", doc["text"] == text, doc)
    r = good("detokenize --skip-special", "detokenize", MINNOW, "--skip-special", *ids)
    T.check("detokenize --skip-special: text", r.out.strip() == text.strip(), r)
    special = shoal("tokenize", MINNOW, "--ids", "--no-special", "<s>").out.split()
    spelled = shoal("tokenize", MINNOW, "--ids", "--no-special", "--no-parse-special", "<s>").out.split()
    T.check("--no-parse-special spells it", len(spelled) >= len(special), (special, spelled))
    good("tokenize: nothing", "tokenize", MINNOW, stdin=b"")
    good("tokenize: any bytes", "tokenize", MINNOW, stdin=b"\xff\xfe\x00a")
    for name, word in (("a word", "fox"), ("beyond 32 bits", "99999999999"), ("half a number", "12a")):
        bad(f"detokenize: {name}", 1, "detokenize", MINNOW, word, says="token ids")
    for name, word in (("beyond the vocabulary", "2000000"), ("negative", "-5")):
        bad(f"detokenize: {name}", 1, "detokenize", MINNOW, word)
    bad("tokenize: no model", 2, "tokenize", says="usage")
    bad("detokenize: no model", 2, "detokenize", says="usage")


def test_eval():
    text = tmp("eval.txt", "Once upon a time there was a little fox who lived in the forest. She had a friend. " * 40)
    doc = good_json("eval --json", "eval", MINNOW, text, "-c", "128", keys=("perplexity", "error", "nll", "tokens"))
    T.check("eval: plausible", 1 < doc["perplexity"] < 200 and 0 < doc["error"] < doc["perplexity"], doc)
    r = good("eval", "eval", MINNOW, text, "-c", "128")
    T.check("eval: with an error bar", r.out.startswith("perplexity ") and " +- " in r.out, r)
    noise = tmp("noise.txt", " ".join(f"zq{i * 7919 % 1000}x" for i in range(400)))
    other = good_json("eval: noise", "eval", MINNOW, noise, "-c", "128")
    T.check("eval: a story is likelier than noise", doc["perplexity"] < other["perplexity"], (doc, other))
    doc = good_json("eval --windows", "eval", MINNOW, text, "-c", "64", "--windows", "2", "--no-bos")
    T.check("eval --windows: tokens scored", doc["tokens"] == 64, doc)
    bad("eval: too short", 1, "eval", MINNOW, tmp("short.txt", "one"), says="--ctx")
    bad("eval: no text", 1, "eval", MINNOW, tmp("none.txt"), says="none.txt")
    bad("eval: one argument", 2, "eval", MINNOW, says="usage")


def test_bench():
    args = ("bench", MINNOW, "-p", "32", "-n", "8", "-r", "2")
    doc = good_json("bench --json", *args, keys=("cpu", "level", "threads", "results", "weight_bytes", "peak_rss_bytes"))
    T.check("bench: two results", [x["test"] for x in doc["results"]] == ["pp", "tg"] and
            all(x["mean"] > 0 and x["median"] > 0 and x["deviation"] >= 0 for x in doc["results"]), doc)
    rows = [x for x in good("bench", *args).out.split("\n") if x.startswith("|")]
    T.check("bench: an even table", len(rows) == 4 and len({len(x) for x in rows}) == 1 and
            len({tuple(i for i, ch in enumerate(x) if ch == "|") for x in rows}) == 1, "\n".join(rows))
    rows = good_json("bench -p 0", "bench", MINNOW, "-p", "0", "-n", "4", "-r", "1", "--cache-type", "q8")["results"]
    T.check("bench: only generation", [x["test"] for x in rows] == ["tg"], rows)
    rows = good_json("bench -n 0", "bench", MINNOW, "-p", "16", "-n", "0", "-r", "1", "--chunk", "4")["results"]
    T.check("bench: only the prompt", [x["test"] for x in rows] == ["pp"], rows)
    bad("bench: no model", 2, "bench", says="usage")


def test_version():
    r = good("version", "version")
    T.check("version: one line", r.out.startswith("shoal ") and r.out.count("\n") == 1, r)
    T.check("--version, -V", shoal("--version").out == r.out == shoal("-V").out)
    deps = good("version --deps", "version", "--deps").out
    T.check("version --deps: libraries", all(x in deps for x in ("jansson", "openssl", "libmicrohttpd", "compiler")), deps)
    good_json("version --json", "version", keys=("version", "cpu", "threads", "levels", "compiler", "dependencies"))
    for shell in ("bash", "zsh", "fish"):
        r = good(f"completion {shell}", "completion", shell)
        T.check(f"completion {shell}: every command", all(c.split()[-1] in r.out for c in commands()))
    bad("completion: another shell", 2, "completion", "csh", says="csh")
    T.check("help --man: a page", good("help --man", "help", "--man").out.startswith(".TH SHOAL 1"))


def levels():
    return json.loads(shoal("version", "--json").out)["levels"]


def test_digest():
    """The same bits whatever computes them."""
    base = ["debug", "digest", MINNOW, "-p", "The quick brown fox jumps over the lazy dog, said Ada.", "-n", "12"]
    want = good("debug digest", *base).out
    T.check("debug digest: one hash", len(want) == 65 and all(c in "0123456789abcdef" for c in want.strip()), want)
    for level in levels():
        for threads in ("1", "2", "3", "7"):
            r = shoal(*base, "--cpu", level, "--threads", threads)
            T.check(f"digest: {level}, {threads} threads", r.out == want, r)
    for chunk in ("1", "2", "3", "5", "8", "100"):
        r = shoal(*base, "--chunk", chunk)
        T.check(f"digest: chunks of {chunk}", r.out == want, r)
    doc = good_json("debug digest --json", *base, keys=("sha256", "prompt_tokens", "level", "threads"))
    T.check("debug digest --json: same hash", doc["sha256"] + "\n" == want, doc)
    for kv in ("f32", "q8"):
        T.check(f"digest: --kv {kv} differs", good(f"debug digest --kv {kv}", *base, "--kv", kv).out != want)
    bad("debug digest: no prompt", 2, "debug", "digest", MINNOW, says="--prompt")
    for level in ("avx2", "avx512", "amx"):
        if level not in levels():
            bad(f"digest: {level} is not here", 1, *base, "--cpu", level, says=level)


def floats(path):
    a = array.array("f")
    with open(path, "rb") as f:
        a.frombytes(f.read())
    return a


def max_difference(a, b):
    return max(abs(x - y) for x, y in zip(a, b, strict=True))


def test_logits():
    llama = os.path.join(DATA, "golden/models/llama")
    if not os.path.isdir(llama):
        return T.skip("debug logits", "no reference models")
    ids = os.path.join(llama, "input_ids.json")
    out, hidden, layers = tmp("l.f32"), tmp("h.f32"), tmp("y.f32")
    for s in (0, 1):
        for args in ((), ("--chunk", "4")):
            doc = good_json(f"debug logits: sequence {s} {' '.join(args)}", "debug", "logits", llama, "--ids-file", ids,
                            "--sequence", str(s), "-o", out, "--hidden", hidden, *args, keys=("shape", "sha256"))
            got, want = floats(out), floats(os.path.join(llama, f"logits_{s}.f32"))
            T.check("logits: shape", doc["shape"][0] * doc["shape"][1] == len(got) == len(want), doc)
            T.check("logits: near the reference", max_difference(got, want) < 1e-4, max_difference(got, want))
            near = max_difference(floats(hidden), floats(os.path.join(llama, f"hidden_{s}.f32")))
            T.check("hidden states: near the reference", near < 1e-4, near)
    good("debug logits --layers", "debug", "logits", llama, "--ids-file", ids, "--layers", layers)
    near = max_difference(floats(layers), floats(os.path.join(llama, "layers.f32")))
    T.check("layers: near the reference", near < 1e-4, near)
    want = json.load(open(ids, encoding="utf-8"))[1]
    one = shoal("debug", "logits", llama, "--ids", ",".join(map(str, want))).out
    two = shoal("debug", "logits", llama, "--ids-file", ids, "--sequence", "1").out
    T.check("debug logits: --ids is the same", one == two and "sha256" in one, (one, two))
    for kv in ("f16", "q8"):
        good(f"debug logits --kv {kv}", "debug", "logits", llama, "--ids", "1 2 3", "--kv", kv)
    base = ("debug", "logits", llama)
    bad("debug logits: neither", 2, *base, says="either --ids or --ids-file")
    bad("debug logits: both", 2, *base, "--ids", "1", "--ids-file", ids, says="either")
    bad("debug logits: a bad id", 1, *base, "--ids", "1,x", says="token ids")
    bad("debug logits: beyond the vocabulary", 1, *base, "--ids", "1 300", says="300")
    bad("debug logits: no ids", 1, *base, "--ids", "", says="no tokens")
    bad("debug logits: no such list", 1, *base, "--ids-file", ids, "--sequence", "9", says="entry 9")
    bad("debug logits: no such file", 1, *base, "--ids-file", tmp("no.json"), says="no.json")
    bad("debug logits: unwritable", 1, *base, "--ids", "1", "-o", "/no/such/folder/x.f32", says="/no/such/folder")
    bad("debug logits: layers in chunks", 1, *base, "--ids", "1 2 3", "--layers", layers, "--chunk", "1", says="--chunk")


def test_stories():
    if not os.path.isdir(STORIES):
        return T.skip("stories260K", "not here")
    model = (os.path.join(STORIES, "stories260K.bin"), "--tokenizer", os.path.join(STORIES, "tok512.bin"))
    want = open(os.path.join(STORIES, "expected_stdout_t0_n200.txt"), "rb").read()
    r = shoal("run", *model, "--raw", "-t", "0", "--repeat-penalty", "1", "-n", "200", "")
    T.check("stories260K: the reference's text, to the byte", r.code == 0 and r.out_bytes == want, r)
    bad("stories260K: no tokenizer", 1, "run", model[0], "x", says="tokenizer")
    T.check("stories260K: info", good_json("info of a .bin", "info", *model)["vocabulary"] == 512)


def test_debug_arrays():
    values = array.array("f", [((i * 37) % 101 - 50) / 25 for i in range(512)])
    source = tmp("v.f32", values.tobytes())
    for kind, worst in (("q8_0", 0.02), ("q4_0", 0.3), ("q4_k", 0.3), ("q6_k", 0.1), ("f16", 0.001), ("f32", 0)):
        blocks, back = tmp("v.u8"), tmp("v2.f32")
        good(f"debug quantize {kind}", "debug", "quantize", kind, source, "-o", blocks)
        good(f"debug dequantize {kind}", "debug", "dequantize", kind, blocks, "-o", back)
        near = max_difference(floats(back), values)
        T.check(f"{kind}: there and back", near <= worst, near)
    doc = good_json("debug quantize --cols --json", "debug", "quantize", "q8_0", source, "-o", tmp("v.u8"), "--cols", "256",
                    keys=("type", "rows", "cols", "bytes"))
    T.check("debug quantize: rows", doc["rows"] == 2 and doc["bytes"] == 512 // 32 * 34, doc)
    weights = tmp("w.f32", array.array("f", [1.0] * 256).tobytes())
    good("debug quantize --imatrix", "debug", "quantize", "q4_k", source, "-o", tmp("v.u8"), "--cols", "256", "--imatrix",
         weights)
    bad("debug quantize: weights of another length", 1, "debug", "quantize", "q4_k", source, "-o", tmp("v.u8"), "--imatrix",
        weights, says="one per column")
    bad("debug quantize: no output", 2, "debug", "quantize", "q8_0", source, says="-o")
    bad("debug dequantize: no output", 2, "debug", "dequantize", "q8_0", source, says="-o")
    bad("debug quantize: type", 2, "debug", "quantize", "q9_9", source, "-o", tmp("x"), says="q9_9")
    bad("debug dequantize: type", 2, "debug", "dequantize", "q9_9", source, "-o", tmp("x"), says="q9_9")
    bad("debug quantize: rows that do not fit", 1, "debug", "quantize", "q4_k", source, "-o", tmp("x"), "--cols", "100",
        says="rows")
    bad("debug quantize: no floats", 1, "debug", "quantize", "q8_0", tmp("odd", b"123"), "-o", tmp("x"), says="multiple of 4")
    bad("debug dequantize: half a block", 1, "debug", "dequantize", "q8_0", tmp("odd", b"123"), "-o", tmp("x"), says="34")
    bad("debug quantize: unwritable", 1, "debug", "quantize", "q8_0", source, "-o", "/no/such/x", says="/no/such")
    bad("debug quantize: no input", 1, "debug", "quantize", "q8_0", tmp("none"), "-o", tmp("x"), says="none")


def test_debug_texts():
    jinja = tmp("t.jinja", "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}"
                           "{% if add_generation_prompt %}<assistant>{% endif %}")
    talk = tmp("t.json", json.dumps([{"role": "user", "content": "hi"}]))
    T.check("debug template", good("debug template", "debug", "template", jinja, talk).out == "<user>hi\n")
    r = good("debug template -g", "debug", "template", jinja, talk, "-g", "--parse-tool-arguments")
    T.check("debug template -g: text", r.out == "<user>hi\n<assistant>", r)
    T.check("debug template --json", good_json("template --json", "debug", "template", jinja, talk)["text"] == "<user>hi\n")
    now = tmp("now.jinja", "{{ strftime_now('%Y') }}")
    T.check("debug template --now", good("debug template --now", "debug", "template", now, talk, "--now", "0").out == "1970")
    bad("debug template: syntax", 1, "debug", "template", tmp("bad.jinja", "{% if %}"), talk, says="bad.jinja")
    bad("debug template: raise", 1, "debug", "template", tmp("r.jinja", "{{ raise_exception('no') }}"), talk, says="no")
    bad("debug template: no conversation", 1, "debug", "template", jinja, tmp("c.json", "{}"), says="messages")
    bad("debug template: bad JSON", 1, "debug", "template", jinja, tmp("b.json", "{"), says="b.json")
    logits = tmp("s.f32", array.array("f", [0.0, 3.0, 1.0, 2.0]).tobytes())
    chain = tmp("s.json", json.dumps({"chain": [["top_k", 2]], "u": 0.0}))
    r = good("debug sample", "debug", "sample", logits, "--settings", chain)
    T.check("debug sample: JSON", json.loads(r.out) is not None)
    bad("debug sample: no settings", 2, "debug", "sample", logits, says="--settings")
    bad("debug sample: rows", 1, "debug", "sample", logits, "--settings", chain, "--vocab", "3", says="rows")
    bad("debug sample: unknown step", 1, "debug", "sample", logits, "--settings",
        tmp("s2.json", json.dumps({"chain": [["no_such_step", 2]]})), says="no_such_step")


def test_convert():
    folder = os.path.join(DATA, "models/minnow")
    source = folder if os.path.isdir(folder) else MINNOW
    f16, q8, q4 = tmp("m-f16.gguf"), tmp("m-q8.gguf"), tmp("m-q4.gguf")
    r = shoal("convert", source, f16, "--type", "f16", "--name", "Other", "--allow-requantize")
    T.check("convert", r.code == 0 and os.path.getsize(f16) > 1e7, r)
    T.check("convert --name", good_json("info of it", "info", f16)["name"] == "Other")
    bad("convert: the file is there already", 1, "convert", source, f16, says=f16)
    T.check("convert --force", shoal("convert", source, f16, "--type", "f16", "--force", "--allow-requantize").code == 0)
    for target, kind in ((q8, "q8_0"), (q4, "q4_k_m")):
        r = shoal("quantize", f16, target, kind)
        T.check(f"quantize {kind}", r.code == 0 and 1e6 < os.path.getsize(target) < os.path.getsize(f16), r)
        good(f"{kind} answers", "run", target, "-n", "4", "hello")
    r = shoal("quantize", f16, tmp("m-p.gguf"), "q8_0", "--pure", "--json")
    T.check("quantize --pure --json", r.code == 0 and json.loads(r.out), r)
    bad("quantize: quantised already", 1, "quantize", q8, tmp("m-x.gguf"), "q4_0", says="--allow-requantize")
    T.check("quantize --allow-requantize", shoal("quantize", q8, tmp("m-x.gguf"), "q4_0", "--allow-requantize").code == 0)
    bad("quantize: unwritable", 1, "quantize", f16, "/no/such/folder/x.gguf", "q8_0", says="/no/such/folder")
    bad("convert: no such model", 1, "convert", "/no/such/model", tmp("y.gguf"), says="/no/such/model")
    bad("quantize: no such weights", 1, "quantize", f16, tmp("y.gguf"), "q8_0", "--imatrix", tmp("none.gguf"), says="none.gguf")
    for command in ("convert", "quantize"):
        bad(f"{command}: no model", 2, command, says="usage")
    r = shoal("quantize", f16, tmp("y.gguf"), "q9_9")
    T.check("quantize: unknown type", r.code in (1, 2) and "q9_9" in r.err and r.err.count("\n") == 1, r)
    r = shoal("convert", source, tmp("y.gguf"), "--type", "q9_9")
    T.check("convert: unknown type", r.code in (1, 2) and "q9_9" in r.err and r.err.count("\n") == 1, r)
    T.check("nothing is left behind", not os.path.exists(tmp("y.gguf")))


def test_chat_pipe():
    r = shoal("chat", MINNOW, "-s", "1", "-n", "8", "-q", stdin=b"hello\n/stats\n/nonsense\n/bye\nnever\n")
    T.check("chat: through a pipe", r.code == 0 and r.out.count("\n") == 1 and "answer 8 tokens" in r.err and
            "unknown command /nonsense" in r.err, r)
    r = shoal("chat", MINNOW, "-s", "1", "-n", "8", "--json", stdin=b"hello\nmore\n")
    lines = [json.loads(x) for x in r.out.split("\n") if x]
    T.check("chat --json: a line for each answer", len(lines) == 2 and all(x["role"] == "assistant" for x in lines), r)
    T.check("chat: the second turn uses the cache", lines[1]["cached_tokens"] > 0, lines)
    saved = tmp("talk.json")
    r = shoal("chat", MINNOW, "-s", "1", "-n", "8", "--system", "Be kind.", stdin=f"hello\n/save {saved}\n".encode())
    doc = json.load(open(saved, encoding="utf-8"))
    T.check("chat: saved", [m["role"] for m in doc["messages"]] == ["system", "user", "assistant"], doc)
    r = shoal("chat", MINNOW, "-s", "1", "-n", "8", "--load", saved, stdin=b"and then?\n")
    T.check("chat --load", r.code == 0 and r.out.strip(), r)
    bad("chat --load: no file", 1, "chat", MINNOW, "--load", tmp("gone.json"), says="gone.json")
    bad("chat --load: not a conversation", 1, "chat", MINNOW, "--load", tmp("odd.json", '{"messages": [1]}'), says="messages[0]")
    bad("chat: no template", 1, "chat", os.path.join(STORIES, "stories260K.bin"), "--tokenizer",
        os.path.join(STORIES, "tok512.bin"), says="chat template") if os.path.isdir(STORIES) else T.skip("chat", "no model")
    r = shoal("chat", MINNOW, "-n", "8", stdin=b"word " * 5000 + b"\n")
    T.check("chat: a message beyond the context", r.code == 1 and not r.out and "context" in r.err, r)
    r = shoal("chat", MINNOW, "-n", "8", "-c", "96", stdin=b"Tell me about the little fox in the wood.\n" * 12)
    T.check("chat: old turns are left out", r.code == 0 and r.err.count("no longer fits") == 1 and
            r.out.count("\n") >= 12, r)


def test_serve():
    p = subprocess.Popen([SHOAL, "serve", MINNOW, "--port", "0", "-q"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         env=environment())
    line = p.stdout.readline()
    p.send_signal(signal.SIGTERM)
    out, err = p.communicate(timeout=20)
    T.check("serve: tells its address, ends on SIGTERM", line.startswith(b"listening on http://127.0.0.1:") and
            p.returncode == 0 and not out and not err, (line, p.returncode, out, err))
    bad("serve: beyond loopback without a token", 1, "serve", MINNOW, "--host", "0.0.0.0", "--port", "0", says="token")
    bad("serve: no such address", 1, "serve", MINNOW, "--host", "no.such.host.invalid", "--port", "0", "--token", "x" * 32)
    bad("serve: SHOAL_HOST", 1, "serve", MINNOW, env={"SHOAL_HOST": "127.0.0.1:99999"}, says="SHOAL_HOST")
    bad("serve: no such model", 1, "serve", "no-such-model", says="no-such-model")
    bad("serve: too many models", 2, "serve", *["x"] * 17, says="too many")


def test_document():
    """docs/commands.md is what the program says."""
    r = subprocess.run([os.path.join(ROOT, "tools/gen_commands_doc"), "--check"], capture_output=True, check=False,
                       env=dict(os.environ, SHOAL_BIN=SHOAL))
    T.check("docs/commands.md is up to date", r.returncode == 0, r.stdout + r.stderr)


PARTS = (test_help, test_options, test_run, test_streams, test_terminal, test_models, test_info,
         test_info_before_download, test_info_vocabulary, test_info_measured, test_tokenize, test_eval, test_bench,
         test_version, test_digest, test_logits, test_stories, test_debug_arrays, test_debug_texts, test_convert,
         test_chat_pipe, test_serve, test_document)


def main():
    cli_lib.need(SHOAL, "the program")
    cli_lib.need(MINNOW, "the model minnow")
    chosen = set(sys.argv[1:])
    for part in PARTS:
        if not chosen or part.__name__.removeprefix("test_") in chosen:
            part()
    TMP.cleanup()
    T.finish()


if __name__ == "__main__":
    main()
