# SPDX-License-Identifier: Apache-2.0
"""What an AMD code object says of its kernel: the metadata note of the AMDGPU backend, code object version 5 ("User Guide for
AMDGPU Backend" of LLVM), a map in MessagePack in a note of type 32."""
import struct


def read(data):
    """(e_flags, metadata of the only kernel) of a code object's bytes."""
    if data[:6] != b"\x7fELF\x02\x01":
        raise ValueError("the code object is no ELF file of 64 bits")
    program_headers, = struct.unpack_from("<Q", data, 32)
    e_flags, = struct.unpack_from("<I", data, 48)
    entry_size, count = struct.unpack_from("<HH", data, 54)
    for index in range(count):
        kind, _, offset, _, _, size = struct.unpack_from("<IIQQQQ", data, program_headers + index * entry_size)
        if kind == 4:  # PT_NOTE
            for name, note_type, text in notes(data[offset:offset + size]):
                if (name, note_type) == (b"AMDGPU", 32):
                    kernel, = unpack(text, 0)[0]["amdhsa.kernels"]
                    return e_flags, kernel
    raise ValueError("the code object has no metadata note")


def notes(data):
    at = 0
    while at + 12 <= len(data):
        name_size, text_size, note_type = struct.unpack_from("<III", data, at)
        name_at, text_at = at + 12, at + 12 + (name_size + 3) // 4 * 4
        yield data[name_at:name_at + name_size].rstrip(b"\0"), note_type, data[text_at:text_at + text_size]
        at = text_at + (text_size + 3) // 4 * 4


def unpack(data, at):
    """(value, where it ends): the part of MessagePack that compilers write here."""
    tag = data[at]
    at += 1
    if tag < 0x80:
        return tag, at
    if tag < 0x90:
        return items(data, at, (tag & 15) * 2, True)
    if tag < 0xA0:
        return items(data, at, tag & 15, False)
    if tag < 0xC0:
        return data[at:at + (tag & 31)].decode(), at + (tag & 31)
    if tag in (0xC2, 0xC3):
        return tag == 0xC3, at
    if tag in NUMBERS:
        code = NUMBERS[tag]
        return struct.unpack_from(">" + code, data, at)[0], at + struct.calcsize(code)
    if tag in SIZES:
        kind, code = SIZES[tag]
        size, = struct.unpack_from(">" + code, data, at)
        at += struct.calcsize(code)
        if kind == "text":
            return data[at:at + size].decode(), at + size
        return items(data, at, size * 2 if kind == "map" else size, kind == "map")
    raise ValueError(f"MessagePack's tag {tag:#x} is not known here")


def items(data, at, count, paired):
    values = []
    for _ in range(count):
        value, at = unpack(data, at)
        values.append(value)
    return (dict(zip(values[::2], values[1::2])) if paired else values), at


NUMBERS = {0xCA: "f", 0xCB: "d", 0xCC: "B", 0xCD: "H", 0xCE: "I", 0xCF: "Q", 0xD0: "b", 0xD1: "h", 0xD2: "i", 0xD3: "q"}
SIZES = {0xD9: ("text", "B"), 0xDA: ("text", "H"), 0xDB: ("text", "I"), 0xDC: ("list", "H"), 0xDD: ("list", "I"),
         0xDE: ("map", "H"), 0xDF: ("map", "I")}
