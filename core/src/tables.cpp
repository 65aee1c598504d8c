// SPDX-License-Identifier: Apache-2.0
#include "tables.hpp"

#include <cstring>
#include <set>

#include "attnrt/base_size.hpp"
#include "words.hpp"

namespace attnrt::core {
namespace {

constexpr std::size_t kMaxText = 4096;
constexpr uint32_t kMaxEntries = 256;

/// Collects the first fault found in a plugin's tables.
class TableCheck {
 public:
  const std::string& fault() const { return fault_; }

  /// A name is a word of ASCII. Any other text may hold whatever bytes the author's editor wrote: it is made printable
  /// where it leaves the library, and the plugin stays usable.
  bool text(const std::string& where, const char* s, bool name) {
    if (!s) return fail(where + " is NULL, wanted a text");
    const std::size_t n = strnlen(s, kMaxText);
    if (n == kMaxText) return fail(where + " is longer than " + std::to_string(kMaxText) + " bytes");
    if (name && (n == 0 || n > 64)) return fail(where + " has " + std::to_string(n) + " characters, wanted 1 to 64");
    if (name && !is_word(s))
      return fail(where + " is '" + printable(s) + "', wanted letters, digits, '_', '.' and '-'");
    return true;
  }
  template <class T>
  bool table(const std::string& where, const T* t) {
    if (!t) return fail(where + " is NULL, wanted a table");
    if (t->struct_size >= sdk::base_size<T> && t->struct_size <= (1u << 20)) return true;
    return fail(where + ".struct_size is " + std::to_string(t->struct_size) + ", wanted " +
                std::to_string(sdk::base_size<T>));
  }
  bool count(const std::string& where, uint32_t n) {
    if (n >= 1 && n <= kMaxEntries) return true;
    return fail(where + " is " + std::to_string(n) + ", wanted 1 to " + std::to_string(kMaxEntries));
  }
  bool require(bool ok, const std::string& sentence) { return ok || fail(sentence); }

  bool sizes(const std::string& where, const attnrt_sizes* s) {
    if (!table(where, s)) return false;
    if (s->list_count > kMaxEntries || (s->list_count && !s->list))
      return fail(where + " has " + std::to_string(s->list_count) + " entries and no list for them");
    return require(s->list_count || s->multiple, where + " admits nothing, wanted a list or a multiple");
  }

  bool caps(const std::string& where, const attnrt_caps* c) {
    if (!table(where, c) || !sizes(where + ".block_sizes", c->block_sizes) ||
        !sizes(where + ".head_sizes", c->head_sizes))
      return false;
    if (c->head_sizes_v && !sizes(where + ".head_sizes_v", c->head_sizes_v)) return false;
    if (!text(where + ".impl", c->impl, false)) return false;
    if (!require(value_of(words::devices, name_of(words::devices, static_cast<uint64_t>(c->device_type))).has_value(),
                 where + ".device_type is " + std::to_string(c->device_type) + ", wanted 1, 2 or 10"))
      return false;
    if (!require(c->num_arch_ranges == 0 || (c->arch_ranges && c->num_arch_ranges <= kMaxEntries),
                 where + ".arch_ranges is NULL"))
      return false;
    const struct {
      const char* name;
      uint64_t value, known;
    } masks[] = {{"families", c->families, ATTNRT_FAMILIES_ALL_},
                 {"features", c->features, ATTNRT_FEATURES_ALL_},
                 {"needs", c->needs, ATTNRT_PROVIDES_ALL_},
                 {"q_dtypes", c->q_dtypes, (1u << ATTNRT_DTYPE_COUNT_) - 1},
                 {"kv_dtypes", c->kv_dtypes, (1u << ATTNRT_DTYPE_COUNT_) - 1},
                 {"out_dtypes", c->out_dtypes, (1u << ATTNRT_DTYPE_COUNT_) - 1},
                 {"attn_types", c->attn_types, ATTNRT_ATTN_ALL_},
                 {"phases", c->phases, ATTNRT_PHASES_ALL_},
                 {"kv_layouts", c->kv_layouts, ATTNRT_KV_LAYOUTS_ALL_},
                 {"isa", c->isa, ATTNRT_ISA_ALL_}};
    if (!require(c->determinism <= ATTNRT_DETERMINISM_SCHEDULE_INVARIANT,
                 where + ".determinism is " + std::to_string(c->determinism) + ", wanted 0 to 3") ||
        !require(c->graph_level <= ATTNRT_GRAPH_ALWAYS,
                 where + ".graph_level is " + std::to_string(c->graph_level) + ", wanted 0 to 3"))
      return false;
    for (const auto& mask : masks) {
      if (mask.value & ~mask.known)
        return fail(where + "." + mask.name + " holds unknown bits: " + std::to_string(mask.value & ~mask.known));
      const bool optional = mask.name == std::string_view("needs") || mask.name == std::string_view("isa");
      if (!optional && mask.value == 0) return fail(where + "." + mask.name + " is empty, wanted at least one bit");
    }
    return true;
  }

