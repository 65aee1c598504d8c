# SPDX-License-Identifier: Apache-2.0
"""One batch with its operands: random numbers, and keys at the edges of masks and tiles that no row could overlook."""
import dataclasses

import numpy as np

FLAG = {"causal": 1, "per request": 2, "paged": 4, "kv_lens": 8, "sinks": 16, "alibi": 32, "alibi_sqrt": 64,
        "tree": 128, "prefix": 256, "lse": 512, "q_scale": 1024, "k_scale": 2048, "v_scale": 4096,
        "sinks_q_dtype": 8192}


def numbers_of_bytes(kind):
    """The 256 values of an fp8 format."""
    bits = np.arange(256, dtype=np.uint32)
    sign = np.where(bits & 0x80, -1.0, 1.0)
    mantissa_bits, bias = {"e4m3": (3, 7), "e4m3fnuz": (3, 8), "e5m2": (2, 15)}[kind]
    exponent = (bits & 0x7F) >> mantissa_bits
    fraction = (bits & ((1 << mantissa_bits) - 1)) / (1 << mantissa_bits)
    normal = (1 + fraction) * 2.0 ** (exponent.astype(float) - bias)
    value = np.where(exponent == 0, fraction * 2.0 ** (1 - bias), normal)
    special = {"e4m3": (bits & 0x7F) == 0x7F, "e4m3fnuz": bits == 0x80, "e5m2": exponent == 31}[kind]
    return np.where(special, np.nan, sign * value)


