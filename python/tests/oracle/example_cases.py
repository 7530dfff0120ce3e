"""Random features and random records for them, well formed and not: what test_parse_example.py asks TensorFlow and us alike.

Left out, because TensorFlow itself reads or writes outside its memory there: more unpacked floats than a fixed feature holds,
steps of no values, string lengths of 2 GiB and more, and strings cut off within a feature list.
"""

import re
import struct

KEYS = ["a", "b2", "key", "label", "seven77", "eight888", "x/indices", "x/values", "a_long_name_of_a_feature", "b_long_name_of_a_feature", "C13", "C14"]
DTYPES = ["int64", "float32", "string"]
TAGS = {"string": 1, "float32": 2, "int64": 3}


def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def long_varint(value, size):
    """The same value in `size` bytes."""
    return bytes([value >> (7 * i) & 0x7F | 0x80 for i in range(size - 1)] + [value >> (7 * (size - 1)) & 0x7F])


def field(number, payload):
    return bytes([number << 3 | 2]) + varint(len(payload)) + payload


class Writer:
    """Records as bytes. `odd` is how often something unusual is written."""

    def __init__(self, rng, odd=0.05, safe_floats=True):
        self.rng, self.odd, self.safe_floats = rng, odd, safe_floats

    def chance(self, p=None):
        return self.rng.random() < (self.odd if p is None else p)

    def values(self, dtype, count):
        rng = self.rng
        if dtype == "int64":
            return [rng.choice([0, 1, -1, 127, 128, 300, 1 << 20, 1 << 35, -(1 << 63), (1 << 63) - 1, rng.getrandbits(14)]) for _ in range(count)]
        if dtype == "float32":
            return [struct.unpack("<f", struct.pack("<f", rng.choice([0.0, -0.0, 1.5, float("inf"), float("nan"), rng.uniform(-9, 9)])))[0] for _ in range(count)]
        return [rng.choice([b"", b"x", b"\x00\xff", b"word", bytes(rng.getrandbits(8) for _ in range(rng.randrange(40)))]) for _ in range(count)]

    def list_of(self, dtype, values, fixed=None):
        """The body of a BytesList, FloatList or Int64List."""
        if dtype == "string":
            out = b"".join(field(1, v) for v in values)
        else:
            one = (lambda v: struct.pack("<f", v)) if dtype == "float32" else varint
            unpacked_fits = dtype == "int64" or fixed is None or len(values) <= fixed
            if self.chance(2 * self.odd) and unpacked_fits:
                tag = b"\x0d" if dtype == "float32" else b"\x08"
                out = b"".join(tag + one(v) for v in values)
            else:
                packed = b"".join(one(v) for v in values)
                out = field(1, packed) if packed or self.chance() else b""
                if dtype == "float32" and self.chance(self.odd / 4):
                    out = field(1, packed + b"\x01")  # half a number at the end
                if self.chance(self.odd / 4):
                    out += field(1, packed)  # another block
        if self.chance(self.odd / 8):
            out += b"\x10\x05"  # a field that lists do not have
        return out

    def feature(self, dtype, values, fixed=None):
        if self.chance(self.odd / 2):
            return b""  # kind not set
        body = self.list_of(dtype, values, fixed)
        number = TAGS[dtype]
        if self.chance(self.odd / 8):
            out = bytes([number << 3 | 2]) + varint(len(body) + self.rng.randrange(1, 4)) + body  # a length past the end
        elif self.chance(self.odd / 4):
            out = bytes([number << 3 | 2]) + long_varint(len(body), 5) + body
        else:
            out = field(number, body)
        if self.chance(self.odd / 4):
            other = self.rng.choice(DTYPES)
            out += field(TAGS[other], self.list_of(other, self.values(other, 2)))  # a second list
        if self.chance(self.odd / 16):
            out = b"\x28\x01" + out  # a field that Features do not have
        return out

    def entry(self, key, feature):
        key_field, value_field = field(1, key.encode()), field(2, feature)
        if self.chance(self.odd / 4):
            return value_field + key_field
        if self.chance(self.odd / 32):
            return key_field
        if self.chance(self.odd / 32):
            return key_field + value_field + b"\x18\x01"
        return key_field + value_field

    def features(self, entries):
        out = b"".join(field(1, e) for e in entries)
        if self.chance(self.odd / 32):
            out += b"\x10\x01"
        return out

    def unknown(self):
        return self.rng.choice([b"\x18\x05", b"\x19" + b"12345678", field(5, b"other"), b"\x35" + b"1234", b"\x00\x01", b"\x1b\x1c", b"\x2a\x7f"])

    def damage(self, record):
        """A cut, a flipped byte, a field nobody knows, or two records in one."""
        rng = self.rng
        if self.chance(self.odd / 4) and record:
            record = record[: rng.randrange(len(record))]
        if self.chance(self.odd / 4) and record:
            at = rng.randrange(len(record))
            flipped = record[:at] + bytes([record[at] ^ 1 << rng.randrange(8)]) + record[at + 1 :]
            # Numbers of five bytes and more may be lengths now, of gigabytes.
            record = flipped if not re.search(rb"[\x80-\xff]{4}", flipped) else record
        if self.chance(self.odd / 2):
            record = self.unknown() + record if self.chance(0.5) else record + self.unknown()
        return record


