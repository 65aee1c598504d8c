// SPDX-License-Identifier: Apache-2.0
// The order of a backend's variants: the table's where an entry fits and names the backend, else the plugin's.
#include "variant_order.hpp"

#include <string>
#include <vector>

#include "cpu_vendor.hpp"
#include "problem.hpp"
#include "scratch.hpp"

using namespace attnrt::core;

namespace {

/// Variants that have names alone, in their plugin's order.
class Backend {
 public:
  Backend(const char* name, std::initializer_list<const char*> variants) : variants_(variants.size()) {
    std::size_t at = 0;
    for (const char* variant : variants) variants_[at++].name = variant;
    for (const attnrt_variant& v : variants_) pointers_.push_back(&v);
    table_.num_variants = static_cast<uint32_t>(pointers_.size());
    table_.variants = pointers_.data();
    table_.name = name;
    entry_.name = name;
    entry_.table = &table_;
  }
  /// Its variants as a table orders them on a CPU with these instruction sets, "RULE: a, b, ..."; "" = no rule.
  std::string order(const PriorityTable& table, uint64_t isa, CpuVendor machine, int32_t id = -1) const {
    const auto orders = variant_orders(entry_, table);
    const VariantOrder& order = order_for(orders, default_problem({ATTNRT_DEVICE_CPU, id, 0, isa}), machine);
    std::string out = (order.rule ? order.rule->name : "") + ":";
    for (const attnrt_variant* v : order.variants) out += std::string(" ") + v->name;
    CHECK(order.listed <= order.variants.size());
    return out;
  }

 private:
  std::vector<attnrt_variant> variants_;
  std::vector<const attnrt_variant*> pointers_;
  attnrt_backend table_{};
  BackendEntry entry_{};
};

constexpr uint64_t kAvx512 = ATTNRT_ISA_AVX2 | ATTNRT_ISA_AVX512, kBf16 = kAvx512 | ATTNRT_ISA_AVX512_BF16,
                   kAmx = kBf16 | ATTNRT_ISA_AMX_TILE | ATTNRT_ISA_AMX_BF16;

}  // namespace

TEST_CASE("the shipped table orders what the vendor's processors execute fastest") {
  const auto table = read_priority(ATTNRT_TEST_CONFIGS "/priority.json");
  REQUIRE(table);
  const Backend standard("CPU_ATTN", {"amx_bf16", "avx512_bf16", "avx512", "onednn", "avx2", "portable"});
  const std::string with_amx = "Intel with AMX: amx_bf16 avx512 avx512_bf16 onednn avx2 portable";
  CHECK(standard.order(*table, kAmx, CpuVendor::intel) == with_amx);
  CHECK(standard.order(*table, kAmx, CpuVendor::amd) == with_amx);  // only asked about
  CHECK(standard.order(*table, kAmx, CpuVendor::any) == with_amx);
  for (const uint64_t isa : {kAvx512, kBf16})
    CHECK(standard.order(*table, isa, CpuVendor::intel) == "Intel: avx512 avx512_bf16 amx_bf16 onednn avx2 portable");
  CHECK(standard.order(*table, kBf16, CpuVendor::amd) == "AMD: avx512_bf16 avx512 amx_bf16 onednn avx2 portable");
  CHECK(standard.order(*table, kBf16, CpuVendor::any) == ": amx_bf16 avx512_bf16 avx512 onednn avx2 portable");

  // Whose CPU is asked about counts more than whose is here.
  CHECK(standard.order(*table, kBf16, CpuVendor::amd, kAskedIntel) ==
        standard.order(*table, kBf16, CpuVendor::intel));
  CHECK(standard.order(*table, kBf16, CpuVendor::intel, kAskedAmd) ==
        standard.order(*table, kBf16, CpuVendor::amd));

  const Backend mla("CPU_MLA",
                    {"avx512_bf16", "avx512", "avx2", "avx512_bf16_prefill", "avx512_prefill", "avx2_prefill"});
  CHECK(mla.order(*table, kAmx, CpuVendor::intel) ==
        "Intel with AMX: avx512 avx512_bf16 avx512_prefill avx512_bf16_prefill avx2 avx2_prefill");
  CHECK(mla.order(*table, kBf16, CpuVendor::intel) ==
        "Intel: avx512 avx512_bf16 avx512_prefill avx512_bf16_prefill avx2 avx2_prefill");
  CHECK(mla.order(*table, kBf16, CpuVendor::amd) ==
        "AMD: avx512_bf16 avx512 avx512_bf16_prefill avx512_prefill avx2 avx2_prefill");
}

TEST_CASE("an entry speaks of the backends that it names, whatever the case of letters") {
  const auto table = parse_priority(R"({"version": 1, "rules": [], "variants": [
      {"name": "one", "when": {"device": "cpu", "isa": ["avx2"]}, "order": {"a_attn": ["C", "gone", "b"]}},
      {"name": "all", "order": {"B_ATTN": ["c"], "A_ATTN": ["d"]}}]})",
                                    "t.json");
  REQUIRE(table);
  const Backend a("A_ATTN", {"a", "b", "c", "d"}), b("B_ATTN", {"a", "b", "c"}), c("C_ATTN", {"a", "b"});
  CHECK(a.order(*table, kAvx512, CpuVendor::any) == "one: c b a d");
  CHECK(a.order(*table, 0, CpuVendor::any) == "all: d a b c");
  CHECK(b.order(*table, kAvx512, CpuVendor::any) == "all: c a b");
  CHECK(c.order(*table, kAvx512, CpuVendor::any) == ": a b");
}
