// SPDX-License-Identifier: Apache-2.0
#include <nanobind/stl/optional.h>

#include <optional>

#include "attnrt/say.hpp"
#include "bind.hpp"
#include "integers.hpp"
#include "tensor.hpp"

namespace attnrt::python {
namespace {

void add(BatchState& self, int32_t query_len, int32_t seq_len, nb::handle blocks, int32_t kv_len,
         std::optional<bool> causal, int32_t window_prefix_len, int32_t kv_start) {
  const Integers ids(blocks, "blocks");
  self.change();
  self.batch.add({query_len, seq_len, ids.span(), kv_len, causal, window_prefix_len, kv_start});
}

void assign(BatchState& self, nb::handle query_lens, nb::handle seq_lens, nb::handle block_table) {
  const Integers queries(query_lens, "query_lens"), lens(seq_lens, "seq_lens"), table(block_table, "block_table", 2);
  self.change();
  self.batch.assign(queries.span(), lens.span(), table.span(), static_cast<int32_t>(table.columns()));
}

nb::object integers(const Span<int32_t>& span, nb::handle owner) {
  return Tensor::view_of(attnrt::Tensor(span.data(), {static_cast<int64_t>(span.size())}), nb::borrow(owner));
}

}  // namespace

void bind_batch(nb::module_& m) {
  nb::class_<BatchState>(m, "Batch",
                         "One step's requests. A plan reads it until its next update: changed before that, runs are "
                         "refused. One thread at a time.")
      .def(
          "clear",
          [](BatchState& self) {
            self.change();
            self.batch.clear();
          },
          "No requests, for the next step.")
      .def(
          "add", &add, nb::arg("query_len"), nb::arg("seq_len"), nb::arg("blocks") = nb::none(), nb::kw_only(),
          nb::arg("kv_len") = -1, nb::arg("causal") = nb::none(), nb::arg("window_prefix_len") = 0,
          nb::arg("kv_start") = -1,
          nb::sig("def add(self, query_len: int, seq_len: int, blocks: object = None, *, kv_len: int = -1, "
                  "causal: bool | None = None, window_prefix_len: int = 0, kv_start: int = -1) -> None"),
          "One more request: its new tokens, its length with them, and its blocks of the cache in order. kv_len: "
          "visible "
          "keys where they are not seq_len. kv_start: without a cache, its first row of k and v where rows lie unused.")
      .def("assign", &assign, nb::arg("query_lens"), nb::arg("seq_lens"), nb::arg("block_table") = nb::none(),
           nb::sig("def assign(self, query_lens: object, seq_lens: object, block_table: object = None) -> None"),
           "All requests at once, in place of those before; block_table is [num_seqs, width].")
      .def(
          "set_common_prefix_len",
          [](BatchState& self, int32_t keys) {
            self.change();
            self.batch.set_common_prefix_len(keys);
          },
          nb::arg("keys"), "A hint that all requests share this many keys at the start of their tables.")
      .def_prop_ro("num_seqs", [](const BatchState& s) { return s.batch.num_seqs(); })
      .def_prop_ro("num_tokens", [](const BatchState& s) { return s.batch.num_tokens(); })
      .def_prop_ro(
          "block_size", [](const BatchState& s) { return s.batch.block_size(); }, "0 without a cache.")
      .def_prop_ro(
          "query_start_loc",
          [](nb::handle self) { return integers(nb::inst_ptr<BatchState>(self)->batch.query_start_loc(), self); },
          nb::sig("def query_start_loc(self) -> Tensor"), "[num_seqs + 1] where each request's rows of q begin.")
      .def_prop_ro(
          "seq_lens", [](nb::handle self) { return integers(nb::inst_ptr<BatchState>(self)->batch.seq_lens(), self); },
          nb::sig("def seq_lens(self) -> Tensor"))
      .def_prop_ro(
          "slots",
          [](nb::handle self) {
            return Tensor::view_of(nb::inst_ptr<BatchState>(self)->batch.slots(), nb::borrow(self));
          },
          nb::sig("def slots(self) -> Tensor"), "int64 [num_tokens]: the slot of each new token, what Op.write takes.");
}

}  // namespace attnrt::python
