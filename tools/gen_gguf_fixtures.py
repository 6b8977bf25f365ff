#!/usr/bin/env python3
"""Write the small model files that tests and fuzz targets start from.

    tools/gen_gguf_fixtures.py            writes tests/data/formats/ and fuzz/corpus/{gguf,safetensors,llama2c}/

Only `struct` and `json` are used, so what our readers and our writer are tested against owes nothing to them. The bytes
are the same on every run; tests/unit/formats/test_gguf.c and test_safetensors.c say what each bad file must be told.
"""
import json
import os
import shutil
import struct

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DATA = os.path.join(ROOT, "tests/data/formats")
CORPUS = os.path.join(ROOT, "fuzz/corpus")

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
CODES = {U8: "B", I8: "b", U16: "H", I16: "h", U32: "I", I32: "i", F32: "f", BOOL: "B", U64: "Q", I64: "q", F64: "d"}

# number: (elements of a block, bytes of a block)
TYPES = {0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 36),
         10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292), 16: (256, 66),
         17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82), 23: (256, 136),
         24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2), 34: (256, 54),
         35: (256, 66), 39: (32, 17), 40: (64, 36), 41: (128, 18), 42: (64, 18)}


def string(s):
    data = s.encode() if isinstance(s, str) else s
    return struct.pack("<Q", len(data)) + data


def value(kind, v):
    if kind == STRING:
        return string(v)
    if kind == ARRAY:
        inner, elems = v
        return struct.pack("<IQ", inner, len(elems)) + b"".join(value(inner, e) for e in elems)
    return struct.pack("<" + CODES[kind], v)


def key(name, kind, v):
    return string(name) + struct.pack("<I", kind) + value(kind, v)


def info(name, kind, dims, offset):
    return string(name) + struct.pack("<I%dQIQ" % len(dims), len(dims), *dims, kind, offset)


def n_bytes(kind, dims):
    per, size = TYPES[kind]
    n = 1
    for d in dims:
        n *= d
    return n // per * size


def pad(data, to):
    return data + b"\0" * (-len(data) % to)


def pattern(n, seed):
    """Bytes that are small finite numbers in every type: the top bit pattern of no half or float is all ones."""
    return bytes((seed * 37 + i * 11) % 0x3c for i in range(n))


def gguf(keys=(), tensors=(), version=3, align=32, magic=b"GGUF", n_keys=None, n_tensors=None, raw_infos=None, data=None,
         tail=True):
    """keys: packed entries; tensors: (name, kind, dims)."""
    infos, blob = b"", b""
    for i, (name, kind, dims) in enumerate(tensors):
        infos += info(name, kind, dims, len(blob))
        body = pattern(n_bytes(kind, dims), i + 1)
        blob += pad(body, align) if tail or i + 1 < len(tensors) else body
    if raw_infos is not None:
        infos = raw_infos
    if data is not None:
        blob = data
    count = len(tensors) if n_tensors is None else n_tensors
    head = magic + struct.pack("<IQQ", version, count, len(keys) if n_keys is None else n_keys)
    return pad(head + b"".join(keys) + infos, align) + blob


ARCH = key("general.architecture", STRING, "llama")
TWO = [("tok.weight", 0, (4, 3)), ("out.weight", 1, (8,))]


