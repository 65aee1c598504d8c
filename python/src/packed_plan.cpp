// SPDX-License-Identifier: Apache-2.0
#include "packed_plan.hpp"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <limits>

#include "attnrt/say.hpp"
#include "integers.hpp"
#include "names.hpp"

namespace attnrt::python {
namespace {

/// A tensor of 3 or 4 dimensions as rows [rows, heads, size].
struct Rows {
  attnrt_tensor tensor;
  int64_t shape[3], strides[3];
  int64_t batch = 0, length = 0;  // of 4 dimensions; 0 and all rows for 3
  int64_t apart = 0;              // rows from one request to the next
  const attnrt_tensor* get() const { return &tensor; }
};

std::string numbers(const int64_t* values, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += sdk::say(i ? ", " : "", values[i]);
  return "[" + text + "]";
}

/// `dense`: rows of requests follow each other without a gap.
void flatten(Rows& rows, const char* name, const attnrt_tensor* t, int heads_at, bool dense) {
  if (!t) throw Error(ATTNRT_INVALID, sdk::say(name, " is None, wanted a tensor"));
  const int32_t flat = heads_at;  // dimensions where there is no batch
  if (t->ndim != flat && t->ndim != flat + 1)
    throw Error(ATTNRT_INVALID, sdk::say(name, " has ", t->ndim, " dimensions, wanted ", flat, " or ", flat + 1));
  rows.tensor = *t;
  rows.tensor.ndim = flat;
  const int64_t* shape = t->shape + (t->ndim - flat);
  const int64_t* strides = t->strides + (t->ndim - flat);
  std::copy_n(shape, flat, rows.shape);
  std::copy_n(strides, flat, rows.strides);
  rows.tensor.shape = rows.shape, rows.tensor.strides = rows.strides;
  rows.length = shape[0];
  if (t->ndim == flat) return;
  rows.batch = t->shape[0];
  const int64_t between = t->strides[0];
  if (rows.length == 1 || rows.batch <= 1) {
    if (rows.length == 1 && rows.batch > 1) rows.strides[0] = between;
    rows.apart = rows.length;
  } else {
    const int64_t step = strides[0];
    rows.apart = step > 0 ? between / step : 0;
    if (step <= 0 || between % step != 0 || rows.apart < (dense ? 0 : 1) || (dense && rows.apart != rows.length))
      throw Error(ATTNRT_INVALID, sdk::say(name, " has strides ", numbers(t->strides, t->ndim), " for the shape ",
                                           numbers(t->shape, t->ndim), ", wanted requests ",
                                           dense ? "without gaps" : "whole rows apart", ": a contiguous copy serves"));
  }
  rows.shape[0] = rows.batch == 0 || rows.length == 0 ? 0 : (rows.batch - 1) * rows.apart + rows.length;
}

int32_t narrowed(const char* what, int64_t value) {
  if (value < 0 || value >= std::numeric_limits<int32_t>::max())
    throw Error(ATTNRT_INVALID, sdk::say(what, " are ", value, ", wanted fewer than 2^31"));
  return static_cast<int32_t>(value);
}

/// The smallest power of two that holds it: growth costs few plans.
int32_t room(int32_t wanted) {
  int64_t size = 16;
  while (size < wanted) size *= 2;
  return static_cast<int32_t>(std::min<int64_t>(size, std::numeric_limits<int32_t>::max() - 1));
}

/// Offsets of R requests; checked against the rows there are.
Span<int32_t> offsets(const char* name, const Integers& given, const Rows& rows, std::size_t requests) {
  const Span<int32_t> span = given.span();
  if (span.size() != requests + 1 || span[0] < 0 || span[requests] > rows.length)
    throw Error(ATTNRT_INVALID,
                sdk::say(name, " has ", span.size(), " offsets that end at ", span.empty() ? 0 : span[span.size() - 1],
                         ", wanted ", requests + 1, " from 0 to at most ", rows.length, " rows"));
  return span;
}

void requests_of(std::vector<PackedRequest>& requests, const Rows& q, const Rows& k, const PackedPlan::Call& call) {
  const Integers query_start_loc(call.query_start_loc, "query_start_loc"),
      kv_start_loc(call.kv_start_loc, "kv_start_loc");
  const Integers kv_starts(call.kv_starts, "kv_starts"), kv_lens(call.kv_lens, "kv_lens");
  const bool batched = q.batch > 0 || k.batch > 0;
  const std::size_t count = batched                          ? static_cast<std::size_t>(q.batch)
                            : query_start_loc.span().empty() ? 1
                                                             : query_start_loc.span().size() - 1;
  if (batched && q.batch != k.batch)
    throw Error(ATTNRT_INVALID, sdk::say("k has a batch of ", k.batch, ", wanted ", q.batch, " as q has"));
  if (batched && !(query_start_loc.span().empty() && kv_start_loc.span().empty()))
    throw Error(ATTNRT_INVALID,
                "query_start_loc or kv_start_loc is given beside a batch, wanted tensors of 3 dimensions");
  Span<int32_t> queries, keys;
  if (!batched && !query_start_loc.span().empty()) {
    queries = offsets("query_start_loc", query_start_loc, q, count);
    keys = kv_start_loc.span().empty() ? queries : offsets("kv_start_loc", kv_start_loc, k, count);
    if (keys[count] > k.length)
      throw Error(ATTNRT_INVALID,
                  sdk::say("k has ", k.length, " rows, wanted the ", keys[count], " of query_start_loc"));
  }
  for (const auto& [given, name] : {std::pair{&kv_starts, "kv_starts"}, {&kv_lens, "kv_lens"}})
    if (!given->span().empty() && given->span().size() != count)
      throw Error(ATTNRT_INVALID, sdk::say(name, " has ", given->span().size(), " numbers, wanted one for each of ",
                                           count, " requests"));
  requests.clear();
  requests.reserve(count);
  for (std::size_t r = 0; r < count; ++r) {
    const int64_t first = batched ? static_cast<int64_t>(r) * k.apart : keys.empty() ? 0 : keys[r];
    const int64_t most = keys.empty() ? k.length : int64_t{keys[r + 1]} - keys[r];
    const int64_t skipped = kv_starts.span().empty() ? 0 : kv_starts.span()[r];
    const int64_t len = kv_lens.span().empty() ? most - skipped : kv_lens.span()[r];
    if (skipped < 0 || len < 0 || skipped + len > most)
      throw Error(ATTNRT_INVALID, sdk::say("request ", r, " sees keys [", skipped, ", ", skipped + len,
                                           "), wanted a range in [0, ", most, ")"));
    const int64_t query_len = queries.empty() ? q.length : int64_t{queries[r + 1]} - queries[r];
    requests.push_back(
        {narrowed("query tokens", query_len), narrowed("rows of k", first + skipped), static_cast<int32_t>(len)});
  }
}

}  // namespace

void PackedPlan::prepare(int32_t tokens, int32_t rows, const attnrt_flex_buffers* flex) {
  int32_t longest_query = 0, longest = 1;
  for (const PackedRequest& r : wanted_)
    longest_query = std::max(longest_query, r.query_len), longest = std::max(longest, r.kv_len);
  const auto seqs = static_cast<int32_t>(wanted_.size());
  if (!limits_ || seqs > limits_->max_seqs || tokens > limits_->max_tokens || longest_query > limits_->max_query_len ||
      longest > limits_->max_seq_len || rows > limits_->max_kv_tokens) {
    const auto grown = [this](int32_t wanted, int32_t Limits::*before) {
      return room(std::max(wanted, limits_ ? (*limits_).*before : 0));
    };
    Limits limits(grown(seqs, &Limits::max_seqs), grown(tokens, &Limits::max_tokens),
                  grown(longest, &Limits::max_seq_len));
    limits.max_query_len = std::min(limits.max_tokens, grown(longest_query, &Limits::max_query_len));
    limits = limits.with_kv_tokens(grown(rows, &Limits::max_kv_tokens)).with_executor(pool_);
    plan_.reset();
    limits_.reset();
    plan_ = op_.plan(limits);
    batch_ = op_.make_batch(limits);
    limits_ = limits;
  }
  batch_->clear();
  for (const PackedRequest& r : wanted_) {
    Request request{r.query_len, r.kv_len};
    request.kv_start = r.kv_start;
    batch_->add(request);
  }
  batch_->set_flex(flex);
  plan_->update(*batch_, pool_);
}

void PackedPlan::run(const Call& call) {
  if (busy_) throw Error(ATTNRT_INVALID, "plan: another thread is in a call of it, wanted a plan for each thread");
  const Operand q(call.q, "q"), k(call.k, "k"), v(call.v, "v"), out(call.out, "out"), lse(call.lse, "lse"),
      sinks(call.sinks, "sinks"), alibi_slopes(call.alibi_slopes, "alibi_slopes"), mask(call.dense_mask, "mask");
  Rows q_rows, k_rows, v_rows, out_rows, lse_rows;
  flatten(q_rows, "q", q.get(), 3, true);
  flatten(k_rows, "k", k.get(), 3, false);
  flatten(v_rows, "v", v.get(), 3, false);
  flatten(out_rows, "out", out.written("out"), 3, true);
  if (lse.get()) flatten(lse_rows, "lse", lse.written("lse"), 2, true);
  if (v_rows.batch != k_rows.batch || v_rows.length != k_rows.length ||
      (k_rows.batch > 1 && v_rows.apart != k_rows.apart))
    throw Error(
        ATTNRT_INVALID,
        sdk::say("v has the shape ", numbers(v.get()->shape, v.get()->ndim), " and strides ",
                 numbers(v.get()->strides, v.get()->ndim), ", wanted rows that lie as those of k: shape ",
                 numbers(k.get()->shape, k.get()->ndim), " and strides ", numbers(k.get()->strides, k.get()->ndim)));
  requests_of(wanted_, q_rows, k_rows, call);
  auto args = sized<attnrt_run_args>();
  args.scale = call.scale ? static_cast<float>(*call.scale) : usual_scale_;
  args.q = q_rows.get(), args.k = k_rows.get(), args.v = v_rows.get(), args.out = out_rows.get();
  args.lse = lse.get() ? lse_rows.get() : nullptr;
  args.sinks = sinks.get(), args.alibi_slopes = alibi_slopes.get(), args.dense_mask = mask.get();
  std::vector<Operand> buffers;
  std::vector<const attnrt_tensor*> pointers;
  if (!call.flex.is_none()) {
    buffers.reserve(nb::len(call.flex));
    for (nb::handle buffer : nb::iter(call.flex)) pointers.push_back(buffers.emplace_back(buffer, "a buffer").get());
  }
  const attnrt_flex_buffers flex{sizeof flex, static_cast<uint32_t>(pointers.size()), pointers.data(), nullptr};
  args.flex = call.flex.is_none() ? nullptr : &flex;
  const int32_t tokens = narrowed("query tokens", q_rows.shape[0]), rows = narrowed("rows of k", k_rows.shape[0]);
  struct Busy {
    bool& flag;
    explicit Busy(bool& f) : flag(f) { flag = true; }
    ~Busy() { flag = false; }
  } busy(busy_);
  nb::gil_scoped_release released;
  if (!current_ || wanted_ != planned_ || args.flex) {
    current_ = false;
    prepare(tokens, rows, args.flex ? &flex : nullptr);
    planned_ = wanted_;
    current_ = !args.flex;  // which are gone after this call
  }
  plan_->run(args, pool_);
}

void bind_packed_plan(nb::module_& m) {
  nb::class_<PackedPlan>(m, "PackedPlan",
                         "Plan and batch of calls without a cache, both of which grow. One thread at a time.")
      .def(
          "__init__",
          [](PackedPlan* self, const Op& op, nb::object executor) { new (self) PackedPlan(op, std::move(executor)); },
          nb::arg("op"), nb::arg("executor") = nb::none(),
          nb::sig("def __init__(self, op: Op, executor: Executor | None = None) -> None"))
      .def(
          "run",
          [](PackedPlan& self, nb::handle q, nb::handle k, nb::handle v, nb::handle out, nb::handle lse,
             nb::handle sinks, nb::handle alibi_slopes, nb::handle dense_mask, nb::handle query_start_loc,
             nb::handle kv_start_loc, nb::handle kv_starts, nb::handle kv_lens, std::optional<double> scale,
             nb::handle flex) {
            self.run({q, k, v, out, lse, sinks, alibi_slopes, dense_mask, query_start_loc, kv_start_loc, kv_starts,
                      kv_lens, flex, scale});
          },
          nb::arg("q"), nb::arg("k"), nb::arg("v"), nb::arg("out"), nb::arg("lse") = nb::none(),
          nb::arg("sinks") = nb::none(), nb::arg("alibi_slopes") = nb::none(), nb::arg("dense_mask") = nb::none(),
          nb::arg("query_start_loc") = nb::none(), nb::arg("kv_start_loc") = nb::none(),
          nb::arg("kv_starts") = nb::none(), nb::arg("kv_lens") = nb::none(), nb::arg("scale") = nb::none(),
          nb::arg("flex") = nb::none(),
          nb::sig(
              "def run(self, q: object, k: object, v: object, out: object, lse: object = None, sinks: object = None, "
              "alibi_slopes: object = None, dense_mask: object = None, query_start_loc: object = None, "
              "kv_start_loc: object = None, kv_starts: object = None, kv_lens: object = None, "
              "scale: float | None = None, flex: Sequence[object] | None = None) -> None"));
  m.def(
      "describe",
      [](nb::handle tensor, const char* name) {
        const Operand operand(tensor, name);
        if (!operand.get()) throw nb::type_error(sdk::say(name, " is None, wanted a tensor").c_str());
        nb::list shape;
        for (int i = 0; i < operand.get()->ndim; ++i) shape.append(operand.get()->shape[i]);
        return nb::make_tuple(nb::tuple(shape), dtype_text(operand.get()->dtype));
      },
      nb::arg("tensor").none(), nb::arg("name"),
      nb::sig("def describe(tensor: object, name: str) -> tuple[tuple[int, ...], str]"),
      "Shape and dtype of any tensor.");
}

}  // namespace attnrt::python
