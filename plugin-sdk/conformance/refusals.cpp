// SPDX-License-Identifier: Apache-2.0
#include "conformance/refusals.hpp"

#include <cstring>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "attnrt/base_size.hpp"
#include "attnrt/check.hpp"
#include "conformance/launch.hpp"
#include "conformance/request.hpp"

namespace attnrt::conformance {
namespace {

using sdk::say;

const attnrt_host& mute_host() {
  static const attnrt_host host = {
      sizeof(attnrt_host), ATTNRT_ABI_MAJOR, ATTNRT_ABI_MINOR, 0, nullptr, [](void*, int32_t, const char*) {}, nullptr};
  return host;
}

// A struct of a host from the future: today's fields and zeros behind them.
template <class T>
struct Longer {
  T today;
  uint8_t behind[32] = {};

  explicit Longer(const T& from) : today(from) { today.struct_size = sizeof(*this); }
};

// One op with a batch, whose calls are made wrong one at a time.
class Trial {
 public:
  Trial(const Rig& rig, const Case& c, Launch& launch, Findings& out)
      : rig_(rig), v_(rig.variant()), p_(rig.problem()), case_(c), launch_(launch), out_(out) {}

  void all() {
    problems();
    limits();
    batches();
    runs();
    writes();
    still_good();
  }
  std::size_t calls() const { return calls_; }

 private:
  using Call = std::function<attnrt_status(const attnrt_diag*)>;

  void fail(const std::string& what, const std::string& seen) {
    out_.push_back({"refusals", text(case_), false, what + ": " + seen});
  }
  void refused(const std::string& what, const Call& call) {
    ++calls_;
    Sink sink;
    const attnrt_status status = call(sink.get());
    if (status == ATTNRT_OK) return fail(what, "was accepted, wanted a refusal");
    if (sink.count() == 0) fail(what, say("answered ", status, " without a sentence"));
  }
  void accepted(const std::string& what, const Call& call) {
    ++calls_;
    Sink sink;
    const attnrt_status status = call(sink.get());
    if (status != ATTNRT_OK) fail(what, sink.text("it", status) + ", wanted OK");
  }

  attnrt_status create(const attnrt_problem& problem, const attnrt_diag* diag) {
    attnrt_kernel_op* op = nullptr;
    const attnrt_status status = v_.create(&v_, &mute_host(), &problem, rig_.memory().device(), &op, diag);
    if (status == ATTNRT_OK && op) v_.destroy(op);
    return status;
  }