# ---- Examples


def make_features(rng, io):
    """A random dict of features, and how each key is to be filled: key → (dtype, values a record, or None for any)."""
    features, keys = {}, {}
    names = rng.sample(KEYS, rng.randrange(1, 7))
    free = [k for k in KEYS if k not in names]

    def dtype_of(text):
        return getattr(io.dtypes, text)

    for name in names:
        kind = rng.choice(["fixed", "fixed", "sequence", "var", "ragged", "sparse", "ragged_cut"])
        dtype = rng.choice(DTYPES)
        if kind in ("fixed", "sequence"):
            shape = rng.choice([[], [], [1], [3], [2, 2], [0]] if kind == "fixed" else [[], [2], [1, 3]])
            count = 1
            for dim in shape:
                count *= dim
            default = None
            if rng.random() < 0.6:
                one = {"int64": -7, "float32": 0.25, "string": b"dd"}[dtype]
                default = one if shape == [] or kind == "sequence" else _nested(one, shape)
            if kind == "fixed":
                features[name] = io.FixedLenFeature(shape, dtype_of(dtype), default)
                keys[name] = (dtype, ("fixed", count))
            else:
                features[name] = io.FixedLenSequenceFeature(shape, dtype_of(dtype), True, default)
                keys[name] = (dtype, ("multiple", count))
        elif kind == "var":
            features[name] = io.VarLenFeature(dtype_of(dtype))
            keys[name] = (dtype, None)
        elif kind == "ragged":
            features[name] = io.RaggedFeature(dtype_of(dtype), row_splits_dtype=dtype_of(rng.choice(["int32", "int64"])))
            keys[name] = (dtype, None)
        elif kind == "sparse" and len(free) >= 3:
            axes = rng.choice([1, 1, 2])
            index, value = [free.pop() for _ in range(axes)], free.pop()
            size = [rng.choice([4, 1000]) for _ in range(axes)]
            if axes == 1 and rng.random() < 0.7:
                features[name] = io.SparseFeature(index[0], value, dtype_of(dtype), size[0], rng.random() < 0.3)
            else:
                features[name] = io.SparseFeature(index, value, dtype_of(dtype), size, rng.random() < 0.3)
            keys[value] = (dtype, ("sparse", index, size))
            for key in index:
                keys[key] = ("int64", ("written",))
        elif kind == "ragged_cut" and len(free) >= 2:
            value = free.pop()
            R = io.RaggedFeature
            by = rng.choice([R.RowSplits, R.RowLengths, R.RowStarts, R.RowLimits, R.ValueRowIds, R.UniformRowLength])
            if by is R.UniformRowLength:
                features[name] = R(dtype_of(dtype), value, [by(2)], dtype_of("int64"))
                keys[value] = (dtype, ("multiple", 2))
            else:
                cut = free.pop()
                inner = [R.UniformRowLength(2)] if rng.random() < 0.3 else []
                features[name] = R(dtype_of(dtype), value, [by(cut), *inner], dtype_of("int32"))
                keys[value] = (dtype, ("cut", by.__name__, cut, 2 if inner else 1))
                keys[cut] = ("int64", ("written",))
        else:
            features[name] = io.VarLenFeature(dtype_of(dtype))
            keys[name] = (dtype, None)
    return features, keys


def _nested(one, shape):
    return [_nested(one, shape[1:]) for _ in range(shape[0])] if shape else one


def cut_list(rng, by, rows):
    """A list of partition values for rows of these lengths."""
    ends = [sum(rows[: i + 1]) for i in range(len(rows))]
    if by == "RowSplits":
        return [0, *ends]
    if by == "RowLengths":
        return rows
    if by == "RowLimits":
        return ends
    if by == "RowStarts":
        return [0, *ends[:-1]] if rows else []
    return [i for i, n in enumerate(rows) for _ in range(n)]