@dataclasses.dataclass
class Case:
    seed: int = 0
    dtype: str = "fp32"
    kv_dtype: str = ""  # "" = dtype, or e4m3, e4m3fnuz, e5m2
    lengths: tuple = ((5, 5),)  # (query, keys) a request
    heads: tuple = (4, 2)
    head_qk: int = 64
    head_v: int = 64
    block_size: int = 16  # 0 = contiguous
    hnd: bool = False
    xpacked: bool = False  # K [block, head, dim / x, slot, x] with x elements to 16 bytes, V [block, head, dim, slot]
    causal: str = "always"  # never, per request
    window_left: int = -1
    window_right: int = -1
    softcap: float = 0.0
    alibi: object = None
    alibi_sqrt: bool = False
    sinks: object = None
    sinks_q_dtype: bool = False
    tree: object = None
    prefix: object = None
    scaled: str = ""  # letters of q k v; upper case: one a head
    kv_lens: object = None  # keys a request where they are not seq_lens
    wants_lse: bool = True
    turned_lse: bool = False
    splits: int = 1
    block_m: int = 16
    tile: int = 16
    features: int = 2
    spare_programs: int = 0

    def __post_init__(self):
        self.random = np.random.default_rng(self.seed)
        self.num_heads, self.num_kv_heads = self.heads
        self.query_lens = [q for q, _ in self.lengths]
        self.seq_lens = [n for _, n in self.lengths]
        self.scale = np.float32(self.head_qk ** -0.5)
        self.class_qk, self.class_v = (1 << (size - 1).bit_length() for size in (self.head_qk, self.head_v))
        self.kv_dtype = self.kv_dtype or self.dtype
        self.number = {"fp32": np.float32, "fp16": np.float16}[self.dtype]
        keys = self.kv_lens if self.kv_lens is not None else self.seq_lens
        if self.alibi:
            self.alibi = -np.geomspace(0.02, 0.6, self.num_heads)
        if self.sinks:
            self.sinks = self.random.normal(2, 1, self.num_heads).astype(np.float16).astype(np.float32)
        if self.tree:
            self.tree = [np.where(self.random.random((q, q)) < 0.4, -np.inf, self.random.normal(0, 1, (q, q)))
                         for q in self.query_lens]
        if self.prefix:
            self.prefix = [self.ranges(q, n) for q, n in zip(self.query_lens, keys)]
        self.scales = {}
        for letter in self.scaled:
            shape = (len(self.lengths) if letter.lower() == "q" else 1, self.num_kv_heads if letter.isupper() else 1)
            self.scales[letter.lower()] = np.exp2(self.random.uniform(-1, 1, shape)).astype(np.float32)
        self.q, self.k, self.v, self.k_bytes, self.v_bytes = [], [], [], [], []
        for request, n in enumerate(keys):
            self.fill(request, n)

    def ranges(self, q, n):
        low = self.random.integers(-1, max(n, 1), q)
        high = np.minimum(low + self.random.integers(0, 40, q), n - 1)
        hidden = self.random.random(q) < 0.4
        return np.stack([np.where(hidden, -1, low), np.where(hidden, -1, high)], 1).astype(np.int32)

    def fill(self, request, n):
        random, length = self.random, self.query_lens[request]
        boost = 6.0 if self.softcap else 1.0  # scores beyond the cap
        loud = random.normal(0, 1, (self.num_kv_heads, self.head_qk))
        loud *= self.head_qk ** 0.5 / np.linalg.norm(loud, axis=1, keepdims=True)
        q = random.normal(0, 0.5, (length, self.num_heads, self.head_qk)) * boost
        q += np.repeat(loud, self.num_heads // self.num_kv_heads, 0)[None] * 0.7
        k = random.normal(0, 1, (n, self.num_kv_heads, self.head_qk))
        v = random.normal(0, 1, (n, self.num_kv_heads, self.head_v))
        first = self.seq_lens[request] - length
        edges = {0, n - 1, first, first - 1, first + 1, self.seq_lens[request] - 1}
        for position in (first, self.seq_lens[request] - 1):
            edges |= {position + 1, position - self.window_left - 1, position - self.window_left,
                      position + self.window_right, position + self.window_right + 1}
        for step in (self.tile, self.block_size or self.tile):
            edges |= {n // step * step, n // step * step - 1}
        for key in edges:
            if 0 <= key < n:
                k[key] = loud * 0.9 + k[key] * 0.2
        self.q.append(q.astype(self.number))
        for given, values, stored in ((k, self.k, self.k_bytes), (v, self.v, self.v_bytes)):
            if self.kv_dtype == self.dtype:
                values.append(given.astype(self.number))
                stored.append(values[-1])
            else:
                table = numbers_of_bytes(self.kv_dtype)
                order = np.argsort(np.where(np.isnan(table), np.inf, table))[:(~np.isnan(table)).sum()]
                ranks = np.clip(np.searchsorted(table[order], given), 0, len(order) - 1)
                stored.append(order[ranks].astype(np.uint8))
                values.append(table[stored[-1]])

    @property
    def x(self):
        """The constant X of the kernels."""
        return {"fp32": 4, "fp16": 8}.get(self.kv_dtype, 16) if self.xpacked else 0

    def causal_of(self, request):
        return self.causal == "always" or (self.causal == "per request" and request % 2 == 0)

    def scale_of(self, letter, request, kv_head):
        scales = self.scales.get(letter)
        if scales is None:
            return 1.0
        return scales[request % scales.shape[0], kv_head % scales.shape[1]]

    def flags(self):
        on = {"causal": self.causal == "always", "per request": self.causal == "per request",
              "paged": self.block_size > 0, "kv_lens": self.kv_lens is not None, "sinks": self.sinks is not None,
              "alibi": self.alibi is not None, "alibi_sqrt": self.alibi_sqrt, "tree": self.tree is not None,
              "prefix": self.prefix is not None, "lse": self.wants_lse, "q_scale": "q" in self.scales,
              "k_scale": "k" in self.scales, "v_scale": "v" in self.scales, "sinks_q_dtype": self.sinks_q_dtype}
        return sum(FLAG[name] for name, set_ in on.items() if set_)

    def cache(self):
        """Operands of k and v. What no query may see is NaN (in fp8 the largest number), ids past the end are wild."""
        import reference

        lengths = [len(k) for k in self.k]
        # Between a window and a range of its own a row's tile may touch keys that no row sees.
        seen = [np.ones(n, bool) if self.prefix is not None or self.tree is not None else
                reference.visible(self, r, n).any(0) if len(self.q[r]) else np.zeros(n, bool)
                for r, n in enumerate(lengths)]
        wild = {"e4m3": 0x7E, "e4m3fnuz": 0x7F, "e5m2": 0x7B}.get(self.kv_dtype, np.nan)
        element = self.number if np.isnan(wild) else np.uint8
        operands = {"block_size": self.block_size or 1}
        widest = max((-(-n // self.block_size) for n in lengths), default=0) + 2 if self.block_size else 0
        blocks = sum(-(-n // self.block_size) for n in lengths) + 3 if self.block_size else 0
        table = np.full((len(lengths), widest + 1), 0x3FFFFFF, np.int32)
        starts = np.concatenate([[0], np.cumsum(lengths)]) + 2
        ids = self.random.permutation(blocks)
        for name, rows, size in (("k", self.k_bytes, self.head_qk), ("v", self.v_bytes, self.head_v)):
            heads = self.num_kv_heads
            if self.block_size:
                shape = (blocks, heads, self.block_size, size) if self.hnd else (blocks, self.block_size, heads, size)
                cache = np.full(shape, wild, element)
                view = cache.transpose(0, 2, 1, 3) if self.hnd else cache
                next_id = 0
                for request, n in enumerate(lengths):
                    for block in range(-(-n // self.block_size)):
                        table[request, block] = ids[next_id]
                        place = slice(block * self.block_size, min((block + 1) * self.block_size, n))
                        keep = seen[request][place]
                        view[ids[next_id], :place.stop - place.start][keep] = rows[request][place][keep]
                        next_id += 1
                steps = [step // view.itemsize for step in view.strides]
                if self.xpacked:
                    x = self.x if name == "k" else 1
                    cache = np.ascontiguousarray(view.transpose(0, 2, 1, 3).reshape(
                        blocks, heads, self.block_size, size // x, x).transpose(0, 1, 3, 2, 4))
                    steps = [heads * size * self.block_size, 0x3FFFFF, size * self.block_size]  # that of slots is not read
                operands |= {f"{name}_ptr": cache, f"{name}_stride_block": steps[0], f"{name}_stride_slot": steps[1],
                             f"{name}_stride_head": steps[2]}
            else:
                flat = np.full((starts[-1] + 2, heads, size), wild, element)
                for request, n in enumerate(lengths):
                    flat[starts[request]:starts[request] + n][seen[request]] = rows[request][seen[request]]
                operands |= {f"{name}_ptr": flat, f"{name}_stride_slot": heads * size, f"{name}_stride_head": size,
                             "kv_start_loc_ptr": starts.astype(np.int32)}
        if self.block_size:
            operands |= {"block_table_ptr": table, "block_table_stride": table.shape[1]}
        return operands
