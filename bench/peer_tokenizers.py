#!/usr/bin/env python3
"""bench_tokenizer and the tokenizers library over the same text, in turn, processor time of one thread.

    peer_tokenizers.py BENCH_TOKENIZER TEXT TOKENIZER.json...

Needs `pip install tokenizers` in a virtual environment. Prints a table row per tokenizer; the number of ids must agree.
"""
import json
import os
import subprocess
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
import tokenizers  # noqa: E402

CHUNK = 4096


def chunks(data):
    """The cuts of bench_tokenizer.c: at the first line end after 4096 bytes."""
    out, p = [], 0
    while p < len(data):
        if len(data) - p <= CHUNK:
            stop = len(data)
        else:
            found = data.find(b"\n", p + CHUNK - 1)
            stop = len(data) if found < 0 else found + 1
        out.append(data[p:stop].decode())
        p = stop
    return out


def peer(tok, parts):
    begin = time.process_time()
    n = sum(len(tok.encode(p, add_special_tokens=False).ids) for p in parts)
    return time.process_time() - begin, n


def main():
    bench, text = sys.argv[1], sys.argv[2]
    data = open(text, "rb").read()
    parts = chunks(data)
    print(f"tokenizers {tokenizers.__version__}, {len(data)} bytes, {len(parts)} chunks")
    print("| tokenizer | open ms | MB/s in chunks | MB/s in one call | decode MB/s | tokenizers MB/s | ratio | ids agree |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for path in sys.argv[3:]:
        tok = tokenizers.Tokenizer.from_file(path)
        tok.no_truncation()
        tok.no_padding()
        best, ours = None, None
        for _ in range(3):
            mine = json.loads(subprocess.check_output([bench, path, text, "3"]))
            took, n = peer(tok, parts)
            best = took if best is None else min(best, took)
            if ours is None or mine["chunked_MB_s"] > ours["chunked_MB_s"]:
                ours = mine
        theirs = len(data) / 1e6 / best
        name = os.path.basename(os.path.dirname(path))
        print(f"| {name} | {ours['open_ms']:.1f} | {ours['chunked_MB_s']:.1f} | {ours['whole_MB_s']:.1f} | "
              f"{ours['decode_MB_s']:.0f} | {theirs:.2f} | {ours['chunked_MB_s'] / theirs:.1f} | {'yes' if n == ours['ids'] else 'NO'} |", flush=True)


if __name__ == "__main__":
    main()
