#!/usr/bin/env python3
"""shoal debug mel, as a user gives it: features of golden sounds, chunks of a long one, pipes, and every refusal.

    tests/integration/cli_mel.py

Prints `ok` or `FAIL` and a name for each check. Exit codes: 0 all well, 1 a check failed, 77 no program or no data.
"""
import array
import json
import math
import os
import struct
import sys
import tempfile

import _cli_lib as cli_lib
from _cli_lib import DATA, SHOAL, shoal

T = cli_lib.Tally()
MODELS = os.path.join(DATA, "golden/models")
MEL, WHISPER = os.path.join(MODELS, "mel"), os.path.join(MODELS, "whisper")
TMP = tempfile.TemporaryDirectory(prefix="shoal-cli-mel-")
OUT = os.path.join(TMP.name, "out.f32")


def tmp(name, content):
    path = os.path.join(TMP.name, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(content)
    return path


def floats(path):
    values = array.array("f")
    with open(path, "rb") as f:
        values.frombytes(f.read())
    if sys.byteorder == "big":
        values.byteswap()
    return values


def wav(samples, rate=16000):
    data = struct.pack(f"<{len(samples)}h", *(round(32767 * x) for x in samples))
    return struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16,
                       b"data", len(data)) + data


def good(name, *args, **kw):
    """The features and the printed document of a command that ends well."""
    r = shoal("debug", "mel", *args, "-o", OUT, **kw)
    if not T.check(name, r.code == 0 and not r.err, r):
        return array.array("f"), {}
    return floats(OUT), json.loads(r.out)


def bad(name, code, *args, says="", **kw):
    r = shoal("debug", "mel", *args, **kw)
    one_line = r.err.startswith("shoal: ") and r.err.count("\n") == 1
    T.check(name, r.code == code and one_line and not r.out and says in r.err, f"expected {code}, {says!r}; {r}")


def test_goldens():
    told = floats(os.path.join(WHISPER, "input_features.f32"))
    for i, sound in enumerate(("sweep", "noise", "speech")):
        path = os.path.join(MEL, f"{sound}.wav")
        got, doc = good(f"{sound}: chunk of three seconds", WHISPER, path)
        T.check(f"{sound}: shape", doc.get("shape") == [80, 300] and len(got) == 24000, doc)
        worst = max((abs(a - b) for a, b in zip(got, told[24000 * i:])), default=math.inf)
        T.check(f"{sound}: near the reference", worst < 2e-4, worst)
        first = got.tobytes()
        for threads in ("1", "3"):
            T.check(f"{sound}: same bytes with {threads} threads",
                    good(f"{sound}, {threads} threads", WHISPER, path, "--threads", threads)[0].tobytes() == first)
        with open(path, "rb") as f:
            T.check(f"{sound}: same bytes from a pipe",
                    good(f"{sound} from a pipe", WHISPER, "-", stdin=f.read())[0].tobytes() == first)
    got, doc = good("a chunk of thirty seconds", MEL, os.path.join(MEL, "speech.wav"))
    T.check("thirty seconds: shape", doc.get("shape") == [80, 3000] and doc.get("samples") == 31140, doc)
    got, doc = good("44.1 kHz stereo; the model by a file of its folder", os.path.join(WHISPER, "model.safetensors"),
                    os.path.join(MEL, "stereo44.wav"))
    T.check("44.1 kHz: samples at the model's rate", doc.get("samples") == 12800 and doc.get("rate") == 16000, doc)


def test_chunks():
    tone = [0.3 * math.sin(i * i * 1e-6) for i in range(16000 * 8)]
    whole = tmp("whole.wav", wav(tone))
    for start in (0, 1.25, 4, 7):
        cut = tmp("cut.wav", wav(tone[int(start * 16000):]))
        a = good(f"a chunk from {start} s", WHISPER, whole, "--start", str(start))[0]
        b = good(f"the sound cut at {start} s", WHISPER, cut)[0]
        T.check(f"from {start} s: the same", len(a) and a == b)
    silent = good("a chunk behind the end", WHISPER, whole, "--start", "99")[0]
    T.check("behind the end: silence", set(silent) == {-1.5}, set(silent))


def test_refused():
    sound = os.path.join(MEL, "speech.wav")
    bad("no output", 2, WHISPER, sound, says="-o OUT")
    bad("no sound", 2, WHISPER, says="FILE.wav")
    bad("a start before the beginning", 2, WHISPER, sound, "-o", OUT, "--start", "-1", says="--start")
    bad("no such sound", 1, WHISPER, "no-such.wav", "-o", OUT, says="no-such.wav")
    bad("no such model", 1, "no-such-model", sound, "-o", OUT, says="no-such-model")
    bad("a model of text", 1, os.path.join(MODELS, "bert_mean"), sound, "-o", OUT, says="no preprocessor_config.json")
    bad("a model of images", 1, os.path.join(MODELS, "vit"), sound, "-o", OUT, says="a model for images")
    bad("no place to write", 1, WHISPER, sound, "-o", "/no/such/folder/x", says="/no/such/folder")
    bad("another kind of sound", 1, WHISPER, tmp("x.wav", b"fLaC\0\0\0\x22"), "-o", OUT, says="a FLAC file; expected")
    bad("nothing on the pipe", 1, WHISPER, "-", "-o", OUT, says="empty; expected a WAV file")
    bad("a folder", 1, WHISPER, TMP.name, "-o", OUT, says=TMP.name)
    broken = os.path.dirname(tmp("broken/preprocessor_config.json", b'{"hop_length": 0}'))
    bad("a broken recipe", 1, broken, sound, "-o", OUT, says='preprocessor_config.json: "hop_length" is 0')


def main():
    cli_lib.need(SHOAL, "the program")
    cli_lib.need(WHISPER, "golden/models/whisper")
    for part in (test_goldens, test_chunks, test_refused):
        part()
    TMP.cleanup()
    T.finish()


if __name__ == "__main__":
    main()
