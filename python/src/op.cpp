// SPDX-License-Identifier: Apache-2.0
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <optional>

#include "attnrt/say.hpp"
#include "bind.hpp"
#include "tensor.hpp"

namespace attnrt::python {
namespace {

void write(const Op& op, nb::handle k, nb::handle v, nb::handle slots, KvCache& cache, nb::handle k_scale,
           nb::handle v_scale, nb::handle executor) {
  const Operand keys(k, "k"), values(v, "v"), mapping(slots, "slots"), ks(k_scale, "k_scale"), vs(v_scale, "v_scale");
  const attnrt::Tensor k_cache = cache.k(), v_cache = cache.v();
  auto args = sized<attnrt_write_args>();
  args.k = keys.get(), args.v = values.get(), args.slot_mapping = mapping.get();
  args.k_cache = k_cache.get(), args.v_cache = v_cache.get();
  args.k_scale = ks.get(), args.v_scale = vs.get();
  const attnrt_executor* pool = pool_of(executor);
  nb::gil_scoped_release released;
  op.write_kv(args, pool);
}

void merge(const Op& op, const std::vector<std::pair<nb::object, nb::object>>& partials, nb::handle out, nb::handle lse,
           nb::handle executor) {
  std::vector<Operand> operands;
  std::vector<const attnrt_tensor*> outs, lses;
  operands.reserve(2 * partials.size());
  for (const auto& [partial, partial_lse] : partials) {
    outs.push_back(operands.emplace_back(partial, "partial out").get());
    lses.push_back(operands.emplace_back(partial_lse, "partial lse").get());
  }
  const Operand merged(out, "out"), merged_lse(lse, "lse");
  auto args = sized<attnrt_merge_args>();
  args.num_partials = static_cast<int32_t>(partials.size());
  args.outs = outs.data(), args.lses = lses.data();
  args.out = merged.written("out"), args.lse = merged_lse.written("lse");
  args.num_tokens = args.num_merged_tokens = args.out && args.out->ndim > 0 ? args.out->shape[0] : 0;
  const attnrt_executor* pool = pool_of(executor);
  nb::gil_scoped_release released;
  op.merge_states(args, pool);
}

void make_limits(LimitsState* self, int32_t max_seqs, int32_t max_tokens, int32_t max_seq_len, const KvCache* cache,
                 nb::object executor, std::optional<int32_t> max_query_len, int32_t max_kv_tokens) {
  Limits limits(max_seqs, max_tokens, max_seq_len);
  if (cache) limits = limits.with_cache(*cache);
  limits = limits.with_executor(pool_of(executor)).with_kv_tokens(max_kv_tokens);
  if (max_query_len) limits.max_query_len = *max_query_len;
  new (self) LimitsState{limits, std::move(executor)};
}

PlanState make_plan(const Op& op, const LimitsState& limits) {
  std::optional<Plan> plan;
  {
    nb::gil_scoped_release released;
    plan = op.plan(limits.limits);
  }
  return PlanState(std::move(*plan), op.problem(), limits.executor);
}

nb::object view_of(const attnrt::Tensor& tensor, nb::handle owner) {
  return tensor ? Tensor::view_of(tensor, nb::borrow(owner)) : nb::none();
}

void bind_cache(nb::module_& m) {
  nb::class_<KvCache>(
      m, "KvCache",
      "The paged cache of one layer in host memory, which it owns. The memory is not initialised: slots "
      "are written before they are read.")
      .def_prop_ro("num_blocks", &KvCache::num_blocks)
      .def_prop_ro("block_size", &KvCache::block_size, "Tokens of a block.")
      .def_prop_ro(
          "layout", [](const KvCache& c) { return c.layout().id; }, "\"nhd\", \"hnd\", \"mla\" ...")
      .def_prop_ro("nbytes", &KvCache::bytes)
      .def("blocks_for", &KvCache::blocks_for, nb::arg("tokens"), "The blocks that this many keys of one request fill.")
      .def_prop_ro(
          "k", [](nb::handle self) { return view_of(nb::inst_ptr<KvCache>(self)->k(), self); },
          nb::sig("def k(self) -> Tensor"), "[num_blocks, block_size, num_kv_heads, head_size] by strides.")
      .def_prop_ro(
          "v", [](nb::handle self) { return view_of(nb::inst_ptr<KvCache>(self)->v(), self); },
          nb::sig("def v(self) -> Tensor | None"), "None where the values are part of k.")
      .def("copy_block", &KvCache::copy_block, nb::arg("source"), nb::arg("target"),
           "Copies keys and values of a block, for a request that is forked.");
}

}  // namespace

void bind_op(nb::module_& m) {
  bind_cache(m);
  nb::class_<LimitsState>(m, "Limits", "The largest batch that a plan will hold, and the executor that it runs on.")
      .def(
          "__init__", &make_limits, nb::arg("max_seqs"), nb::arg("max_tokens"), nb::arg("max_seq_len"), nb::kw_only(),
          nb::arg("cache") = nb::none(), nb::arg("executor") = nb::none(), nb::arg("max_query_len") = nb::none(),
          nb::arg("max_kv_tokens") = 0,
          nb::sig(
              "def __init__(self, max_seqs: int, max_tokens: int, max_seq_len: int, *, cache: KvCache | None = None, "
              "executor: Executor | None = None, max_query_len: int | None = None, max_kv_tokens: int = 0) -> None"),
          "Requests of one batch, new tokens of all together, keys of the longest. `cache` one of the caches that runs "
          "read, max_kv_tokens the rows of k and v where there is none. No executor: the calling thread.");
  auto op = nb::class_<Op>(m, "Op", "A kernel made for one layer shape. Threads may share it; plans keep it.");
  op.def_prop_ro("problem", [](const Op& o) { return Problem(o.problem()); })
      .def("make_cache", &Op::make_cache, nb::arg("num_blocks"), "A cache for one layer.")
      .def(
          "make_batch", [](const Op& o, const LimitsState& l) { return BatchState{o.make_batch(l.limits)}; },
          nb::arg("limits"), nb::sig("def make_batch(self, limits: Limits) -> Batch"))
      .def("plan", &make_plan, nb::arg("limits"), nb::sig("def plan(self, limits: Limits) -> Plan"),
           "The state of one step in flight: one a thread.")
      .def("write", &write, nb::arg("k"), nb::arg("v"), nb::arg("slots"), nb::arg("cache"), nb::kw_only(),
           nb::arg("k_scale") = nb::none(), nb::arg("v_scale") = nb::none(), nb::arg("executor") = nb::none(),
           nb::sig("def write(self, k: object, v: object, slots: object, cache: KvCache, *, k_scale: object = None, "
                   "v_scale: object = None, executor: Executor | None = None) -> None"),
           "Each layer, before run: new keys [N, num_kv_heads, head_size] and values go to their slots, int64 [N] "
           "(Batch.slots).")
      .def("merge", &merge, nb::arg("partials"), nb::arg("out"), nb::arg("lse") = nb::none(), nb::kw_only(),
           nb::arg("executor") = nb::none(),
           nb::sig("def merge(self, partials: Sequence[tuple[object, object]], out: object, lse: object = None, *, "
                   "executor: Executor | None = None) -> None"),
           "Merges partial results (out, lse) over disjoint keys into out [T, num_heads, head_size_v] and lse.");
}

}  // namespace attnrt::python