  void problems() {
    const struct {
      const char* what;
      std::function<void(attnrt_problem&)> spoil;
    } ways[] = {
        {"problem.struct_size 0", [](attnrt_problem& p) { p.struct_size = 0; }},
        {"problem.struct_size 4", [](attnrt_problem& p) { p.struct_size = 4; }},
        {"problem.struct_size one field short",
         [](attnrt_problem& p) { p.struct_size = sdk::base_size<attnrt_problem> - 4; }},
        {"an unknown feature bit", [](attnrt_problem& p) { p.features |= uint64_t{1} << 63; }},
        {"an unknown layout bit", [](attnrt_problem& p) { p.kv_layouts = 1u << 31; }},
        {"no family", [](attnrt_problem& p) { p.family = 0; }},
        {"an unknown family", [](attnrt_problem& p) { p.family = 1u << 9; }},
        {"an unknown attention type", [](attnrt_problem& p) { p.attn_type = 1u << 9; }},
        {"an unknown phase", [](attnrt_problem& p) { p.phase = 1u << 9; }},
        {"an unknown q_dtype", [](attnrt_problem& p) { p.q_dtype = 99; }},
        {"an unknown kv_dtype", [](attnrt_problem& p) { p.kv_dtype = 31; }},
        {"an unknown out_dtype", [](attnrt_problem& p) { p.out_dtype = 4'000'000'000u; }},
        {"an unknown causality", [](attnrt_problem& p) { p.causal = 7; }},
        {"an unknown determinism level", [](attnrt_problem& p) { p.determinism = 9; }},
        {"an unknown promise", [](attnrt_problem& p) { p.provides |= 1u << 30; }},
        {"no heads", [](attnrt_problem& p) { p.num_heads = 0; }},
        {"heads that do not divide", [](attnrt_problem& p) { p.num_heads = 7, p.num_kv_heads = 3; }},
        {"head size 0", [](attnrt_problem& p) { p.head_size_qk = 0; }},
        {"a softcap of -1", [](attnrt_problem& p) { p.softcap = -1; }},
        {"a window without its feature bit",
         [](attnrt_problem& p) { p.window_left = 5, p.features &= ~ATTNRT_FEATURE_SLIDING_WINDOW; }},
    };
    for (const auto& way : ways) {
      attnrt_problem problem = p_;
      way.spoil(problem);
      refused(std::string("create with ") + way.what, [&](const attnrt_diag* diag) { return create(problem, diag); });
    }
    const Longer<attnrt_problem> longer(p_);
    accepted("create with a longer problem", [&](const attnrt_diag* diag) { return create(longer.today, diag); });
    if (v_.supports) {
      attnrt_problem brief = p_;
      brief.struct_size = 8;
      refused("supports with a short problem", [&](const attnrt_diag* diag) { return v_.supports(&v_, &brief, diag); });
    }
    if (v_.kv_layout && sdk::is_paged(p_.kv_layouts)) {
      attnrt_kv_layout layout{};
      layout.struct_size = 8;
      refused("kv_layout with a short answer",
              [&](const attnrt_diag* diag) { return v_.kv_layout(&v_, &p_, &layout, diag); });
    }
  }

  void limits() {
    const struct {
      const char* what;
      std::function<void(attnrt_limits&)> spoil;
    } ways[] = {
        {"limits.struct_size 0", [](attnrt_limits& l) { l.struct_size = 0; }},
        {"limits one field short", [](attnrt_limits& l) { l.struct_size = sdk::base_size<attnrt_limits> - 4; }},
        {"no workers", [](attnrt_limits& l) { l.num_workers = 0; }},
        {"max_seqs -1", [](attnrt_limits& l) { l.max_seqs = -1; }},
        {"max_tokens -5", [](attnrt_limits& l) { l.max_tokens = -5; }},
        {"max_seq_len -1", [](attnrt_limits& l) { l.max_seq_len = INT32_MIN; }},
    };
    for (const auto& way : ways) {
      attnrt_limits spoiled = launch_.limits();
      way.spoil(spoiled);
      attnrt_workspace sizes{};
      sizes.struct_size = sizeof(sizes);
      refused(std::string("workspace with ") + way.what,
              [&](const attnrt_diag* diag) { return v_.workspace(rig_.op(), &spoiled, &sizes, diag); });
      refused(std::string("plan_create with ") + way.what,
              [&](const attnrt_diag* diag) { return plan(spoiled, launch_.workspace(), diag); });
    }
    attnrt_workspace brief{};
    brief.struct_size = 8;
    refused("workspace with a short answer",
            [&](const attnrt_diag* diag) { return v_.workspace(rig_.op(), &launch_.limits(), &brief, diag); });
    attnrt_memory memory = launch_.workspace();
    if (memory.plan_bytes || memory.scratch_bytes) {
      attnrt_memory spoiled = memory;
      (memory.plan_bytes ? spoiled.plan_bytes : spoiled.scratch_bytes) -= 1;
      refused("plan_create with memory a byte short",
              [&](const attnrt_diag* diag) { return plan(launch_.limits(), spoiled, diag); });
      spoiled = memory;
      (memory.plan_bytes ? spoiled.plan : spoiled.scratch) = nullptr;
      refused("plan_create without memory",
              [&](const attnrt_diag* diag) { return plan(launch_.limits(), spoiled, diag); });
    }
    memory.struct_size = 8;
    refused("plan_create with a short memory",
            [&](const attnrt_diag* diag) { return plan(launch_.limits(), memory, diag); });
  }

  attnrt_status plan(const attnrt_limits& limits, const attnrt_memory& memory, const attnrt_diag* diag) {
    attnrt_kernel_plan* made = nullptr;
    const attnrt_status status = v_.plan_create(rig_.op(), &limits, &memory, &made, diag);
    if (status == ATTNRT_OK && made) v_.plan_destroy(made);
    return status;
  }

  attnrt_status update(const attnrt_batch& batch, const attnrt_diag* diag) {
    return v_.plan_update(launch_.plan(), &batch, launch_.stream(), diag);
  }

  void batches() {
    const bool paged = sdk::is_paged(p_.kv_layouts), cpu = p_.device_type == ATTNRT_DEVICE_CPU;
    const attnrt_batch& good = launch_.batch();
    const int32_t seqs = good.num_seqs;
    const auto try_batch = [&](const char* what, const std::function<void(attnrt_batch&)>& spoil) {
      attnrt_batch batch = good;
      spoil(batch);
      refused(std::string("plan_update with ") + what, [&](const attnrt_diag* diag) { return update(batch, diag); });
    };
    try_batch("struct_size 0", [](attnrt_batch& b) { b.struct_size = 0; });
    try_batch("a struct one field short", [](attnrt_batch& b) { b.struct_size = sdk::base_size<attnrt_batch> - 4; });
    try_batch("num_seqs -1", [](attnrt_batch& b) { b.num_seqs = -1; });
    try_batch("more requests than the limit", [&](attnrt_batch& b) { b.num_seqs = launch_.limits().max_seqs + 1; });
    try_batch("more tokens than the limit", [&](attnrt_batch& b) { b.num_tokens = launch_.limits().max_tokens + 1; });
    try_batch("a sequence longer than the limit",
              [&](attnrt_batch& b) { b.max_seq_len = launch_.limits().max_seq_len + 1; });
    try_batch("no query_start_loc", [](attnrt_batch& b) { b.query_start_loc = nullptr; });
    try_batch("no seq_lens", [](attnrt_batch& b) { b.seq_lens = nullptr; });
    if (paged) {
      try_batch("no block table", [](attnrt_batch& b) { b.block_table = nullptr; });
      try_batch("a table narrower than its width",
                [](attnrt_batch& b) { b.block_table_stride = b.block_table_width - 1; });
    } else {
      try_batch("no kv_start_loc", [](attnrt_batch& b) { b.kv_start_loc = nullptr; });
    }
    if (cpu) {
      const auto spoil_array = [&](const char* what, const int32_t* attnrt_batch::*member, int64_t count, int64_t at,
                                   int32_t value) {
        std::vector<int32_t> copy(good.*member, good.*member + count);
        copy[static_cast<std::size_t>(at)] = value;
        try_batch(what, [&](attnrt_batch& b) {
          b.*member = copy.data();
          b.query_start_loc_host = b.seq_lens_host = b.kv_start_loc_host = b.kv_lens_host = nullptr;
        });
      };
      spoil_array("query_start_loc that does not begin at 0", &attnrt_batch::query_start_loc, seqs + 1, 0, 1);
      spoil_array("query_start_loc that does not end at num_tokens", &attnrt_batch::query_start_loc, seqs + 1, seqs,
                  good.num_tokens + 1);
      spoil_array("a descending query_start_loc", &attnrt_batch::query_start_loc, seqs + 1, seqs, -3);
      spoil_array("a sequence longer than max_seq_len", &attnrt_batch::seq_lens, seqs, 0,
                  launch_.limits().max_seq_len + 9);
      spoil_array("a negative sequence", &attnrt_batch::seq_lens, seqs, 0, -7);
      if (paged) {
        for (int32_t r = 0; r < seqs; ++r)
          if (const int32_t queries = good.query_start_loc[r + 1] - good.query_start_loc[r]; queries > 0) {
            spoil_array("more queries than the sequence is long", &attnrt_batch::seq_lens, seqs, r, queries - 1);
            break;
          }
        const int64_t entries = good.block_table_stride * seqs;
        int64_t used = 0;
        while (used < seqs && (good.kv_lens ? good.kv_lens : good.seq_lens)[used] == 0) ++used;
        if (used < seqs) {
          const int64_t at = used * good.block_table_stride;
          spoil_array("a block id behind the cache", &attnrt_batch::block_table, entries, at,
                      launch_.limits().num_blocks);
          spoil_array("a block id of -1", &attnrt_batch::block_table, entries, at, -1);
          spoil_array("a huge block id", &attnrt_batch::block_table, entries, at, INT32_MAX);
        }
      }
    }
    refused("run after a refused batch",
            [&](const attnrt_diag* diag) { return v_.run(launch_.plan(), &launch_.args(), launch_.stream(), diag); });
    const Longer<attnrt_batch> longer(good);
    accepted("plan_update with a longer batch", [&](const attnrt_diag* diag) { return update(longer.today, diag); });
  }

  // A tensor that differs in one thing; its shape and strides live as long as this.
  struct Odd {
    attnrt_tensor tensor;
    int64_t shape[5]{}, strides[5]{};

    explicit Odd(const attnrt_tensor& from) : tensor(from) {
      std::memcpy(shape, from.shape, static_cast<std::size_t>(from.ndim) * sizeof(int64_t));
      std::memcpy(strides, from.strides, static_cast<std::size_t>(from.ndim) * sizeof(int64_t));
      tensor.shape = shape;
      tensor.strides = strides;
    }
    Odd(const Odd&) = delete;
    Odd& operator=(const Odd&) = delete;
  };

  // Spoils one operand of a call in every way, and calls.
  void spoil_tensor(const std::string& name, const attnrt_tensor* good,
                    const std::function<void(const std::string&, const attnrt_tensor*)>& call) {
    if (!good) return;
    call(name + " NULL", nullptr);
    const std::pair<const char*, void (*)(Odd&)> ways[] = {
        {" of one dimension less", [](Odd& o) { --o.tensor.ndim; }},
        {" of ndim 99", [](Odd& o) { o.tensor.ndim = 99; }},
        {" without shape", [](Odd& o) { o.tensor.shape = nullptr; }},
        {" without strides", [](Odd& o) { o.tensor.strides = nullptr; }},
        {" on another device",
         [](Odd& o) {
           o.tensor.device.type = o.tensor.device.type == ATTNRT_DEVICE_CPU ? ATTNRT_DEVICE_CUDA : ATTNRT_DEVICE_CPU;
         }},
        {" with a negative size", [](Odd& o) { o.shape[0] = -1; }},
        {" with a negative stride", [](Odd& o) { o.strides[0] = -8; }},
        {" with one head too many", [](Odd& o) { o.shape[o.tensor.ndim - 2] += 1; }},
    };
    for (const auto& [what, spoil] : ways) {
      Odd odd(*good);
      spoil(odd);
      if (good->ndim < 3 && std::strstr(what, "head")) continue;
      call(name + what, &odd.tensor);
    }
  }

  // Strides that let two elements of a tensor be one.
  void overlapping(const std::string& name, const attnrt_tensor& good,
                   const std::function<void(const std::string&, const attnrt_tensor*)>& call) {
    for (int32_t i = 0; i + 1 < good.ndim; ++i) {
      if (good.shape[i] < 2) continue;
      Odd odd(good);
      odd.strides[i] = 0;
      call(say(name, " with stride 0 in dimension ", i), &odd.tensor);
      if (good.shape[good.ndim - 1] < 2 || good.strides[good.ndim - 1] != 1) continue;
      odd.strides[i] = good.shape[good.ndim - 1] - 1;
      call(say(name, " with a stride in dimension ", i, " that is one element short of a row"), &odd.tensor);
    }
  }

  // Scales of a cache that lose or spoil all that they are multiplied with. A device's are not read.
  void unusable(const std::function<void(const std::string&, const std::vector<float>&)>& call) {
    if (p_.device_type != ATTNRT_DEVICE_CPU) return;
    for (const float value : {0.0f, NAN, HUGE_VALF}) call(say(" of ", value), {value});
  }

  void runs() {
    const attnrt_run_args& good = launch_.args();
    const auto try_run = [&](const std::string& what, const attnrt_run_args& args) {
      refused("run with " + what,
              [&](const attnrt_diag* diag) { return v_.run(launch_.plan(), &args, launch_.stream(), diag); });
    };
    attnrt_run_args args = good;
    args.struct_size = 0;
    try_run("struct_size 0", args);
    args = good;
    args.struct_size = sdk::base_size<attnrt_run_args> - 8;
    try_run("a struct one field short", args);
    for (const float scale : {0.0f, -0.0f, NAN, HUGE_VALF, -HUGE_VALF}) {
      args = good;
      args.scale = scale;
      try_run(say("a scale of ", scale), args);
    }
    using Member = const attnrt_tensor* attnrt_run_args::*;
    const std::pair<const char*, Member> members[] = {
        {"q", &attnrt_run_args::q}, {"out", &attnrt_run_args::out},         {"k", &attnrt_run_args::k},
        {"v", &attnrt_run_args::v}, {"k_cache", &attnrt_run_args::k_cache}, {"v_cache", &attnrt_run_args::v_cache},
    };
    for (const auto& [name, member] : members) {
      if (!(good.*member)) continue;
      spoil_tensor(name, good.*member, [&, member = member](const std::string& what, const attnrt_tensor* tensor) {
        attnrt_run_args spoiled = good;
        spoiled.*member = tensor;
        try_run(what, spoiled);
      });
    }
    for (const auto& [name, member] :
         {std::pair<const char*, Member>{"q", &attnrt_run_args::q}, {"out", &attnrt_run_args::out}}) {
      Odd odd(*(good.*member));
      odd.tensor.dtype = {2, 64, 1};
      args = good;
      args.*member = &odd.tensor;
      try_run(say(name, " in fp64"), args);
      Odd brief(*(good.*member));
      brief.shape[0] = launch_.batch().num_tokens - 1;
      args = good;
      args.*member = &brief.tensor;
      if (launch_.batch().num_tokens) try_run(say(name, " with a row too few"), args);
    }
    for (const auto& [name, member] :
         {std::pair<const char*, Member>{"out", &attnrt_run_args::out}, {"lse", &attnrt_run_args::lse}})
      if (good.*member)
        overlapping(name, *(good.*member), [&, member = member](const std::string& what, const attnrt_tensor* tensor) {
          args = good;
          args.*member = tensor;
          try_run(what, args);
        });
    if (good.lse && good.out->shape[0] > 0) {
      Odd inside(*good.lse);
      inside.tensor.data = good.out->data;
      inside.tensor.byte_offset = good.out->byte_offset;
      args = good;
      args.lse = &inside.tensor;
      try_run("lse in the memory of out", args);
    }
    if (!(p_.features & ATTNRT_FEATURE_LSE)) {
      args = good;
      args.lse = good.out;
      try_run("lse without its feature bit", args);
    }
    const std::pair<uint64_t, Member> operands[] = {
        {ATTNRT_FEATURE_SINKS, &attnrt_run_args::sinks},
        {ATTNRT_FEATURE_ALIBI | ATTNRT_FEATURE_ALIBI_SQRT, &attnrt_run_args::alibi_slopes},
        {ATTNRT_FEATURE_DENSE_MASK, &attnrt_run_args::dense_mask},
        {ATTNRT_FEATURE_TREE_MASK, &attnrt_run_args::tree_mask},
        {ATTNRT_FEATURE_MM_PREFIX, &attnrt_run_args::prefix_ranges}};
    for (const auto& [bits, member] : operands) {
      args = good;
      args.*member = p_.features & bits ? nullptr : good.q;
      try_run(p_.features & bits ? "an operand missing whose feature bit is set"
                                 : "an operand whose feature bit is not set",
              args);
      if (!(good.*member)) continue;
      for (const attnrt_dtype type : {attnrt_dtype{2, 64, 1}, {1, 16, 1}, {0, 64, 1}}) {
        Odd odd(*(good.*member));
        odd.tensor.dtype = type;
        args = good;
        args.*member = &odd.tensor;
        try_run(say("an operand of type code ", int{type.code}, " and ", int{type.bits}, " bits"), args);
      }
    }
    const std::pair<const char*, Member> scales[] = {{"k_scale", &attnrt_run_args::k_scale},
                                                     {"v_scale", &attnrt_run_args::v_scale}};
    for (const auto& [name, member] : scales) {
      args = good;
      if (good.*member) {
        Odd wide(*(good.*member));
        wide.shape[1] += p_.num_kv_heads;
        args.*member = &wide.tensor;
        try_run(say(name, " of too many heads"), args);
        Odd flat(*(good.*member));
        flat.tensor.ndim = 1;
        args.*member = &flat.tensor;
        try_run(say(name, " of one dimension"), args);
        unusable([&](const std::string& what, const std::vector<float>& value) {
          args.*member = launch_.shelf().tensor(launch_.shelf().put(value), sdk::to_dlpack(ATTNRT_FP32), {1, 1});
          try_run(say(name, what), args);
        });
      } else if (!(p_.features & (ATTNRT_FEATURE_KV_SCALES | ATTNRT_FEATURE_PER_HEAD_SCALES))) {
        args.*member = good.q;
        try_run(say(name, " without a feature bit of scales"), args);
      }
    }
    const Longer<attnrt_run_args> longer(good);
    accepted("run with a longer struct",
             [&](const attnrt_diag* diag) { return v_.run(launch_.plan(), &longer.today, launch_.stream(), diag); });
  }

  void writes() {
    if (!v_.write_kv || !launch_.cache()) return;
    const bool mla = p_.family == ATTNRT_FAMILY_MLA;
    const int64_t heads = p_.num_kv_heads;
    Shelf& shelf = launch_.shelf();
    const auto rows = [&](int64_t d) {
      return shelf.rows(std::vector<float>(static_cast<std::size_t>(2 * heads * d), 1.0f), 2, heads, d, p_.q_dtype, 0,
                        0);
    };
    attnrt_write_args good{};
    good.struct_size = sizeof(good);
    good.k = rows(mla ? p_.mla_kv_lora : p_.head_size_qk);
    good.v = rows(mla ? p_.mla_rope : p_.head_size_v);
    good.k_cache = launch_.cache()->k();
    good.v_cache = launch_.cache()->v();
    const auto slots = [&](int64_t slot) {
      return shelf.tensor(shelf.put(std::vector<int64_t>{-1, slot}), {0, 64, 1}, {2});
    };
    good.slot_mapping = slots(-1);
    const auto try_write = [&](const std::string& what, const attnrt_write_args& args) {
      refused("write_kv with " + what,
              [&](const attnrt_diag* diag) { return v_.write_kv(rig_.op(), &args, launch_.stream(), diag); });
    };
    attnrt_write_args args = good;
    args.struct_size = 8;
    try_write("a short struct", args);
    using Member = const attnrt_tensor* attnrt_write_args::*;
    for (const auto& [name, member] : {std::pair<const char*, Member>{"k", &attnrt_write_args::k},
                                       {"v", &attnrt_write_args::v},
                                       {"k_cache", &attnrt_write_args::k_cache}})
      spoil_tensor(name, good.*member, [&, member = member](const std::string& what, const attnrt_tensor* tensor) {
        attnrt_write_args spoiled = good;
        spoiled.*member = tensor;
        try_write(what, spoiled);
      });
    for (const auto& [name, member] : {std::pair<const char*, Member>{"k_cache", &attnrt_write_args::k_cache},
                                       {"v_cache", &attnrt_write_args::v_cache}})
      if (good.*member)
        overlapping(name, *(good.*member), [&, member = member](const std::string& what, const attnrt_tensor* tensor) {
          args = good;
          args.*member = tensor;
          try_write(what, args);
        });
    if (p_.features & (ATTNRT_FEATURE_KV_SCALES | ATTNRT_FEATURE_PER_HEAD_SCALES))
      unusable([&](const std::string& what, const std::vector<float>& value) {
        args = good;
        args.k_scale = shelf.tensor(shelf.put(value), sdk::to_dlpack(ATTNRT_FP32), {1});
        try_write("k_scale" + what, args);
      });
    args = good;
    args.slot_mapping = nullptr;
    try_write("no slot_mapping", args);
    if (p_.device_type == ATTNRT_DEVICE_CPU)
      for (const int64_t slot : {int64_t{-2}, int64_t{launch_.limits().num_blocks} * p_.block_size, INT64_MAX}) {
        args = good;
        args.slot_mapping = slots(slot);
        try_write(say("slot ", slot), args);
      }
    accepted("write_kv with nothing but slots to skip",
             [&](const attnrt_diag* diag) { return v_.write_kv(rig_.op(), &good, launch_.stream(), diag); });
  }

  // After all that the op computes what it should, and no byte was changed on the way.
  void still_good() {
    launch_.clear();
    if (launch_.update() && launch_.run()) launch_.collect();
    for (const Fault& fault : launch_.outcome().faults)
      fail("after the wrong calls", fault.check + ": " + fault.sentence);
  }

  const Rig& rig_;
  const attnrt_variant& v_;
  const attnrt_problem& p_;
  const Case& case_;
  Launch& launch_;
  Findings& out_;
  std::size_t calls_ = 0;
};

}  // namespace

Findings check_refusals(const attnrt_variant& v, Memory& memory, const GridOptions& options) {
  Findings out;
  std::size_t calls = 0;
  for (const Case& c : sample_cases(v, options, 6)) {
    const Rig rig(v, memory, c.problem);
    const Operands operands = make_operands(c);
    const std::vector<RequestData> requests = make_requests(c, operands);
    std::vector<const RequestData*> pointers;
    for (const RequestData& r : requests) pointers.push_back(&r);
    Launch launch(rig, operands, pointers, c.lse, c.placement);
    if (!launch.update()) {
      for (const Fault& fault : launch.outcome().faults) out.push_back({"refusals", text(c), false, fault.sentence});
      continue;
    }
    Trial trial(rig, c, launch, out);
    trial.all();
    calls += trial.calls();
  }
  if (out.empty() && calls)
    out.push_back(
        {"refusals", v.name, true, say(calls, " wrong calls refused with a sentence, the op good after them")});
  if (out.empty())
    out.push_back({"refusals", v.name, false, "the sheet admits no case of the grid, wanted at least one"});
  return out;
}

}  // namespace attnrt::conformance
