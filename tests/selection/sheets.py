# SPDX-License-Identifier: Apache-2.0
"""sheets.py SET PLUGIN: the C++ tables of one fixture plugin, from the fact files."""
import sys

import facts

DEVICES = {"cpu": "ATTNRT_DEVICE_CPU", "cuda": "ATTNRT_DEVICE_CUDA", "rocm": "ATTNRT_DEVICE_ROCM"}
LAYOUTS = {"mla": "MLA_LATENT"}
GRAPHS = {"never": 0, "uniform decode": 1, "uniform batch": 2, "always": 3}


def mask(prefix, names):
    return " | ".join(f"ATTNRT_{prefix}_{LAYOUTS.get(n, n).upper()}" for n in names) or "0"


def dtypes(names):
    return " | ".join(f"1u << ATTNRT_{n.upper()}" for n in names) or "0"


def numbers(values):
    return ", ".join(f"{n}u" for n in values)


def sizes(tag, s, out):
    if s["list"]:
        out.append(f"constexpr uint32_t {tag}_list[] = {{{numbers(s['list'])}}};")
    items = f"{tag}_list" if s["list"] else "nullptr"
    out.append(f"constexpr attnrt_sizes {tag}{{sizeof(attnrt_sizes), {len(s['list'])}, {items}, {s['multiple']}, {s['min']}, {s['max']}, 0}};")
    return f"&{tag}"


def main(set_name, plugin):
    out = []
    tables = []
    for name, variants in facts.backends(set_name).items():
        if facts.plugin_of(variants) != plugin:
            continue
        pointers = []
        for v in variants:
            tag = f"{name}_{v['variant']}"
            arch, pairs = "nullptr", 0
            if v["arch"]:
                out.append(f"constexpr uint32_t {tag}_arch[] = {{{numbers(n for pair in v['arch'] for n in pair)}}};")
                arch, pairs = f"{tag}_arch", len(v["arch"])
            blocks = sizes(f"{tag}_blocks", v["blocks"], out)
            heads = sizes(f"{tag}_heads", v["heads"], out)
            heads_v = sizes(f"{tag}_heads_v", v["heads_v"], out) if v["heads_v"] else "nullptr"
            dims, count = "nullptr", 0
            if v["dims"]:
                out.append(f"constexpr uint32_t {tag}_dims[] = {{{numbers(n for d in v['dims'] for n in d)}}};")
                dims, count = f"{tag}_dims", len(v["dims"])
            out.append(f"""constexpr attnrt_caps {tag}_caps{{
    sizeof(attnrt_caps), {DEVICES[v['device']]}, {arch}, {pairs}, ATTNRT_FAMILY_{v['family'].upper()}, {mask('ISA', v['isa'])},
    {mask('FEATURE', v['features'])},
    {mask('', v['needs']).replace('ATTNRT__', 'ATTNRT_')}, {dtypes(v['q'])}, {dtypes(v['kv'])}, {dtypes(v['q'])},
    {mask('ATTN', v['attn'])}, {mask('PHASE', v['phases'])}, {mask('KV', v['layouts'])},
    {v['gqa_group_max']}, {blocks}, {heads}, {heads_v}, {v['decode_query_max']},
    ATTNRT_DETERMINISM_{v['determinism'].replace('-', '_').upper()}, {GRAPHS[v['graph']]}, 0, "a sheet"}};""")
            explicit = dtypes(v["kv_explicit"])
            out.append(f'constexpr Sheet {tag}_sheet{{"{name}", "{v["variant"]}", {explicit}, {dims}, {count}, {str(v["prefill_only"]).lower()}}};')
            out.append(f'constexpr attnrt_variant {tag} = sheet_variant("{v["variant"]}", &{tag}_caps, &{tag}_sheet);')
            pointers.append(f"&{tag}")
        out.append(f"constexpr const attnrt_variant* {name}_variants[] = {{{', '.join(pointers)}}};")
        out.append(f'constexpr attnrt_backend {name} = make_backend("{name}", "a capability sheet only", {name}_variants);')
        tables.append(f"&{name}")
    out.append(f"constexpr const attnrt_backend* kBackends[] = {{{', '.join(tables)}}};")
    print("// Made by tests/selection/sheets.py.\n" + "\n".join(out))


main(*sys.argv[1:])
