// SPDX-License-Identifier: Apache-2.0
#include "bind.hpp"
#include "errors.hpp"
#include "operand.hpp"

namespace attnrt::python {

/// One call of a plan. Throws INVALID where another thread is in one.
class PlanState::Turn {
 public:
  explicit Turn(PlanState& plan) : plan_(plan) {
    if (plan.busy_)
      throw Error(ATTNRT_INVALID, "plan: another thread is in a call of it, wanted a plan for each thread");
    plan.busy_ = true;
  }
  ~Turn() { plan_.busy_ = false; }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  PlanState& plan_;
};

/// A batch is being read.
class Reading {
 public:
  explicit Reading(BatchState& batch) : batch_(batch) { ++batch_.readers; }
  ~Reading() { --batch_.readers; }
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;

 private:
  BatchState& batch_;
};

void PlanState::update(nb::object batch) {
  BatchState& state = *nb::inst_ptr<BatchState>(batch);
  const Turn turn(*this);
  const Reading reading(state);
  nb::object before = std::move(batch_);  // lives until the library has let go of its arrays
  batch_ = std::move(batch);
  read_ = nullptr;
  {
    nb::gil_scoped_release released;
    plan_.update(state.batch, pool_);
  }
  read_ = &state;
  version_ = state.version;
}

void PlanState::run(const attnrt_run_args& args) {
  const Turn turn(*this);
  if (!read_) {  // the library says why
    plan_.run(args, pool_);
    return;
  }
  if (read_->version != version_)
    throw Error(ATTNRT_INVALID, "run: the batch was changed after the plan's update, wanted another update");
  const Reading reading(const_cast<BatchState&>(*read_));
  nb::gil_scoped_release released;
  plan_.run(args, pool_);
}

namespace {

/// The operands that a run may have beside q, k, v and out.
struct Extras {
  Operand lse, sinks, alibi_slopes, dense_mask, tree_mask, prefix_ranges, q_scale, k_scale, v_scale;

  Extras(nb::handle lse_, nb::handle sinks_, nb::handle alibi_slopes_, nb::handle dense_mask_, nb::handle tree_mask_,
         nb::handle prefix_ranges_, nb::handle q_scale_, nb::handle k_scale_, nb::handle v_scale_)
      : lse(lse_, "lse"),
        sinks(sinks_, "sinks"),
        alibi_slopes(alibi_slopes_, "alibi_slopes"),
        dense_mask(dense_mask_, "dense_mask"),
        tree_mask(tree_mask_, "tree_mask"),
        prefix_ranges(prefix_ranges_, "prefix_ranges"),
        q_scale(q_scale_, "q_scale"),
        k_scale(k_scale_, "k_scale"),
        v_scale(v_scale_, "v_scale") {}

  void give(attnrt_run_args& a) const {
    a.lse = lse.written("lse"), a.sinks = sinks.get(), a.alibi_slopes = alibi_slopes.get();
    a.dense_mask = dense_mask.get(), a.tree_mask = tree_mask.get(), a.prefix_ranges = prefix_ranges.get();
    a.q_scale = q_scale.get(), a.k_scale = k_scale.get(), a.v_scale = v_scale.get();
  }
};

void run_cached(PlanState& self, nb::handle q, const KvCache& cache, nb::handle out, nb::handle scale, nb::handle lse,
                nb::handle sinks, nb::handle alibi_slopes, nb::handle dense_mask, nb::handle tree_mask,
                nb::handle prefix_ranges, nb::handle q_scale, nb::handle k_scale, nb::handle v_scale) {
  const Operand query(q, "q"), output(out, "out");
  const Extras extras(lse, sinks, alibi_slopes, dense_mask, tree_mask, prefix_ranges, q_scale, k_scale, v_scale);
  const attnrt::Tensor k_cache = cache.k(), v_cache = cache.v();
  auto args = sized<attnrt_run_args>();
  args.scale = self.scale_of(scale);
  args.q = query.get(), args.out = output.written("out");
  args.k_cache = k_cache.get(), args.v_cache = v_cache.get();
  extras.give(args);
  self.run(args);
}

void run_given(PlanState& self, nb::handle q, nb::handle k, nb::handle v, nb::handle out, nb::handle scale,
               nb::handle lse, nb::handle sinks, nb::handle alibi_slopes, nb::handle dense_mask, nb::handle tree_mask,
               nb::handle prefix_ranges, nb::handle q_scale, nb::handle k_scale, nb::handle v_scale) {
  const Operand query(q, "q"), keys(k, "k"), values(v, "v"), output(out, "out");
  const Extras extras(lse, sinks, alibi_slopes, dense_mask, tree_mask, prefix_ranges, q_scale, k_scale, v_scale);
  auto args = sized<attnrt_run_args>();
  args.scale = self.scale_of(scale);
  args.q = query.get(), args.k = keys.get(), args.v = values.get(), args.out = output.written("out");
  extras.give(args);
  self.run(args);
}

#define ATTNRT_EXTRAS_                                                                                      \
  nb::kw_only(), nb::arg("scale") = nb::none(), nb::arg("lse") = nb::none(), nb::arg("sinks") = nb::none(), \
                 nb::arg("alibi_slopes") = nb::none(), nb::arg("dense_mask") = nb::none(),                  \
                 nb::arg("tree_mask") = nb::none(), nb::arg("prefix_ranges") = nb::none(),                  \
                 nb::arg("q_scale") = nb::none(), nb::arg("k_scale") = nb::none(), nb::arg("v_scale") = nb::none()
#define ATTNRT_EXTRAS_SIGNATURE_                                                                                \
  "*, scale: float | None = None, lse: object = None, sinks: object = None, alibi_slopes: object = None, "      \
  "dense_mask: object = None, tree_mask: object = None, prefix_ranges: object = None, q_scale: object = None, " \
  "k_scale: object = None, v_scale: object = None) -> None"

}  // namespace

void bind_plan(nb::module_& m) {
  nb::class_<PlanState>(m, "Plan",
                        "The state of one step in flight; it keeps op, executor and batch. One thread at a time.")
      .def(
          "update", [](PlanState& self, nb::handle_t<BatchState> batch) { self.update(nb::borrow(batch)); },
          nb::arg("batch"), nb::sig("def update(self, batch: Batch) -> None"), "Each step.")
      .def("run", &run_cached, nb::arg("q"), nb::arg("cache"), nb::arg("out"), ATTNRT_EXTRAS_,
           nb::sig("def run(self, q: object, cache: KvCache, out: object, " ATTNRT_EXTRAS_SIGNATURE_),
           "Each layer, over its cache: q [T, num_heads, head_size], out [T, num_heads, head_size_v] is written. The "
           "rest as the problem's features want it; lse fp32 [T, num_heads] is written.")
      .def("run", &run_given, nb::arg("q"), nb::arg("k"), nb::arg("v"), nb::arg("out"), ATTNRT_EXTRAS_,
           nb::sig("def run(self, q: object, k: object, v: object, out: object, " ATTNRT_EXTRAS_SIGNATURE_),
           "Without a cache: k [S, num_kv_heads, head_size], v [S, num_kv_heads, head_size_v].");
}

}  // namespace attnrt::python
