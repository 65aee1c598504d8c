// SPDX-License-Identifier: Apache-2.0
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <mutex>
#include <unordered_map>

#include "attnrt/dtype.hpp"
#include "attnrt/flex.hpp"
#include "attnrt/say.hpp"
#include "bind.hpp"
#include "names.hpp"

namespace attnrt::python {
namespace {

using sdk::words::attn_types, sdk::words::causal, sdk::words::determinism, sdk::words::devices, sdk::words::features,
    sdk::words::kv_layouts, sdk::words::phases;

std::string text(const Problem& p) {
  return sdk::say("attnrt.Problem(", devices.name(static_cast<uint64_t>(p.device_type)), ", ",
                  attn_types.name(p.attn_type), ", num_heads=", p.num_heads, ", num_kv_heads=", p.num_kv_heads,
                  ", head_size=", p.head_size_qk, ", dtype=", sdk::dtype_name(p.q_dtype),
                  ", kv_dtype=", sdk::dtype_name(p.kv_dtype), ", block_size=", p.block_size,
                  ", features=", nb::repr(words_of(features, p.features)).c_str(), ")");
}

/// A program that lives as long as the process, since problems, choices and errors refer to it; equal ones are one.
const Flex& kept(Flex program) {
  static std::mutex mutex;
  static std::unordered_map<std::string, std::unique_ptr<const Flex>> programs;
  const std::string text = program.text();
  const std::lock_guard lock(mutex);
  auto& place = programs[text];
  if (!place) place = std::make_unique<const Flex>(std::move(program));
  return *place;
}

void bind_flex(nb::module_& m) {
  nb::class_<Flex>(m, "Program", "A mask and a score as text (docs/flex.md), parsed. Immutable.")
      .def(nb::init<const std::string&, const std::vector<std::string>&, const std::string&>(), nb::arg("text"),
           nb::arg("buffers") = std::vector<std::string>(), nb::arg("name") = "flex",
           nb::sig("def __init__(self, text: str, buffers: Sequence[str] = (), name: str = 'flex') -> None"),
           "buffers: declarations beside those of the text, 'doc=i32[num_tokens]'. Raises InvalidError with line and "
           "column.")
      .def_prop_ro(
          "buffers", [](const Flex& f) { return nb::tuple(nb::cast(f.buffers())); },
          nb::sig("def buffers(self) -> tuple[str, ...]"), "Their names, in the order in which tensors are given.")
      .def("text", &Flex::text, nb::arg("simplified") = false, "simplified: as kernels run it.");
}

}  // namespace

void bind_problem(nb::module_& m) {
  bind_flex(m);
  nb::class_<Problem>(m, "Problem",
                      "What a model needs of attention. Made by Runtime.decoder, encoder and mla; each with_ method "
                      "returns a changed copy.")
      .def(
          "with_window", [](const Problem& p, int32_t keys) { return p.with_window(keys); }, nb::arg("keys"),
          "A query sees its own key and the keys - 1 before it; where the problem is not causal also as many behind.")
      .def(
          "with_window", [](const Problem& p, int32_t left, int32_t right) { return p.with_window(left, right); },
          nb::arg("left"), nb::arg("right"), "Keys left and right of the query that are seen, -1 = no limit.")
      .def("with_softcap", &Problem::with_softcap, nb::arg("cap"), "Scores become cap * tanh(score / cap).")
      .def("with_sinks", &Problem::with_sinks, "One more logit a head in the denominator: each run gives sinks.")
      .def("with_alibi", &Problem::with_alibi, "Linear position bias: each run gives alibi_slopes.")
      .def("with_dense_mask", &Problem::with_dense_mask,
           "A mask or bias for each query and key: each run gives dense_mask.")
      .def(
          "with_program",
          [](const Problem& p, const Flex& program) {
            Problem changed(p);
            kept(Flex(program.text())).give(changed);
            return changed;
          },
          nb::arg("program"), "A mask and a score of the user's: each run gives the tensors of its buffers.")
      .def("with_lse", &Problem::with_lse, "Runs may ask for the log-sum-exp of each row.")
      .def(
          "with_kv_dtype",
          [](const Problem& p, nb::handle dtype, const std::string& scales) {
            return p.with_kv_dtype(dtype_number("kv_dtype", dtype), value_of("scales", features, scales));
          },
          nb::arg("dtype"), nb::arg("scales") = "kv_scales",
          nb::sig("def with_kv_dtype(self, dtype: object, scales: str = 'kv_scales') -> Problem"),
          "The dtype of the cache. One of 8 bits comes with scales: 'kv_scales' one a tensor or request, "
          "'per_head_scales' one a KV head, 'per_token_head_scales' one a row, which the kernel finds itself.")
      .def(
          "with_out_dtype",
          [](const Problem& p, nb::handle dtype) { return p.with_out_dtype(dtype_number("out_dtype", dtype)); },
          nb::arg("dtype"), nb::sig("def with_out_dtype(self, dtype: object) -> Problem"))
      .def("with_head_size_v", &Problem::with_head_size_v, nb::arg("size"))
      .def(
          "with_kv_layouts",
          [](const Problem& p, nb::handle layouts) {
            return p.with_kv_layouts(static_cast<uint32_t>(bits_of("kv_layouts", kv_layouts, layouts)));
          },
          nb::arg("layouts"), nb::sig("def with_kv_layouts(self, layouts: str | Iterable[str]) -> Problem"),
          "The acceptable ones: 'contiguous' (no cache), 'nhd', 'hnd', 'native' ...")
      .def("with_block_size", &Problem::with_block_size, nb::arg("size"),
           "Tokens of a block of the cache, 0 = what the kernel likes best.")
      .def(
          "with_phase",
          [](const Problem& p, nb::handle phase) {
            return p.with_phase(static_cast<uint32_t>(bits_of("phase", phases, phase)));
          },
          nb::arg("phase"), nb::sig("def with_phase(self, phase: str | Iterable[str]) -> Problem"),
          "'prefill', 'decode' or 'mixed'.")
      .def(
          "with_causal",
          [](const Problem& p, const std::string& when) {
            return p.with_causal(static_cast<uint32_t>(value_of("causal", causal, when)));
          },
          nb::arg("when"), "'always', 'never' or 'per request'.")
      .def(
          "with_determinism",
          [](const Problem& p, const std::string& level) {
            return p.with_determinism(static_cast<uint32_t>(value_of("determinism", determinism, level)));
          },
          nb::arg("level"), "'none', 'repeatable', 'batch-invariant' or 'schedule-invariant', wanted at least.")
      .def(
          "with_features",
          [](const Problem& p, nb::handle names) { return p.with_features(bits_of("features", features, names)); },
          nb::arg("names"), nb::sig("def with_features(self, names: str | Iterable[str]) -> Problem"))
      .def(
          "with_attn_type",
          [](const Problem& p, const std::string& type) {
            Problem changed(p);
            changed.attn_type = static_cast<uint32_t>(value_of("attn_type", attn_types, type));
            return changed;
          },
          nb::arg("type"), "'decoder', 'encoder', 'encoder_only' or 'encoder_decoder'.")
      .def_prop_ro("num_heads", [](const Problem& p) { return p.num_heads; })
      .def_prop_ro("num_kv_heads", [](const Problem& p) { return p.num_kv_heads; })
      .def_prop_ro("head_size", [](const Problem& p) { return p.head_size_qk; })
      .def_prop_ro("head_size_v", [](const Problem& p) { return p.head_size_v; })
      .def_prop_ro("dtype", [](const Problem& p) { return sdk::dtype_name(p.q_dtype); })
      .def_prop_ro("kv_dtype", [](const Problem& p) { return sdk::dtype_name(p.kv_dtype); })
      .def_prop_ro("out_dtype", [](const Problem& p) { return sdk::dtype_name(p.out_dtype); })
      .def_prop_ro(
          "block_size", [](const Problem& p) { return p.block_size; }, "0 = not fixed, or no cache.")
      .def_prop_ro(
          "kv_layouts", [](const Problem& p) { return words_of(kv_layouts, p.kv_layouts); },
          nb::sig("def kv_layouts(self) -> tuple[str, ...]"))
      .def_prop_ro(
          "features", [](const Problem& p) { return words_of(features, p.features); },
          nb::sig("def features(self) -> tuple[str, ...]"))
      .def_prop_ro(
          "window", [](const Problem& p) { return nb::make_tuple(p.window_left, p.window_right); },
          nb::sig("def window(self) -> tuple[int, int]"), "Keys left and right that are seen, -1 = no limit.")
      .def_prop_ro("softcap", [](const Problem& p) { return p.softcap; })
      .def("__repr__", &text);
}

}  // namespace attnrt::python