def good_ggufs():
    every = [ARCH, key("t.u8", U8, 200), key("t.i8", I8, -100), key("t.u16", U16, 60000), key("t.i16", I16, -30000),
             key("t.u32", U32, 4000000000), key("t.i32", I32, -2000000000), key("t.f32", F32, 1.5), key("t.bool", BOOL, 1),
             key("t.string", STRING, "h\u00e9llo \u0633\u0644\u0627\u0645"), key("t.u64", U64, 1 << 63), key("t.i64", I64, -(1 << 62)),
             key("t.f64", F64, -2.25), key("t.empty", STRING, ""),
             key("a.u8", ARRAY, (U8, [1, 2, 255])), key("a.i8", ARRAY, (I8, [-1, 2])), key("a.u16", ARRAY, (U16, [1, 65535])),
             key("a.i16", ARRAY, (I16, [-1])), key("a.u32", ARRAY, (U32, [7, 8])), key("a.i32", ARRAY, (I32, [-7, 8, 9])),
             key("a.f32", ARRAY, (F32, [0.5, -0.25])), key("a.bool", ARRAY, (BOOL, [1, 0, 1])),
             key("a.string", ARRAY, (STRING, ["a", "", b"\xff\xfe", "\u0633"])), key("a.u64", ARRAY, (U64, [1 << 40])),
             key("a.i64", ARRAY, (I64, [-5])), key("a.f64", ARRAY, (F64, [1.0, 2.0])), key("a.none", ARRAY, (I32, [])),
             key("a.nested", ARRAY, (ARRAY, [(I32, [1, 2]), (STRING, ["x", "yz"]), (ARRAY, [(U8, [3])])]))]
    types = [("type.%d" % t, t, (TYPES[t][0], 2)) for t in sorted(TYPES)]
    return {
        "every_key.gguf": gguf(every, TWO),
        "every_type.gguf": gguf([ARCH], types),
        "version2.gguf": gguf([ARCH], TWO, version=2),
        "align64.gguf": gguf([ARCH, key("general.alignment", U32, 64)], TWO, align=64),
        "no_tensors.gguf": gguf([ARCH], align=1),
        "no_tail_padding.gguf": gguf([ARCH], TWO, tail=False),
        "scalar_and_empty.gguf": gguf([ARCH], [("scalar", 0, ()), ("empty", 0, (0, 5)), ("last", 24, (3,))]),
        "out_of_order.gguf": gguf([ARCH], TWO, data=b"\0" * 128,
                                  raw_infos=info("b", 0, (8,), 64) + info("a", 0, (16,), 0)),
    }


def bad_ggufs():
    one = info("x", 0, (4,), 0)
    room = b"\0" * 64

    def tensor(raw, data=room, n=1):
        return gguf([ARCH], raw_infos=raw, n_tensors=n, data=data)

    def nested(depth):
        v = (U8, [1])
        for _ in range(depth - 1):
            v = (ARRAY, [v])
        return key("deep", ARRAY, v)

    return {
        "magic": gguf([ARCH], magic=b"GGUX"),
        "version_1": gguf([ARCH], version=1),
        "version_4": gguf([ARCH], version=4),
        "big_endian": b"GGUF" + struct.pack(">IQQ", 3, 0, 0),
        "huge_tensor_count": gguf([ARCH], n_tensors=1 << 60),
        "huge_key_count": gguf([ARCH], n_keys=1 << 60),
        "long_key": gguf([struct.pack("<Q", 1 << 40) + b"abc"]),
        "empty_key": gguf([key("", U8, 1)]),
        "key_not_utf8": gguf([key(b"a\xff", U8, 1)]),
        "key_control": gguf([key("a\nb", U8, 1)]),
        "key_twice": gguf([key("same", U8, 1), key("same", U8, 2)]),
        "key_type": gguf([string("a") + struct.pack("<I", 13)]),
        "string_not_utf8": gguf([key("a", STRING, b"\xc0\x80")]),
        "string_past_end": gguf([string("a") + struct.pack("<IQ", STRING, 1 << 63)]),
        "bool_2": gguf([key("a", BOOL, 2)]),
        "array_bool_7": gguf([key("a", ARRAY, (BOOL, [0, 7]))]),
        "array_type": gguf([string("a") + struct.pack("<IIQ", ARRAY, 99, 1) + b"\0" * 32]),
        "array_length": gguf([string("a") + struct.pack("<IIQ", ARRAY, U64, (1 << 61) + 1) + b"\0" * 32]),
        "array_strings_length": gguf([string("a") + struct.pack("<IIQ", ARRAY, STRING, 1 << 60) + b"\0" * 32]),
        "array_string_past_end": gguf([string("a") + struct.pack("<IIQQ", ARRAY, STRING, 1, 1 << 50) + b"\0" * 32]),
        "array_deep": gguf([nested(9)]),
        "alignment_0": gguf([key("general.alignment", U32, 0)]),
        "alignment_24": gguf([key("general.alignment", U32, 24)]),
        "alignment_type": gguf([key("general.alignment", U64, 32)]),
        "five_dims": tensor(info("x", 0, (1, 1, 1, 1, 1), 0)),
        "dims_overflow": tensor(info("x", 0, (1 << 32, 1 << 32), 0)),
        "dims_overflow_with_zero": tensor(info("x", 0, (0, 1 << 63, 4), 0)),
        "bytes_overflow": tensor(info("x", 28, (1 << 62,), 0)),
        "row_not_block": tensor(info("x", 8, (33, 2), 0)),
        "type_unknown": tensor(info("x", 4, (4,), 0)),
        "type_huge": tensor(info("x", 0xffffffff, (4,), 0)),
        "misaligned": tensor(info("x", 0, (4,), 4)),
        "past_end": tensor(info("x", 0, (17,), 0)),
        "offset_past_end": tensor(info("x", 0, (4,), 128)),
        "offset_huge": tensor(info("x", 0, (4,), (1 << 64) - 32)),
        "overlap": tensor(info("x", 0, (16,), 0) + info("y", 0, (4,), 32), n=2),
        "same_place": tensor(info("x", 0, (4,), 0) + info("y", 0, (4,), 0), n=2),
        "name_twice": tensor(one + one, n=2),
        "name_empty": tensor(info("", 0, (4,), 0)),
        "name_not_utf8": tensor(info(b"\xed\xa0\x80", 0, (4,), 0)),
        "no_data": gguf([ARCH], raw_infos=one, n_tensors=1, data=b""),
    }


