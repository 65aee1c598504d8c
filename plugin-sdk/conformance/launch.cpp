// SPDX-License-Identifier: Apache-2.0
#include "conformance/launch.hpp"

#include <algorithm>
#include <numeric>

#include "attnrt/check.hpp"
#include "conformance/filling.hpp"
#include "conformance/number.hpp"
#include "conformance/shortage.hpp"

namespace attnrt::conformance {
namespace {

using sdk::say;
constexpr uint8_t canary = 0xc3;

std::size_t at(int64_t i) { return static_cast<std::size_t>(i); }

}  // namespace

bool Launch::fault(const char* check, const std::string& sentence) {
  outcome_.faults.push_back({check, sentence});
  return false;
}

bool Launch::call(const char* name, attnrt_status status, const Sink& sink) {
  return status == ATTNRT_OK || fault(name, sink.text(name, status));
}

Launch::Launch(const Rig& rig, const Operands& operands, const std::vector<const RequestData*>& given, bool lse,
               const Placement& placement, bool garbage)
    : rig_(rig), operands_(operands), placement_(placement), random_(placement.seed), shelf_(rig.memory()) {
  const attnrt_problem& p = rig.problem();
  if (!rig.op()) {
    outcome_.faults = rig.faults();
    return;
  }
  // On the CPU NULL means the calling thread.
  if (p.device_type == ATTNRT_DEVICE_CPU && (placement.workers > 1 || random_.chance(0.5)))
    pool_ = std::make_unique<Pool>(placement.workers);
  order_.resize(given.size());
  std::iota(order_.begin(), order_.end(), std::size_t{0});
  if (p.provides & ATTNRT_DECODES_FIRST)
    std::stable_partition(order_.begin(), order_.end(), [&](std::size_t i) {
      return given[i]->query_len <= static_cast<int32_t>(p.decode_query_len);
    });
  for (const std::size_t i : order_) requests_.push_back(given[i]);

  Filling filling{rig,    operands,        requests_, placement_, stream(), random_,
                  shelf_, outcome_.faults, table_, cache_};
  if (!filling.fill(garbage)) return;
  arrays_ = std::make_unique<BatchArrays>(shelf_, p, requests_, table_.get(), placement_);
  if (!make_workspace(garbage) || !make_tensors(lse)) return;
  Sink sink;
  call("plan_create", rig.variant().plan_create(rig.op(), &limits(), &workspace_, &plan_, sink.get()), sink);
}

Launch::~Launch() {
  if (plan_) rig_.variant().plan_destroy(plan_);
}

// The same answer twice, memory of exactly that size.
bool Launch::make_workspace(bool garbage) {
  attnrt_workspace sizes{}, again{};
  sizes.struct_size = again.struct_size = sizeof(sizes);
  for (attnrt_workspace* answer : {&sizes, &again}) {
    Sink sink;
    if (!call("workspace", rig_.variant().workspace(rig_.op(), &limits(), answer, sink.get()), sink)) return false;
  }
  if (sizes.plan_bytes != again.plan_bytes || sizes.scratch_bytes != again.scratch_bytes)
    fault("workspace", say("asked twice, plan_bytes is ", sizes.plan_bytes, " and ", again.plan_bytes,
                           ", scratch_bytes ", sizes.scratch_bytes, " and ", again.scratch_bytes));
  if (sizes.plan_bytes + sizes.scratch_bytes + sizes.pinned_bytes > (uint64_t{4} << 30))
    return fault("workspace", say("asks for ", sizes.plan_bytes, " + ", sizes.scratch_bytes, " bytes for a batch of ",
                                  batch().num_tokens, " tokens, wanted below 4 GiB"));
  workspace_.struct_size = sizeof(workspace_);
  const auto piece = [&](uint64_t bytes, uint64_t alignment, uint8_t poison) -> void* {
    return bytes ? shelf_.raw(bytes, poison, std::max<std::size_t>(64, alignment)).data() : nullptr;
  };
  workspace_.plan =
      piece(workspace_.plan_bytes = sizes.plan_bytes, sizes.plan_alignment, sizes.zero_init ? 0 : 0xff);
  if ((workspace_.pinned_bytes = sizes.pinned_bytes))
    workspace_.pinned =
        shelf_.pinned(sizes.pinned_bytes, std::max<std::size_t>(64, sizes.pinned_alignment)).data();
  workspace_.scratch =
      piece(workspace_.scratch_bytes = sizes.scratch_bytes, sizes.scratch_alignment, garbage ? 0x42 : 0xff);
  return true;
}

bool Launch::make_tensors(bool lse) {
  const attnrt_problem& p = rig_.problem();
  const int64_t tokens = batch().num_tokens, rows = tokens + placement_.pad_tokens;
  const int64_t heads = p.num_heads, dqk = p.head_size_qk, dv = p.head_size_v, pad = placement_.strided ? 8 : 0;
  std::vector<float> q, k, v;
  for (const RequestData* r : requests_) q.insert(q.end(), r->q.begin(), r->q.end());
  args_.struct_size = sizeof(args_);
  if (p.features & ATTNRT_FEATURE_SPLIT_Q) {
    std::vector<float> latent, rope;
    const int64_t lora = p.mla_kv_lora;
    for (int64_t row = 0; row < tokens * heads; ++row) {
      latent.insert(latent.end(), q.begin() + row * dqk, q.begin() + row * dqk + lora);
      rope.insert(rope.end(), q.begin() + row * dqk + lora, q.begin() + (row + 1) * dqk);
    }
    args_.q = shelf_.rows(latent, tokens, heads, lora, p.q_dtype, pad, placement_.pad_tokens);
    args_.q_rope = shelf_.rows(rope, tokens, heads, p.mla_rope, p.q_dtype, pad, placement_.pad_tokens);
  } else {
    args_.q = shelf_.rows(q, tokens, heads, dqk, p.q_dtype, pad, placement_.pad_tokens);
  }
  if (cache_) {
    args_.k_cache = cache_->k();
    args_.v_cache = cache_->v();
  } else {
    for (const RequestData* r : requests_) {
      k.insert(k.end(), r->k.begin(), r->k.end());
      v.insert(v.end(), r->v.begin(), r->v.end());
    }
    const int64_t kv_rows = arrays_->kv_start_loc.back(), kv_heads = p.num_kv_heads;
    args_.k = shelf_.rows(k, kv_rows, kv_heads, dqk, p.kv_dtype, pad, placement_.pad_tokens);
    args_.v = shelf_.rows(v, kv_rows, kv_heads, dv, p.kv_dtype, pad, placement_.pad_tokens);
  }
  if (operands_.flex) {
    flex_ = std::make_unique<FlexTensors>(*operands_.flex, shelf_);
    args_.flex = arrays_->batch.flex = flex_->get();
  }
  give_operands(shelf_, p, operands_, requests_, *arrays_, placement_.seed & 1, args_);
  const int64_t out_stride = heads * dv + pad;
  const int64_t lse_row = placement_.strided ? 1 : heads, lse_head = placement_.strided ? rows : 1;
  out_ = &shelf_.raw(at(rows * out_stride * sdk::dtype_bytes(p.out_dtype)), canary);
  lse_ = &shelf_.raw(at(rows * heads) * sizeof(float), canary);
  args_.out = shelf_.tensor(out_->data(), sdk::to_dlpack(p.out_dtype), {rows, heads, dv}, {out_stride, dv, 1});
  lse_->name("lse");
  if (lse) args_.lse = shelf_.tensor(lse_->data(), sdk::to_dlpack(ATTNRT_FP32), {rows, heads}, {lse_row, lse_head});
  name_arguments(shelf_, batch(), workspace_, args_);
  return shelf_.ok() || fault("memory", shortage(rig_.memory(), "the tensors"));
}

bool Launch::update() {
  if (!plan_) return false;
  Sink sink;
  return call("plan_update", rig_.variant().plan_update(plan_, &batch(), stream(), sink.get()), sink);
}

bool Launch::run() {
  Sink sink;
  const bool ran = call("run", rig_.variant().run(plan_, &args_, stream(), sink.get()), sink);
  rig_.memory().finish(stream());
  const std::string trouble = rig_.memory().trouble();
  return ran && (trouble.empty() || fault("device", "after run " + trouble));
}

void Launch::clear() {
  for (const Buffer* buffer : {out_, lse_}) rig_.memory().fill(buffer->data(), canary, buffer->size());
}

void Launch::collect() {
  const attnrt_problem& p = rig_.problem();
  const int64_t heads = p.num_heads, dv = p.head_size_v, element = sdk::dtype_bytes(p.out_dtype);
  const int64_t out_stride = args_.out->strides[0];
  if (const std::size_t bytes = shelf_.guard_damage())
    fault("guard", say("run changed ", bytes, " bytes beside ", shelf_.damaged(), ", wanted none"));
  if (cache_) {
    if (const std::string text = cache_->damage(); !text.empty()) fault("cache_read_only", "after run " + text);
    if (cache_->guard_damage()) fault("guard", "run changed bytes beside the cache, wanted none");
  }
  std::vector<uint8_t> image = out_->read(), lse_image = lse_->read();
  outcome_.bytes.assign(order_.size(), {});
  outcome_.out.assign(order_.size(), {});
  outcome_.lse.assign(order_.size(), {});
  for (std::size_t r = 0; r < order_.size(); ++r) {
    const std::size_t to = order_[r];
    for (int64_t t = arrays_->query_start_loc[r]; t < arrays_->query_start_loc[r + 1]; ++t) {
      const auto begin = image.begin() + t * out_stride * element, end = begin + heads * dv * element;
      outcome_.bytes[to].insert(outcome_.bytes[to].end(), begin, end);
      std::fill(begin, end, canary);
      for (int64_t h = 0; args_.lse && h < heads; ++h) {
        uint8_t* from = &lse_image[at(t * args_.lse->strides[0] + h * args_.lse->strides[1]) * sizeof(float)];
        outcome_.lse[to].push_back(decode(ATTNRT_FP32, from));
        std::fill(from, from + sizeof(float), canary);
      }
    }
    outcome_.out[to].resize(outcome_.bytes[to].size() / at(element));
    decode_row(p.out_dtype, outcome_.bytes[to].data(), outcome_.out[to].size(), outcome_.out[to].data());
  }
  const auto changed = [](const std::vector<uint8_t>& bytes) {
    return std::any_of(bytes.begin(), bytes.end(), [](uint8_t byte) { return byte != canary; });
  };
  if (changed(image)) fault("canary", "run wrote into rows of out past num_tokens or between its rows");
  if (changed(lse_image)) fault("canary", "run wrote into rows of lse past num_tokens, or lse without being asked");
  outcome_.done = true;
}

}  // namespace attnrt::conformance
