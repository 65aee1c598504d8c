// SPDX-License-Identifier: Apache-2.0
#include "conformance/filling.hpp"

#include <memory>

#include "attnrt/check.hpp"
#include "conformance/number.hpp"

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
  const int64_t values = p.family == ATTNRT_FAMILY_MLA ? p.head_size_qk : p.head_size_qk + p.head_size_v;
  const int64_t least = values * p.num_kv_heads * p.block_size * sdk::dtype_bytes(p.kv_dtype);
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
  if (!cache->ok()) return fault("memory", "there is not enough memory for the cache");
  const bool direct = (placement.direct || !rig.variant().write_kv) && p.kv_layouts != ATTNRT_KV_NATIVE;
  if (!direct && !write()) return false;
  for (std::size_t r = 0; r < requests.size(); ++r)
    for (int64_t j = 0; j < requests[r]->num_keys; ++j) cache->expect(*requests[r], j, table->slot(r, j, p.block_size));
  if (direct) cache->upload();
  cache->adopt();
  if (const std::string text = cache->damage(); !text.empty()) return fault("cache_write", text);
  if (cache->guard_damage())
    return fault("guard", say("write_kv changed ", cache->guard_damage(), " bytes outside of the cache"));
  return !rig.variant().gather_kv || gather();
}

// Writes all keys in two calls, in any order, among rows to skip.
bool Filling::write() {
  const attnrt_problem& p = rig.problem();
  struct Key {
    std::size_t request;
    int64_t j;
  };
  std::vector<Key> keys;
  for (std::size_t r = 0; r < requests.size(); ++r)
    for (int64_t j = 0; j < requests[r]->num_keys; ++j) keys.push_back({r, j});
  random.shuffle(keys);
  for (std::size_t i = 0; i < 1 + keys.size() / 16; ++i)
    keys.insert(keys.begin() + random.below(static_cast<int64_t>(keys.size()) + 1), {requests.size(), 0});
  const bool mla = p.family == ATTNRT_FAMILY_MLA;
  const int64_t heads = p.num_kv_heads, dqk = p.head_size_qk, dk = mla ? p.mla_kv_lora : dqk;
  const int64_t dv = mla ? p.mla_rope : p.head_size_v, pad = placement.strided ? 8 : 0;
  const auto scale_of = [](const std::vector<float>& scales, int64_t head) {
    return scales.empty() ? 1.0f : scales[scales.size() == 1 ? 0 : at(head)];
  };
  const std::size_t half = keys.size() / 2;
  for (const bool second : {false, true}) {
    const std::size_t first = second ? half : 0, last = second ? keys.size() : half;
    std::vector<int64_t> slots;
    std::vector<float> k, v;
    for (std::size_t i = first; i < last; ++i) {
      const bool skip = keys[i].request == requests.size();
      slots.push_back(skip ? -1 : table->slot(keys[i].request, keys[i].j, p.block_size));
      for (int64_t h = 0; h < heads; ++h) {
        const RequestData* r = skip ? nullptr : requests[keys[i].request];
        const float* row = r ? r->k.data() + (keys[i].j * heads + h) * dqk : nullptr;
        const float* other = !r ? nullptr : mla ? row + dk : r->v.data() + (keys[i].j * heads + h) * dv;
        for (int64_t d = 0; d < dk; ++d) k.push_back(row ? row[d] * scale_of(operands.k_scale, h) : 777.0f);
        for (int64_t d = 0; d < dv; ++d)
          v.push_back(other ? other[d] * scale_of(mla ? operands.k_scale : operands.v_scale, h) : 777.0f);
      }
    }
    const auto count = static_cast<int64_t>(slots.size());
    attnrt_write_args args{};
    args.struct_size = sizeof(args);
    args.k = shelf.rows(k, count, heads, dk, p.q_dtype, pad, second);
    args.v = shelf.rows(v, count, heads, dv, p.q_dtype, pad, second);
    args.slot_mapping = shelf.tensor(shelf.put(slots), {0, 64, 1}, {count});
    args.k_cache = cache->k();
    args.v_cache = cache->v();
    const auto scale = [&](const std::vector<float>& values) -> const attnrt_tensor* {
      if (values.empty()) return nullptr;
      return shelf.tensor(shelf.put(values), sdk::to_dlpack(ATTNRT_FP32), {static_cast<int64_t>(values.size())});
    };
    args.k_scale = scale(operands.k_scale);
    args.v_scale = scale(operands.v_scale);
    Sink sink;
    if (!call("write_kv", rig.variant().write_kv(rig.op(), &args, stream, sink.get()), sink)) return false;
    rig.memory().finish(stream);
  }
  return true;
}

// Reads all but the first few keys of each request back.
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
  const uint32_t dtype = p.q_dtype;
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
  const auto scale = [&](const std::vector<float>& values) -> const attnrt_tensor* {
    if (values.empty()) return nullptr;
    return shelf.tensor(shelf.put(values), sdk::to_dlpack(ATTNRT_FP32), {static_cast<int64_t>(values.size())});
  };
  args.k_scale = scale(operands.k_scale);
  args.v_scale = scale(operands.v_scale);
  Sink sink;
  if (!call("gather_kv", rig.variant().gather_kv(rig.op(), &args, stream, sink.get()), sink)) return false;
  rig.memory().finish(stream);
  const std::vector<uint8_t> got_k = k.read(), got_v = v.read();
  const std::size_t bytes = sdk::dtype_bytes(dtype);
  for (std::size_t r = 0; r < requests.size(); ++r)
    for (int64_t i = 0; i < int64_t{lens[r]} * heads; ++i) {
      const int64_t from = int64_t{starts[r]} * heads + i, to = int64_t{locs[r]} * heads + i, h = i % heads;
      const float* row = requests[r]->k.data() + from * dqk;
      const float* other = mla ? row + dk : requests[r]->v.data() + from * dv;
      const auto scaled = [h](const std::vector<float>& s) { return s.empty() ? 1.0f : s[s.size() == 1 ? 0 : at(h)]; };
      const float ks = scaled(operands.k_scale), vs = mla ? ks : scaled(operands.v_scale);
      bool same = true;
      for (int64_t d = 0; d < dk; ++d) same &= decode(dtype, &got_k[at(to * dk + d) * bytes]) == row[d] * ks;
      for (int64_t d = 0; d < dv; ++d) same &= decode(dtype, &got_v[at(to * dv + d) * bytes]) == other[d] * vs;
      if (!same)
        return fault("cache_gather", say("request ", r, " key ", starts[r] + i / heads, " head ", h,
                                         " reads back as other values than were written"));
    }
  return true;
}

}  // namespace attnrt::conformance