def split(i, n, tensors, total, own=None, count=None):
    meta = [ARCH, key("general.name", STRING, "split fixture")] if i == 0 else []
    meta += [key("split.no", U16, i if own is None else own), key("split.count", U16, n if count is None else count),
             key("split.tensors.count", I32, total)]
    return gguf(meta, tensors)


def splits():
    a, b, c = [("a", 0, (4,))], [("b", 1, (8, 2)), ("c", 8, (32,))], [("d", 30, (3,))]

    def name(stem, i, n=3):
        return "%s-%05d-of-%05d.gguf" % (stem, i + 1, n)

    parts = [split(0, 3, a, 4), split(1, 3, b, 4), split(2, 3, c, 4)]
    files = {name("good", i): p for i, p in enumerate(parts)}
    files.update({name("missing", 0): parts[0], name("missing", 2): parts[2]})
    files.update({name("cyclic", 0): parts[0], name("cyclic", 1): parts[0], name("cyclic", 2): parts[2]})
    files.update({name("count", 0): parts[0], name("count", 1): split(1, 3, b, 4, count=4), name("count", 2): parts[2]})
    files.update({name("total", 0, 2): split(0, 2, a, 9), name("total", 1, 2): split(1, 2, b, 9)})
    files.update({name("totals", 0, 2): split(0, 2, a, 3), name("totals", 1, 2): split(1, 2, b, 4)})
    files.update({name("twice", 0, 2): split(0, 2, a, 2), name("twice", 1, 2): split(1, 2, a, 2)})
    files.update({name("number", 0, 2): split(0, 2, a, 2, own=2), name("number", 1, 2): split(1, 2, a, 2)})
    files["renamed.gguf"] = parts[0]
    return files


def safetensors(entries, meta=None, data=None, spaces=0):
    """entries: (name, dtype, shape, bytes of data)."""
    head, blob = {}, b""
    if meta is not None:
        head["__metadata__"] = meta
    for i, (name, dtype, shape, n) in enumerate(entries):
        head[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(blob), len(blob) + n]}
        blob += pattern(n, i + 1)
    text = json.dumps(head, separators=(",", ":")).encode() + b" " * spaces
    return struct.pack("<Q", len(text)) + text + (blob if data is None else data)


def raw(text, data=b""):
    text = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(text)) + text + data


def good_safetensors():
    every = [("F64", 8), ("F32", 4), ("F16", 2), ("BF16", 2), ("I64", 8), ("I32", 4), ("I16", 2), ("I8", 1), ("U8", 1),
             ("BOOL", 1), ("U16", 2), ("U32", 4), ("U64", 8), ("F8_E4M3", 1), ("F8_E5M2", 1)]
    return {
        "every_type.safetensors": safetensors([("t.%s" % t, t, [2, 3], 6 * n) for t, n in every], {"format": "pt"}, spaces=5),
        "shapes.safetensors": safetensors([("scalar", "F32", [], 4), ("empty", "F32", [0, 5], 0), ("row", "F32", [7], 28),
                                           ("matrix", "F16", [5, 7], 70), ("four", "F32", [2, 1, 3, 1], 24),
                                           ("squeezed", "F32", [1, 1, 1, 2, 2], 16), ("half", "F4", [3, 2], 3)]),
        "mask.safetensors": safetensors([("h.0.attn.bias", "U8", [1, 1, 4, 4], 16), ("wte.weight", "F32", [2, 2], 16)]),
        "unordered.safetensors": raw('{"b":{"dtype":"I8","shape":[2],"data_offsets":[3,5]},'
                                     '"a":{"dtype":"I8","shape":[3],"data_offsets":[0,3]}}', b"\1\2\3\4\5"),
        "nothing.safetensors": raw("{}"),
    }