  bool variant(const std::string& where, const attnrt_variant* v) {
    if (!table(where, v) || !text(where + ".name", v->name, true) || !caps(where + ".caps", v->caps)) return false;
    const struct { const char* name; bool present; } needed[] = {
        {"create", v->create != nullptr},           {"destroy", v->destroy != nullptr},
        {"workspace", v->workspace != nullptr},     {"plan_create", v->plan_create != nullptr},
        {"plan_update", v->plan_update != nullptr}, {"plan_destroy", v->plan_destroy != nullptr},
        {"run", v->run != nullptr}};
    for (const auto& entry : needed)
      if (!entry.present) return fail(where + "." + entry.name + " is NULL, wanted a function");
    const bool paged = (v->caps->kv_layouts & ~ATTNRT_KV_CONTIGUOUS) != 0;
    return require(!paged || (v->write_kv && v->kv_layout),
                   where + " claims a paged cache, wanted write_kv and kv_layout");
  }

 private:
  bool fail(std::string sentence) {
    if (fault_.empty()) fault_ = std::move(sentence);
    return false;
  }
  std::string fault_;
};

}  // namespace

std::string check_tables(const attnrt_plugin* p, const Inspection& note) {
  TableCheck check;
  const auto walk = [&] {
    if (!check.table("plugin", p) || !check.text("plugin.name", p->name, true) ||
        !check.text("plugin.version", p->version, true) || !check.text("plugin.build", p->build, false) ||
        !check.count("plugin.num_backends", p->num_backends))
      return;
    if (!check.require(p->name == note.name && p->version == note.version,
                       std::string("plugin.name and version are ") + p->name + " " + p->version +
                           ", the ELF note says " + note.name + " " + note.version) ||
        !check.require(p->abi_major == note.abi_major && p->abi_minor == note.abi_minor,
                       "plugin.abi differs from the ELF note's") ||
        !check.require(p->backends, "plugin.backends is NULL, wanted an array"))
      return;
    std::set<std::string> names;
    for (uint32_t i = 0; i < p->num_backends; ++i) {
      const std::string where = "backends[" + std::to_string(i) + "]";
      const attnrt_backend* b = p->backends[i];
      if (!check.table(where, b) || !check.text(where + ".name", b->name, true) ||
          !check.text(where + ".summary", b->summary, false) ||
          !check.count(where + ".num_variants", b->num_variants) ||
          !check.require(b->variants, where + ".variants is NULL"))
        return;
      if (!check.require(names.insert(upper(b->name)).second,
                         where + ".name " + b->name + " stands twice in this plugin"))
        return;
      std::set<std::string> variants;
      for (uint32_t j = 0; j < b->num_variants; ++j) {
        const std::string variant = std::string(b->name) + ".variants[" + std::to_string(j) + "]";
        if (!check.variant(variant, b->variants[j])) return;
        if (!check.require(variants.insert(upper(b->variants[j]->name)).second, variant + ".name stands twice")) return;
      }
    }
  };
  walk();
  return check.fault();
}

}  // namespace attnrt::core
