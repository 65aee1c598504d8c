// SPDX-License-Identifier: Apache-2.0
#include "when.hpp"

#include <charconv>
#include <span>
#include <string>

#include "cpu_vendor.hpp"
#include "problem.hpp"
#include "spelling/nearest.hpp"
#include "words.hpp"

namespace attnrt::core {
namespace {

uint64_t word(const JsonReader& at, const Words& words) {
  const std::string name = at.text();
  if (!at.ok()) return 0;
  if (const auto value = value_of(words, name); value && name == name_of(words, *value)) return *value;
  std::vector<std::string> wanted;
  for (const Word& w : words) wanted.emplace_back(w.name);
  at.fail("is '" + name + "', wanted one of " + join(wanted) + did_you_mean(name, wanted));
  return 0;
}

/// "9.0" for CUDA, "gfx942" for ROCm.
std::optional<uint32_t> parse_arch(std::string_view text, int32_t device_type) {
  uint32_t major = 0, minor = 0;
  const char *begin = text.data(), *end = begin + text.size();
  if (device_type == ATTNRT_DEVICE_ROCM && text.starts_with("gfx")) {
    const auto [at, error] = std::from_chars(begin + 3, end, major, 16);
    return error == std::errc{} && at == end ? std::optional(major) : std::nullopt;
  }
  if (device_type != ATTNRT_DEVICE_CUDA) return std::nullopt;
  const auto [dot, error] = std::from_chars(begin, end, major);
  if (error != std::errc{} || dot == end || *dot != '.' || major > 99) return std::nullopt;
  const auto [at, error2] = std::from_chars(dot + 1, end, minor);
  if (error2 != std::errc{} || at != end || minor > 9) return std::nullopt;
  return major * 10 + minor;
}

void read_arch(const JsonReader& at, When& when) {
  const std::string text = at.text();
  const std::size_t dash = text.find('-');
  const auto low = parse_arch(std::string_view(text).substr(0, dash), *when.device_type);
  const auto high =
      dash == std::string::npos ? low : parse_arch(std::string_view(text).substr(dash + 1), *when.device_type);
  if (!low || !high || *low > *high)
    return at.fail("is '" + text + "', wanted an architecture or a range such as 8.0-9.9 or gfx900-gfx9ff");
  when.arch_min = *low;
  when.arch_max = *high;
}

}  // namespace

When read_when(const JsonReader& in) {
  When when;
  in.allow(
      {"device", "arch", "isa", "cpu_vendor", "family", "phase", "causal", "kv_cache_dtype", "num_heads", "features"});
  if (in.has("device")) when.device_type = static_cast<int32_t>(word(in.at("device"), words::devices));
  if (in.has("arch")) {
    if (when.device_type)
      read_arch(in.at("arch"), when);
    else
      in.at("arch").fail("needs a device beside it");
  }
  for (const char* key : {"isa", "cpu_vendor"})
    if (in.has(key) && when.device_type != ATTNRT_DEVICE_CPU) in.at(key).fail("needs the device cpu beside it");
  if (in.has("isa")) {
    const JsonReader list = in.at("isa");
    for (std::size_t i = 0, n = list.size(); i < n; ++i) when.isa |= word(list.at(i), words::isa);
    if (list.ok() && !when.isa) list.fail("is empty, wanted at least one instruction set");
  }
  if (in.has("cpu_vendor")) {
    constexpr Word vendors[] = {{static_cast<uint64_t>(CpuVendor::intel), "intel"},
                                {static_cast<uint64_t>(CpuVendor::amd), "amd"}};
    when.cpu_vendor = static_cast<CpuVendor>(word(in.at("cpu_vendor"), vendors));
  }
  if (in.has("family")) {
    constexpr Word families[] = {{static_cast<uint64_t>(When::Family::standard), "standard"},
                                 {static_cast<uint64_t>(When::Family::mla), "mla"},
                                 {static_cast<uint64_t>(When::Family::mla_prefill), "mla_prefill"}};
    when.family = static_cast<When::Family>(word(in.at("family"), families));
  }
  if (in.has("phase")) when.phase = static_cast<uint32_t>(word(in.at("phase"), words::phases));
  if (in.has("causal")) when.causal = in.at("causal").boolean();
  if (in.has("kv_cache_dtype")) {
    const JsonReader list = in.at("kv_cache_dtype");
    for (std::size_t i = 0, n = list.size(); i < n; ++i) when.kv_dtypes |= 1u << word(list.at(i), words::dtypes);
    if (list.ok() && !when.kv_dtypes) list.fail("is empty, wanted at least one dtype");
  }
  if (in.has("num_heads")) {
    const JsonReader range = in.at("num_heads");
    range.allow({"min", "max"});
    if (range.has("min")) when.heads_min = static_cast<uint32_t>(range.at("min").integer(0, 65536));
    if (range.has("max")) when.heads_max = static_cast<uint32_t>(range.at("max").integer(when.heads_min, 65536));
  }
  if (in.has("features")) {
    const JsonReader list = in.at("features");
    for (std::size_t i = 0, n = list.size(); i < n; ++i) when.features |= word(list.at(i), words::features);
  }
  return when;
}

bool When::holds(const attnrt_problem& p, CpuVendor machine) const {
  if (device_type && *device_type != p.device_type) return false;
  if (p.arch < arch_min || p.arch > arch_max) return false;
  if (isa & ~p.isa) return false;
  if (cpu_vendor != CpuVendor::any && cpu_vendor != vendor_of(p.device_id, machine)) return false;
  const Family actual = p.family == ATTNRT_FAMILY_MLA ? Family::mla
                        : is_mla_prefill(p)           ? Family::mla_prefill
                                                      : Family::standard;
  if (family != Family::any && family != actual) return false;
  if (phase && *phase != p.phase) return false;
  if (causal && *causal != (p.causal != ATTNRT_CAUSAL_NEVER)) return false;
  if (kv_dtypes && !(kv_dtypes >> p.kv_dtype & 1)) return false;
  if (p.num_heads < heads_min || p.num_heads > heads_max) return false;
  return (features & ~p.features) == 0;
}

}  // namespace attnrt::core