def bad_safetensors():
    def one(inner, data=b"\0" * 4):
        return raw('{"a":{%s}}' % inner, data)

    good = '"dtype":"F32","shape":[1],"data_offsets":[0,4]'
    return {
        "short": b"\1\0\0",
        "header_too_long": struct.pack("<Q", 1 << 40) + b"{}",
        "header_empty": struct.pack("<Q", 0) + b"{}",
        "not_json": raw("{nope"),
        "not_object": raw("[1]"),
        "text_after": raw("{} {}"),
        "not_utf8": raw(b'{"a\xff":{%s}}' % good.encode(), b"\0" * 4),
        "name_twice": raw('{"a":{%s},"a":{%s}}' % (good, good), b"\0" * 4),
        "name_empty": raw('{"":{%s}}' % good, b"\0" * 4),
        "name_control": raw('{"a\\nb":{%s}}' % good, b"\0" * 4),
        "metadata_number": raw('{"__metadata__":{"a":1}}'),
        "metadata_twice": raw('{"__metadata__":{},"__metadata__":{}}'),
        "metadata_key_twice": raw('{"__metadata__":{"a":"1","a":"2"}}'),
        "entry_not_object": raw('{"a":3}'),
        "dtype_unknown": one('"dtype":"F31","shape":[1],"data_offsets":[0,4]'),
        "dtype_number": one('"dtype":3,"shape":[1],"data_offsets":[0,4]'),
        "dtype_missing": one('"shape":[1],"data_offsets":[0,4]'),
        "dtype_twice": one('"dtype":"F32",' + good),
        "shape_missing": one('"dtype":"F32","data_offsets":[0,4]'),
        "shape_twice": one('"shape":[1],' + good),
        "shape_negative": one('"dtype":"F32","shape":[-1],"data_offsets":[0,4]'),
        "shape_fraction": one('"dtype":"F32","shape":[1.0],"data_offsets":[0,4]'),
        "shape_overflow": one('"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]', b""),
        "shape_overflow_with_zero": one('"dtype":"F32","shape":[0,4294967296,4294967296],"data_offsets":[0,0]', b""),
        "shape_long": one('"dtype":"F32","shape":[%s],"data_offsets":[0,4]' % ",".join(["1"] * 65)),
        "five_dims": one('"dtype":"F32","shape":[2,1,1,1,1],"data_offsets":[0,8]', b"\0" * 8),
        "offsets_missing": one('"dtype":"F32","shape":[1]'),
        "offsets_twice": one(good + ',"data_offsets":[0,4]'),
        "offsets_one": one('"dtype":"F32","shape":[1],"data_offsets":[4]'),
        "offsets_three": one('"dtype":"F32","shape":[1],"data_offsets":[0,4,8]'),
        "offsets_reversed": one('"dtype":"F32","shape":[1],"data_offsets":[4,0]'),
        "offsets_past_end": one('"dtype":"F32","shape":[2],"data_offsets":[0,8]'),
        "offsets_size": one('"dtype":"F32","shape":[3],"data_offsets":[0,4]'),
        "half_byte": one('"dtype":"F4","shape":[3],"data_offsets":[0,1]', b"\0"),
        "field_unknown": one(good + ',"extra":1'),
        "hole": raw('{"a":{%s},"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}' % good, b"\0" * 12),
        "overlap": raw('{"a":{%s},"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}' % good, b"\0" * 6),
        "trailing": one(good, b"\0" * 9),
    }


