// SPDX-License-Identifier: Apache-2.0
#include "conformance/rig.hpp"

#include <algorithm>
#include <memory>
#include <numeric>

#include "attnrt/check.hpp"
#include "conformance/batch.hpp"
#include "conformance/cache.hpp"
#include "conformance/executor.hpp"
#include "conformance/number.hpp"
#include "conformance/random.hpp"

namespace attnrt::conformance {
namespace {

using sdk::say;
constexpr uint8_t canary = 0xc3;

std::size_t at(int64_t i) { return static_cast<std::size_t>(i); }

const attnrt_host& silent_host() {
  static const attnrt_host host = {
      sizeof(attnrt_host), ATTNRT_ABI_MAJOR, ATTNRT_ABI_MINOR, 0, nullptr, [](void*, int32_t, const char*) {}, nullptr};
  return host;
}

// One batch on its way through the tables.
struct Step {
  const Rig& rig;
  const Operands& operands;
  const std::vector<const RequestData*>& requests;  // in the order of the batch
  const Placement& placement;
  std::vector<Fault>& faults;
  Random random;
  std::unique_ptr<Pool> pool;
  Shelf shelf;
  std::unique_ptr<BlockTable> table;
  std::unique_ptr<Cache> cache;

  Step(const Rig& r, const Operands& o, const std::vector<const RequestData*>& q, const Placement& p,
       std::vector<Fault>& f)
      : rig(r), operands(o), requests(q), placement(p), faults(f), random(p.seed), shelf(r.memory()) {
    // On the CPU NULL means the calling thread.
    if (r.problem().device_type == ATTNRT_DEVICE_CPU && (p.workers > 1 || random.chance(0.5)))
      pool = std::make_unique<Pool>(p.workers);
  }

  attnrt_stream stream() const { return pool ? pool->stream() : nullptr; }
  bool fault(const char* check, const std::string& sentence) {
    faults.push_back({check, sentence});
    return false;
  }
  bool call(const char* name, attnrt_status status, const Sink& sink) {
    return status == ATTNRT_OK || fault(name, sink.text(name, status));
  }