def make_example(writer, keys):
    """One record for these keys."""
    rng, odd = writer.rng, writer.odd
    entries = []

    def add(key, dtype, values, fixed=None):
        entries.append((key, writer.feature(dtype, values, fixed)))

    for key, (dtype, rule) in keys.items():
        if rule == ("written",):
            continue
        if writer.chance(0.1) and not (rule and rule[0] in ("sparse", "cut")):
            continue
        if writer.chance(odd / 3) and not (rule and rule[0] in ("sparse", "cut")):
            dtype = rng.choice(DTYPES)
        if rule is None:
            add(key, dtype, writer.values(dtype, rng.randrange(5)))
        elif rule[0] == "fixed":
            count = rule[1] if not writer.chance(odd / 3) else rng.randrange(5)
            add(key, dtype, writer.values(dtype, count), rule[1])
        elif rule[0] == "multiple":
            count = rule[1] * rng.randrange(4) + (writer.chance(odd / 3))
            add(key, dtype, writer.values(dtype, count))
        elif rule[0] == "sparse":
            # Plainly written: a value lost here would move all that come after it, in TensorFlow too.
            count = rng.randrange(5)
            values = writer.values(dtype, count)
            places = rng.sample(range(rule[2][0]), min(count, rule[2][0]))
            plain = Writer(rng, 0)
            for axis, index in enumerate(rule[1]):
                wrong = axis == 0 and writer.chance(odd / 3)
                positions = [p if axis == 0 else p % rule[2][axis] for p in places] + ([0] if wrong else [])
                entries.append((index, plain.feature("int64", positions)))
            entries.append((key, plain.feature(dtype, values[: len(places)])))
        elif rule[0] == "cut":
            rows = [rng.randrange(3) for _ in range(rng.randrange(4))]
            if rule[1] == "ValueRowIds":
                while rows and rows[-1] == 0:
                    rows.pop()
            plain = Writer(rng, 0)
            entries.append((key, plain.feature(dtype, writer.values(dtype, rule[3] * sum(rows)))))
            entries.append((rule[2], plain.feature("int64", cut_list(rng, rule[1], rows))))
    for _ in range(rng.randrange(3)):
        other = rng.choice(DTYPES)
        entries.append((rng.choice(["unasked", "zz", "another_name_that_is_long"]), writer.feature(other, writer.values(other, 2))))
    if writer.chance(odd) and entries:  # the same key again
        key = rng.choice(entries)[0]
        dtype, rule = keys.get(key, ("int64", None))
        if rule is None or rule[0] in ("fixed", "multiple"):
            count = rule[1] if rule else rng.randrange(3)
            entries.append((key, writer.feature(dtype, writer.values(dtype, count), count if rule and rule[0] == "fixed" else None)))
    rng.shuffle(entries)
    whole = [writer.entry(k, f) for k, f in entries]
    if writer.chance(odd / 2):
        at = rng.randrange(len(whole) + 1)
        record = field(1, writer.features(whole[:at])) + field(1, writer.features(whole[at:]))
    else:
        record = field(1, writer.features(whole))
    return writer.damage(record)


# ---- SequenceExamples


def make_sequence_features(rng, io):
    def dtype_of(text):
        return getattr(io.dtypes, text)

    context, lists, keys = {}, {}, {}
    for name in rng.sample(KEYS, rng.randrange(0, 4)):
        dtype = rng.choice(DTYPES)
        kind = rng.choice(["fixed", "var", "ragged"])
        if kind == "fixed":
            shape = rng.choice([[], [2]])
            default = None if rng.random() < 0.4 else _nested({"int64": 3, "float32": 0.5, "string": b"q"}[dtype], shape)
            context[name] = io.FixedLenFeature(shape, dtype_of(dtype), default)
            keys["c", name] = (dtype, 1 if shape == [] else 2)
        else:
            context[name] = io.VarLenFeature(dtype_of(dtype)) if kind == "var" else io.RaggedFeature(dtype_of(dtype), row_splits_dtype=dtype_of("int64"))
            keys["c", name] = (dtype, None)
    for name in rng.sample(KEYS, rng.randrange(0 if context else 1, 4)):
        dtype = rng.choice(DTYPES)
        kind = rng.choice(["sequence", "var", "ragged"])
        if kind == "sequence":
            shape = rng.choice([[], [2]])
            lists[name] = io.FixedLenSequenceFeature(shape, dtype_of(dtype), rng.random() < 0.7)
            keys["l", name] = (dtype, 1 if shape == [] else 2)
        else:
            lists[name] = io.VarLenFeature(dtype_of(dtype)) if kind == "var" else io.RaggedFeature(dtype_of(dtype))
            keys["l", name] = (dtype, None)
    return context, lists, keys


def make_sequence(writer, keys):
    rng, odd = writer.rng, writer.odd
    parts = {"c": [], "l": []}
    for (where, name), (dtype, count) in keys.items():
        if writer.chance(0.1):
            continue
        if writer.chance(odd / 3):
            dtype = rng.choice(DTYPES)

        def one(dtype=dtype, count=count):
            n = count if count is not None and not writer.chance(odd / 3) else rng.randrange(4)
            # Within a list only what TensorFlow reads without harm.
            plain = Writer(rng, odd if where == "c" and dtype != "string" else 0)
            return plain.feature(dtype, writer.values(dtype, n), count)

        if where == "c":
            parts["c"].append(writer.entry(name, one()))
        else:
            steps = [one() for _ in range(rng.randrange(4))]
            if writer.chance(odd / 2):
                steps.insert(rng.randrange(len(steps) + 1), b"")
            parts["l"].append(writer.entry(name, b"".join(field(1, s) for s in steps)))
    if writer.chance(odd) and parts["l"]:
        parts["l"].append(parts["l"][0])
    record = b""
    if parts["c"] or writer.chance():
        record += field(1, b"".join(field(1, e) for e in parts["c"]))
    if parts["l"]:
        record += field(2, b"".join(field(1, e) for e in parts["l"]))
    if writer.chance(odd / 2):
        record += writer.rng.choice([b"\x18\x05", field(5, b"other"), b"\x1b\x1c"])
    if writer.chance(odd / 4) and record:
        record = record[: rng.randrange(len(record))]
    return record