def sharded():
    a = safetensors([("a", "F32", [2], 8), ("b", "F16", [2, 2], 8)], {"format": "pt"})
    b = safetensors([("c", "BF16", [3], 6)], {"format": "pt"})
    files = {"good/model-00001-of-00002.safetensors": a, "good/model-00002-of-00002.safetensors": b}

    def index(name, weight_map, text=None):
        files["%s/model.safetensors.index.json" % name] = (text or json.dumps(
            {"metadata": {"total_size": 22}, "weight_map": weight_map}, indent=1)).encode()

    first, second = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
    index("good", {"a": first, "b": first, "c": second})
    index("missing_shard", {"a": first, "c": second})
    files["missing_shard/" + first] = a
    index("missing_tensor", {"a": first, "z": first})
    files["missing_tensor/" + first] = a
    index("twice", {"a": first, "b": second})
    files.update({"twice/" + first: a, "twice/" + second: a})
    index("traversal", {"a": "../good/" + first})
    index("absolute", {"a": "/etc/passwd.safetensors"})
    index("hidden", {"a": "..safetensors"})
    index("itself", {"a": "model.safetensors.index.json"})
    index("no_map", None, '{"metadata": {}}')
    index("map_twice", None, '{"weight_map": {"a": "x.safetensors"}, "weight_map": {"a": "y.safetensors"}}')
    index("tensor_twice", None, '{"weight_map": {"a": "x.safetensors", "a": "y.safetensors"}}')
    index("cut", None, '{"weight_map": {"a": ')
    files["single/model.safetensors"] = b
    files["empty_folder/config.json"] = b"{}"
    return files


def llama2c(dim=4, hidden=6, layers=2, heads=2, kv_heads=1, vocab=5, seq=3, tied=True, cut=0):
    kv = dim // heads * kv_heads
    n = vocab * dim + layers * (2 * dim + 2 * dim * dim + 2 * kv * dim + 3 * hidden * dim) + dim + seq * (dim // heads)
    n += 0 if tied else vocab * dim
    head = struct.pack("<7i", dim, hidden, layers, heads, kv_heads, vocab if tied else -vocab, seq)
    body = struct.pack("<%df" % n, *(i / 64 for i in range(n)))
    return (head + body)[:len(head) + len(body) - cut]


def write(folder, files):
    for name, data in sorted(files.items()):
        path = os.path.join(DATA, folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(data)


def corpus(name, files):
    folder = os.path.join(CORPUS, name)
    os.makedirs(folder, exist_ok=True)
    for file, data in sorted(files.items()):
        with open(os.path.join(folder, file.replace("/", "_")), "wb") as f:
            f.write(data)


def main():
    for folder in ("gguf", "safetensors", "llama2c"):
        shutil.rmtree(os.path.join(DATA, folder), ignore_errors=True)
        shutil.rmtree(os.path.join(CORPUS, folder), ignore_errors=True)
    models = {"tied.bin": llama2c(), "untied.bin": llama2c(tied=False), "one_layer.bin": llama2c(layers=1, kv_heads=2)}
    bad_models = {"cut.bin": llama2c(cut=4), "long.bin": llama2c() + b"\0", "short.bin": llama2c()[:27],
                  "heads.bin": struct.pack("<7i", 4, 6, 1, 3, 1, 5, 3) + b"\0" * 64,
                  "kv_heads.bin": struct.pack("<7i", 12, 6, 1, 3, 2, 5, 3) + b"\0" * 64,
                  "huge.bin": struct.pack("<7i", 1 << 20, 1 << 20, 1024, 1, 1, 1 << 24, 1) + b"\0" * 64,
                  "vocab_min.bin": struct.pack("<7i", 4, 6, 1, 2, 1, -(1 << 31), 3) + b"\0" * 64}
    write("gguf", good_ggufs())
    write("gguf/bad", {k + ".gguf": v for k, v in bad_ggufs().items()})
    write("gguf/split", splits())
    write("safetensors", good_safetensors())
    write("safetensors/bad", {k + ".safetensors": v for k, v in bad_safetensors().items()})
    write("safetensors/sharded", sharded())
    write("llama2c", models)
    write("llama2c/bad", bad_models)
    corpus("gguf", {**good_ggufs(), **{"bad_" + k: v for k, v in bad_ggufs().items()}, "split": splits()["renamed.gguf"]})
    corpus("safetensors", {**good_safetensors(), **{"bad_" + k: v for k, v in bad_safetensors().items()}})
    corpus("llama2c", {**models, **bad_models})


if __name__ == "__main__":
    main()
