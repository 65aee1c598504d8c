// SPDX-License-Identifier: Apache-2.0
#include "conformance/filling.hpp"

#include <algorithm>
#include <cmath>
#include <memory>

#include "attnrt/check.hpp"
#include "conformance/number.hpp"
#include "conformance/shortage.hpp"
#include "conformance/quantised.hpp"

namespace attnrt::conformance {
namespace {

using sdk::say;

std::size_t at(int64_t i) { return static_cast<std::size_t>(i); }

}  // namespace

bool Filling::fault(const char* check, const std::string& sentence) {
  faults.push_back({check, sentence});
  return false;
}

bool Filling::call(const char* name, attnrt_status status, const Sink& sink) {
  return status == ATTNRT_OK || fault(name, sink.text(name, status));
}

bool Filling::answer_layout(attnrt_kv_layout& layout) {
  const attnrt_problem& p = rig.problem();
  layout = {};
  layout.struct_size = sizeof(layout);
  if (!rig.variant().kv_layout)
    return fault("kv_layout", "kv_layout is NULL, wanted an answer: the sheet admits a paged cache");
  Sink sink;
  if (!call("kv_layout", rig.variant().kv_layout(&rig.variant(), &p, &layout, sink.get()), sink)) return false;
  if (layout.kind != p.kv_layouts || layout.block_size != p.block_size || !layout.id)
    return fault("kv_layout", say("kind ", layout.kind, " and block size ", layout.block_size, ", wanted ",
                                  p.kv_layouts, " and ", p.block_size, " with an id"));
  const bool mla = p.family == ATTNRT_FAMILY_MLA;
  const int64_t values = mla ? p.head_size_qk : p.head_size_qk + p.head_size_v;
  const int64_t row = values * sdk::dtype_bytes(p.kv_dtype) + (has_row_scales(p) ? (mla ? 4 : 8) : 0);
  const int64_t least = row * p.num_kv_heads * p.block_size;
  if (layout.kind != ATTNRT_KV_NATIVE && layout.block_bytes < at(least))
    return fault("kv_layout", say("block_bytes is ", layout.block_bytes, ", wanted at least ", least));
  if (layout.block_bytes == 0 || layout.block_bytes > (uint64_t{1} << 32))
    return fault("kv_layout", say("block_bytes is ", layout.block_bytes, ", wanted the bytes of one block"));
  return true;
}

bool Filling::fill(bool garbage) {
  const attnrt_problem& p = rig.problem();
  if (!sdk::is_paged(p.kv_layouts)) return true;
  attnrt_kv_layout layout;
  if (!answer_layout(layout)) return false;
  table = std::make_unique<BlockTable>(requests, placement.pad_seqs, p.block_size, random);
  cache =
      std::make_unique<Cache>(rig.memory(), p, layout, table->num_blocks, placement.strided, garbage, random.next());
  if (!cache->ok()) return fault("memory", shortage(rig.memory(), "the cache"));
  const bool direct = (placement.direct || !rig.variant().write_kv) && p.kv_layouts != ATTNRT_KV_NATIVE;
  edges = edge_rows(p, operands, quantises(p) ? std::min(6, static_cast<int32_t>(p.block_size)) : 0, random);
  if (!direct && !write()) return false;
  for (std::size_t r = 0; r < requests.size(); ++r)
    for (int64_t j = 0; j < requests[r]->num_keys; ++j) cache->expect(*requests[r], j, table->slot(r, j, p.block_size));
  for (int32_t j = 0; j < edges.num_keys && !direct; ++j)
    cache->expect(edges, j, int64_t{table->spare} * p.block_size + j);
  if (direct) cache->upload();
  cache->adopt();
  if (const std::string text = cache->damage(); !text.empty()) return fault("cache_write", text);
  if (cache->guard_damage())
    return fault("guard", say("write_kv changed ", cache->guard_damage(), " bytes outside of the cache"));
  return !rig.variant().gather_kv || gather();
}

// Writes all keys in two calls, in any order, among rows to skip; the second call may bring them as they are stored.
bool Filling::write() {
  const attnrt_problem& p = rig.problem();
  struct Key {
    const RequestData* request;  // NULL = skip
    int64_t j, slot;
  };
  std::vector<Key> keys;
  bool shared = false;  // a slot is written once
  for (std::size_t r = 0; r < requests.size(); ++r) {
    const int64_t common = shared ? requests[r]->shared_keys / p.block_size * p.block_size : 0;
    for (int64_t j = common; j < requests[r]->num_keys; ++j)
      keys.push_back({requests[r], j, table->slot(r, j, p.block_size)});
    shared = shared || requests[r]->shared_keys > 0;
  }
  for (int32_t j = 0; j < edges.num_keys; ++j) keys.push_back({&edges, j, int64_t{table->spare} * p.block_size + j});
  random.shuffle(keys);
  for (std::size_t i = 0; i < 1 + keys.size() / 16; ++i)
    keys.insert(keys.begin() + random.below(static_cast<int64_t>(keys.size()) + 1), {nullptr, 0, -1});
  const bool mla = p.family == ATTNRT_FAMILY_MLA;
  const int64_t heads = p.num_kv_heads, dqk = p.head_size_qk, dk = mla ? p.mla_kv_lora : dqk;
  const int64_t dv = mla ? p.mla_rope : p.head_size_v, pad = placement.strided ? 8 : 0;
  const std::size_t half = keys.size() / 2;
  for (const bool second : {false, true}) {
    const std::size_t first = second ? half : 0, last = second ? keys.size() : half;
    const bool as_stored = second && quantises(p) && !has_row_scales(p) && random.chance(0.5);
    std::vector<int64_t> slots;
    std::vector<float> k, v;
    for (std::size_t i = first; i < last; ++i) {
      const RequestData* r = keys[i].request;
      slots.push_back(keys[i].slot);
      for (int64_t h = 0; h < heads; ++h) {
        const int64_t at_row = keys[i].j * heads + h;
        const auto row_of = [&](const std::vector<float>& given, const std::vector<float>& stored, int64_t d) {
          return (given.empty() || as_stored ? stored : given).data() + at_row * d;
        };
        const float* row = r ? row_of(r->k_given, r->k, dqk) : nullptr;
        const float* other = !r ? nullptr : mla ? row + dk : row_of(r->v_given, r->v, dv);
        row ? k.insert(k.end(), row, row + dk) : k.insert(k.end(), at(dk), 777.0f);
        other ? v.insert(v.end(), other, other + dv) : v.insert(v.end(), at(dv), 777.0f);
      }
    }
    const auto count = static_cast<int64_t>(slots.size());
    const uint32_t dtype = as_stored ? p.kv_dtype : p.q_dtype;
    attnrt_write_args args{};
    args.struct_size = sizeof(args);
    args.k = shelf.rows(k, count, heads, dk, dtype, pad, second);
    args.v = shelf.rows(v, count, heads, dv, dtype, pad, second);
    args.slot_mapping = shelf.tensor(shelf.put(slots), {0, 64, 1}, {count});
    args.k_cache = cache->k();
    args.v_cache = cache->v();
    args.k_scale = scale_tensor(operands.k_scale);
    args.v_scale = scale_tensor(operands.v_scale);
    shelf.name(args.k, "k of write_kv");
    shelf.name(args.v, "v of write_kv");
    shelf.name(args.slot_mapping, "slot_mapping");
    shelf.name(args.k_scale, "k_scale of write_kv");
    shelf.name(args.v_scale, "v_scale of write_kv");
    Sink sink;
    if (!call("write_kv", rig.variant().write_kv(rig.op(), &args, stream, sink.get()), sink)) return false;
    rig.memory().finish(stream);
  }
  return true;
}

const attnrt_tensor* Filling::scale_tensor(const std::vector<float>& values) {
  if (values.empty()) return nullptr;
  return shelf.tensor(shelf.put(values), sdk::to_dlpack(ATTNRT_FP32), {static_cast<int64_t>(values.size())});
}

// Reads all but the first few keys of each request back, as numbers or as they are stored.
bool Filling::gather() {
  const attnrt_problem& p = rig.problem();
  const bool mla = p.family == ATTNRT_FAMILY_MLA;
  const int64_t heads = p.num_kv_heads, dqk = p.head_size_qk, dk = mla ? p.mla_kv_lora : dqk;
  const int64_t dv = mla ? p.mla_rope : p.head_size_v;
  std::vector<int32_t> starts, lens, locs = {0};
  for (const RequestData* r : requests) {
    starts.push_back(static_cast<int32_t>(random.below(r->num_keys / 2 + 1)));
    lens.push_back(r->num_keys - starts.back());
    locs.push_back(locs.back() + lens.back());
  }
  const int64_t rows = locs.back();
  const uint32_t dtype = quantises(p) && !has_row_scales(p) && random.chance(0.3) ? p.kv_dtype : p.q_dtype;
  Buffer& k = shelf.raw(at(rows * heads * dk) * sdk::dtype_bytes(dtype));
  Buffer& v = shelf.raw(at(rows * heads * dv) * sdk::dtype_bytes(dtype));
  attnrt_gather_args args{};
  args.struct_size = sizeof(args);
  args.num_seqs = static_cast<int32_t>(requests.size());
  args.kv_starts = shelf.put(starts);
  args.kv_lens = shelf.put(lens);
  args.kv_start_loc = shelf.put(locs);
  args.block_table = shelf.put(table->ids);
  args.block_table_stride = table->stride;
  args.block_table_width = table->width;
  args.k_cache = cache->k();
  args.v_cache = cache->v();
  args.k = shelf.tensor(k.data(), sdk::to_dlpack(dtype), {rows, heads, dk});
  args.v = shelf.tensor(v.data(), sdk::to_dlpack(dtype), {rows, heads, dv});
  args.k_scale = scale_tensor(operands.k_scale);
  args.v_scale = scale_tensor(operands.v_scale);
  shelf.name(args.kv_starts, "kv_starts of gather_kv");
  shelf.name(args.kv_lens, "kv_lens of gather_kv");
  shelf.name(args.kv_start_loc, "kv_start_loc of gather_kv");
  shelf.name(args.block_table, "block_table of gather_kv");
  shelf.name(args.k, "k of gather_kv");
  shelf.name(args.v, "v of gather_kv");
  shelf.name(args.k_scale, "k_scale of gather_kv");
  shelf.name(args.v_scale, "v_scale of gather_kv");
  Sink sink;
  if (!call("gather_kv", rig.variant().gather_kv(rig.op(), &args, stream, sink.get()), sink)) return false;
  rig.memory().finish(stream);
  std::vector<float> got_k(at(rows * heads * dk)), got_v(at(rows * heads * dv));
  decode_row(dtype, k.read().data(), got_k.size(), got_k.data());
  decode_row(dtype, v.read().data(), got_v.size(), got_v.data());
  for (std::size_t r = 0; r < requests.size(); ++r)
    for (int64_t i = 0; i < int64_t{lens[r]} * heads; ++i) {
      const int64_t from = int64_t{starts[r]} * heads + i, to = int64_t{locs[r]} * heads + i, h = i % heads;
      const float* row = requests[r]->k.data() + from * dqk;
      const float* other = mla ? row + dk : requests[r]->v.data() + from * dv;
      const auto row_scale = [from](const std::vector<float>& scales) {
        return scales.empty() ? 1.0f : scales[at(from)];
      };
      const float ks = scale_of(operands.k_scale, h), krs = row_scale(requests[r]->k_row_scale);
      const float vs = mla ? ks : scale_of(operands.v_scale, h), vrs = mla ? krs : row_scale(requests[r]->v_row_scale);
      const auto same = [&](const float* got, const float* kept, int64_t d, float scale, float one_row) {
        return std::equal(got, got + d, kept, [&](float g, float x) {
          const float wanted = dtype == p.kv_dtype ? x : read_back(p, x, scale, one_row);
          return g == wanted || (std::isnan(g) && std::isnan(wanted));
        });
      };
      if (!same(&got_k[at(to * dk)], row, dk, ks, krs) || !same(&got_v[at(to * dv)], other, dv, vs, vrs))
        return fault("cache_gather", say("request ", r, " key ", starts[r] + i / heads, " head ", h,
                                         " reads back as other values than were written"));
    }
  return true;
}

}  // namespace attnrt::conformance