  bool make_cache(bool garbage);
  bool write();
  bool gather();
  bool answer_layout(attnrt_kv_layout& layout);
};

bool Step::answer_layout(attnrt_kv_layout& layout) {
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

bool Step::make_cache(bool garbage) {
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
bool Step::write() {
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
    if (!call("write_kv", rig.variant().write_kv(rig.op(), &args, stream(), sink.get()), sink)) return false;
    rig.memory().finish(stream());
  }
  return true;
}

// Reads all but the first few keys of each request back.
bool Step::gather() {
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
  if (!call("gather_kv", rig.variant().gather_kv(rig.op(), &args, stream(), sink.get()), sink)) return false;
  rig.memory().finish(stream());
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

}  // namespace

Sink::Sink() {
  diag_ = {sizeof(attnrt_diag), 0, &words_, [](void* self, attnrt_why, const char* text) {
             auto& words = *static_cast<std::string*>(self);
             words += (words.empty() ? "" : "; ") + std::string(text ? text : "NULL");
           }};
}

std::string Sink::text(const char* call, attnrt_status status) const {
  return say(call, " answered ", status, words_.empty() ? " without a word" : ": ", words_);
}

Rig::Rig(const attnrt_variant& variant, Memory& memory, const attnrt_problem& problem)
    : variant_(variant), memory_(memory), problem_(problem) {
  Sink sink;
  const attnrt_status status = variant.create(&variant, &silent_host(), &problem, memory.device(), &op_, sink.get());
  if (status != ATTNRT_OK || !op_) faults_.push_back({"create", sink.text("create", status)});
}

Rig::~Rig() {
  if (op_) variant_.destroy(op_);
}

Outcome Rig::run(const Operands& operands, const std::vector<const RequestData*>& given, bool lse,
                 const Placement& placement, bool garbage) {
  Outcome out;
  if (!op_) {
    out.faults = faults_;
    return out;
  }
  const attnrt_problem& p = problem_;
  std::vector<std::size_t> order(given.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (p.provides & ATTNRT_DECODES_FIRST)
    std::stable_partition(order.begin(), order.end(), [&](std::size_t i) {
      return given[i]->query_len <= static_cast<int32_t>(p.decode_query_len);
    });
  std::vector<const RequestData*> requests;
  for (const std::size_t i : order) requests.push_back(given[i]);

  Step step(*this, operands, requests, placement, out.faults);
  if (!step.make_cache(garbage)) return out;
  Shelf& shelf = step.shelf;
  const BatchArrays arrays(shelf, p, requests, step.table.get(), placement);
  const attnrt_stream stream = step.stream();

  // Workspace: the same answer twice, memory of exactly that size.
  attnrt_workspace sizes{}, again{};
  sizes.struct_size = again.struct_size = sizeof(sizes);
  for (attnrt_workspace* answer : {&sizes, &again}) {
    Sink sink;
    if (!step.call("workspace", variant_.workspace(op_, &arrays.limits, answer, sink.get()), sink)) return out;
  }
  if (sizes.plan_bytes != again.plan_bytes || sizes.scratch_bytes != again.scratch_bytes)
    step.fault("workspace", say("asked twice, plan_bytes is ", sizes.plan_bytes, " and ", again.plan_bytes,
                                ", scratch_bytes ", sizes.scratch_bytes, " and ", again.scratch_bytes));
  if (sizes.plan_bytes + sizes.scratch_bytes + sizes.pinned_bytes > (uint64_t{4} << 30)) {
    step.fault("workspace", say("asks for ", sizes.plan_bytes, " + ", sizes.scratch_bytes, " bytes for a batch of ",
                                arrays.batch.num_tokens, " tokens, wanted below 4 GiB"));
    return out;
  }
  attnrt_memory memory{};
  memory.struct_size = sizeof(memory);
  const auto piece = [&](uint64_t bytes, uint64_t alignment, uint8_t poison) -> void* {
    return bytes ? shelf.raw(bytes, poison, std::max<std::size_t>(64, alignment)).data() : nullptr;
  };
  memory.plan = piece(memory.plan_bytes = sizes.plan_bytes, sizes.plan_alignment, sizes.zero_init ? 0 : 0xff);
  memory.pinned = piece(memory.pinned_bytes = sizes.pinned_bytes, sizes.pinned_alignment, 0xff);
  memory.scratch = piece(memory.scratch_bytes = sizes.scratch_bytes, sizes.scratch_alignment, garbage ? 0x42 : 0xff);

  // Tensors.
  const int64_t tokens = arrays.batch.num_tokens, rows = tokens + placement.pad_tokens;
  const int64_t heads = p.num_heads, dqk = p.head_size_qk, dv = p.head_size_v, pad = placement.strided ? 8 : 0;
  std::vector<float> q, k, v;
  for (const RequestData* r : requests) q.insert(q.end(), r->q.begin(), r->q.end());
  attnrt_run_args args{};
  args.struct_size = sizeof(args);
  if (p.features & ATTNRT_FEATURE_SPLIT_Q) {
    std::vector<float> latent, rope;
    const int64_t lora = p.mla_kv_lora;
    for (int64_t row = 0; row < tokens * heads; ++row) {
      latent.insert(latent.end(), q.begin() + row * dqk, q.begin() + row * dqk + lora);
      rope.insert(rope.end(), q.begin() + row * dqk + lora, q.begin() + (row + 1) * dqk);
    }
    args.q = shelf.rows(latent, tokens, heads, lora, p.q_dtype, pad, placement.pad_tokens);
    args.q_rope = shelf.rows(rope, tokens, heads, p.mla_rope, p.q_dtype, pad, placement.pad_tokens);
  } else {
    args.q = shelf.rows(q, tokens, heads, dqk, p.q_dtype, pad, placement.pad_tokens);
  }
  if (step.cache) {
    args.k_cache = step.cache->k();
    args.v_cache = step.cache->v();
  } else {
    for (const RequestData* r : requests) {
      k.insert(k.end(), r->k.begin(), r->k.end());
      v.insert(v.end(), r->v.begin(), r->v.end());
    }
    const int64_t kv_rows = arrays.kv_start_loc.back(), kv_heads = p.num_kv_heads;
    args.k = shelf.rows(k, kv_rows, kv_heads, dqk, p.kv_dtype, pad, placement.pad_tokens);
    args.v = shelf.rows(v, kv_rows, kv_heads, dv, p.kv_dtype, pad, placement.pad_tokens);
  }
  give_operands(shelf, p, operands, requests, arrays, placement.seed & 1, args);
  const int64_t out_stride = heads * dv + pad, element = sdk::dtype_bytes(p.out_dtype);
  const int64_t lse_row = placement.strided ? 1 : heads, lse_head = placement.strided ? rows : 1;
  Buffer& out_buffer = shelf.raw(at(rows * out_stride * element), canary);
  Buffer& lse_buffer = shelf.raw(at(rows * heads) * sizeof(float), canary);
  args.out = shelf.tensor(out_buffer.data(), sdk::to_dlpack(p.out_dtype), {rows, heads, dv}, {out_stride, dv, 1});
  if (lse) args.lse = shelf.tensor(lse_buffer.data(), sdk::to_dlpack(ATTNRT_FP32), {rows, heads}, {lse_row, lse_head});
  if (!shelf.ok()) {
    step.fault("memory", "there is not enough memory for the tensors");
    return out;
  }

  attnrt_kernel_plan* plan = nullptr;
  {
    Sink sink;
    if (!step.call("plan_create", variant_.plan_create(op_, &arrays.limits, &memory, &plan, sink.get()), sink))
      return out;
  }
  Sink update, run;
  const bool ran = step.call("plan_update", variant_.plan_update(plan, &arrays.batch, stream, update.get()), update) &&
                   step.call("run", variant_.run(plan, &args, stream, run.get()), run);
  memory_.finish(stream);
  variant_.plan_destroy(plan);
  if (!ran) return out;

  // Who was touched that should not have been?
  if (const std::size_t bytes = shelf.guard_damage())
    step.fault("guard", say("run changed ", bytes, " bytes beside its tensors and workspace, wanted none"));
  if (step.cache) {
    if (const std::string text = step.cache->damage(); !text.empty())
      step.fault("cache_read_only", "after run " + text);
    if (step.cache->guard_damage()) step.fault("guard", "run changed bytes beside the cache, wanted none");
  }
  std::vector<uint8_t> image = out_buffer.read(), lse_image = lse_buffer.read();
  out.bytes.resize(given.size());
  out.out.resize(given.size());
  out.lse.resize(given.size());
  for (std::size_t r = 0; r < order.size(); ++r) {
    const std::size_t to = order[r];
    for (int64_t t = arrays.query_start_loc[r]; t < arrays.query_start_loc[r + 1]; ++t) {
      const auto begin = image.begin() + t * out_stride * element, end = begin + heads * dv * element;
      out.bytes[to].insert(out.bytes[to].end(), begin, end);
      std::fill(begin, end, canary);
      for (int64_t h = 0; lse && h < heads; ++h) {
        uint8_t* from = &lse_image[at(t * lse_row + h * lse_head) * sizeof(float)];
        out.lse[to].push_back(decode(ATTNRT_FP32, from));
        std::fill(from, from + sizeof(float), canary);
      }
    }
    out.out[to].resize(out.bytes[to].size() / at(element));
    decode_row(p.out_dtype, out.bytes[to].data(), out.out[to].size(), out.out[to].data());
  }
  const auto changed = [](const std::vector<uint8_t>& bytes) {
    return std::any_of(bytes.begin(), bytes.end(), [](uint8_t byte) { return byte != canary; });
  };
  if (changed(image)) step.fault("canary", "run wrote into rows of out past num_tokens or between its rows");
  if (changed(lse_image))
    step.fault("canary", "run wrote into rows of lse past num_tokens, or lse without being asked");
  out.done = true;
  return out;
}

}  // namespace attnrt::conformance
