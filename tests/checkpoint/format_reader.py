"""Reads a checkpoint by checkpoint/FORMAT.md alone: no code of ours, no Protobuf.

    tensors, state = read_checkpoint(folder)

`tensors`: name -> (dtype, shape, bytes) of the whole; `state`: the root, as dicts.
Everything that FORMAT.md tells a reader to check about bytes is checked; an
AssertionError says what is wrong.
"""

import os
import struct
from types import SimpleNamespace

ELEMENT_BYTES = {"BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1,
                 "I16": 2, "U16": 2, "F16": 2, "BF16": 2, "I32": 4, "U32": 4, "F32": 4,
                 "I64": 8, "U64": 8, "F64": 8, "C64": 8}
SPREADS = {1: "CUT", 2: "REPLICATED", 3: "PER_RANK", 4: "FIRST_RANK"}


def _crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


TABLE = _crc_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


# Protobuf's wire format


def varint(data, at):
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at


def fields(data):
    """Field number -> what came under it, in order: numbers or bytes."""
    found, at = {}, 0
    while at < len(data):
        tag, at = varint(data, at)
        kind = tag & 7
        if kind == 0:
            value, at = varint(data, at)
        else:
            assert kind in (1, 2, 5), kind
            length, at = varint(data, at) if kind == 2 else ({1: 8, 5: 4}[kind], at)
            value, at = data[at:at + length], at + length
            assert len(value) == length
        found.setdefault(tag >> 3, []).append(value)
    return found


def number(message, field):
    value = message.get(field, [0])[-1]
    return int.from_bytes(value, "little") if isinstance(value, bytes) else value


def text(message, field):
    return message.get(field, [b""])[-1].decode("utf-8")


def packed_varints(message, field):
    data, numbers, at = b"".join(message.get(field, [])), [], 0
    while at < len(data):
        value, at = varint(data, at)
        numbers.append(value)
    return numbers


def packed(message, field, letter):
    data = b"".join(message.get(field, []))
    return list(struct.unpack(f"<{len(data) // struct.calcsize(letter)}{letter}", data))


# The manifest


def unframe(file):
    assert len(file) >= 32 and file[:8] == b"CKPTMAN\x01"
    major, _, flags, length, payload_crc, frame_crc = struct.unpack("<HHIQII", file[8:32])
    assert frame_crc == crc32c(file[:28])
    assert major == 1 and flags == 0 and length == len(file) - 32 <= 2**30
    assert payload_crc == crc32c(file[32:])
    return fields(file[32:])


def read_value(entry):
    for field, convert in ((2, bool), (3, lambda n: (n >> 1) ^ -(n & 1)), (4, int)):
        if field in entry:
            return convert(number(entry, field))
    if 5 in entry:
        return struct.unpack("<d", entry[5][-1])[0]
    return text(entry, 6) if 6 in entry else packed(fields(entry[7][-1]), 1, "d")


def read_state(message):
    entries = [fields(e) for e in message.get(3, [])]
    slots = [fields(t) for t in message.get(4, [])]
    children = [fields(c) for c in message.get(5, [])]
    for parts in (entries, slots, children):
        names = [p.get(1, [b""])[-1] for p in parts]
        assert names == sorted(set(names)), names
    return SimpleNamespace(
        kind=text(message, 1), version=number(message, 2),
        values={text(e, 1): read_value(e) for e in entries},
        tensors={text(t, 1): (text(t, 2), SPREADS[number(t, 3)]) for t in slots},
        children={text(c, 1): read_state(fields(c[2][-1])) for c in children})


def read_file(folder, message):
    with open(os.path.join(folder, text(message, 1)), "rb") as file:
        data = file.read()
    assert len(data) == number(message, 2), "the exact size"
    assert crc32c(data[:number(message, 3)]) == number(message, 4), "its header's CRC"
    return data


def read_tensor(message, files, block_bytes):
    shape = packed_varints(message, 3)
    row_bytes = ELEMENT_BYTES[text(message, 2)]
    for size in shape[1:]:
        row_bytes *= size
    whole, rows = b"", 0
    for shard in (fields(s) for s in message.get(4, [])):
        assert number(shard, 1) == rows, "rows without hole or overlap"
        rows += number(shard, 2)
        offset, length = number(shard, 4), number(shard, 5)
        data = files[number(shard, 3)][offset:offset + length]
        assert len(data) == length == number(shard, 2) * row_bytes
        blocks = [data[i:i + block_bytes] for i in range(0, length, block_bytes)]
        assert [crc32c(b) for b in blocks] == packed(shard, 6, "I"), "the blocks' CRCs"
        whole += data
    assert rows == (shape[0] if shape else 1), "every row"
    return text(message, 2), shape, whole


def read_checkpoint(folder):
    with open(os.path.join(folder, "MANIFEST"), "rb") as file:
        manifest = unframe(file.read())
    assert number(manifest, 1) == 1 and 3 not in manifest
    attempt = os.path.join(folder, "a-" + text(manifest, 5))
    files = [read_file(attempt, fields(f)) for f in manifest.get(11, [])]
    tensors = {}
    for message in (fields(t) for t in manifest.get(12, [])):
        tensors[text(message, 1)] = read_tensor(message, files, number(manifest, 10))
    assert sum(len(data) for _, _, data in tensors.values()) == number(manifest, 14)
    config = manifest.get(16, [b""])[-1]
    assert crc32c(config) == number(manifest, 15)
    return tensors, read_state(fields(manifest[13][-1]))
