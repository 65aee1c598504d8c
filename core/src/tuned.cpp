// SPDX-License-Identifier: Apache-2.0
#include "tuned.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "json_reader.hpp"
#include "json_text.hpp"
#include "words.hpp"

namespace attnrt::core {
namespace json = boost::json;
namespace {

constexpr const char* kTunedFile = "tuned.json";
constexpr int64_t kVersion = 1;
constexpr std::size_t kMaxTables = 64;
constexpr int64_t kMostNanoseconds = 1'000'000'000'000'000;  // ns, eleven days

uint32_t word_of(const JsonReader& at, const Words& words) {
  const std::string name = at.text();
  if (const auto value = value_of(words, name)) return static_cast<uint32_t>(*value);
  std::vector<std::string> wanted;
  for (const Word& w : words) wanted.emplace_back(w.name);
  at.fail("is '" + name + "', wanted one of " + join(wanted));
  return 0;
}

uint32_t size(const JsonReader& at, int64_t low) { return static_cast<uint32_t>(at.integer(low, 65536)); }

std::string name(const JsonReader& at) {
  std::string text = at.text();
  if (at.ok() && !is_word(text)) at.fail("is '" + text + "', wanted letters, digits, '_', '.' and '-'");
  return text;
}

TunedEntry read_variant(const JsonReader& in, const TunedClass& problem_class) {
  in.allow({"name", "layout", "rounds", "median_ns", "low_ns", "high_ns"});
  TunedEntry e{problem_class, name(in.at("name")), word_of(in.at("layout"), words::kv_layouts), {}};
  e.timing = {in.at("median_ns").integer(1, kMostNanoseconds), in.at("low_ns").integer(1, kMostNanoseconds),
              in.at("high_ns").integer(1, kMostNanoseconds), size(in.at("rounds"), 1)};
  if (in.ok() && (e.timing.low > e.timing.median || e.timing.median > e.timing.high))
    in.fail("low_ns, median_ns and high_ns are not in this order");
  return e;
}

TunedTable read_table(const JsonReader& in) {
  in.allow({"backend", "plugin", "build_id", "cpu", "date", "workers", "classes"});
  TunedTable table{name(in.at("backend")),
                   name(in.at("plugin")),
                   in.at("build_id").text(),
                   in.at("cpu").text(),
                   in.at("date").text(),
                   size(in.at("workers"), 1),
                   {}};
  const JsonReader classes = in.at("classes");
  for (std::size_t i = 0, n = classes.size(); i < n && in.ok(); ++i) {
    const JsonReader c = classes.at(i);
    c.allow({"family", "phase", "dtype", "head_size", "gqa_group", "variants"});
    const TunedClass key{word_of(c.at("family"), words::families), word_of(c.at("phase"), words::phases),
                         word_of(c.at("dtype"), words::dtypes), size(c.at("head_size"), 1), size(c.at("gqa_group"), 0)};
    const JsonReader variants = c.at("variants");
    for (std::size_t j = 0, m = variants.size(); j < m && in.ok(); ++j)
      table.entries.push_back(read_variant(variants.at(j), key));
  }
  return table;
}

bool same_subject(const TunedTable& a, const TunedTable& b) {
  return a.backend == b.backend && a.build_id == b.build_id && a.cpu == b.cpu;
}

json::array classes_json(const TunedTable& table) {
  json::array classes;
  const TunedClass* last = nullptr;
  for (const TunedEntry& e : table.entries) {
    const TunedClass& c = e.problem_class;
    if (!last || !(*last == c))
      classes.push_back({{"family", name_of(words::families, c.family)},
                         {"phase", name_of(words::phases, c.phase)},
                         {"dtype", name_of(words::dtypes, c.dtype)},
                         {"head_size", c.head_size},
                         {"gqa_group", c.gqa_group},
                         {"variants", json::array()}});
    last = &c;
    classes.back().as_object()["variants"].as_array().push_back({{"name", e.variant},
                                                                 {"layout", name_of(words::kv_layouts, e.layout)},
                                                                 {"rounds", e.timing.rounds},
                                                                 {"median_ns", e.timing.median},
                                                                 {"low_ns", e.timing.low},
                                                                 {"high_ns", e.timing.high}});
  }
  return classes;
}

}  // namespace

std::string cpu_text(const DeviceReport& cpu) {
  return printable(cpu.name) + ": " + join(names_of(words::isa, cpu.device.isa));
}

Result<std::vector<TunedTable>> Tuned::parse(std::string_view text, const std::string& file) {
  const auto value = parse_json(text, file);
  if (!value) return value.error();
  std::string error;
  const JsonReader root(*value, file, error);
  const int64_t version = root.at("version").integer(1, 1 << 30);
  if (error.empty() && version != kVersion)
    return Status{ATTNRT_UNAVAILABLE, file + ": version is " + std::to_string(version) + ", wanted " +
                                          std::to_string(kVersion) + ": a later attnrt wrote it"};
  root.allow({"version", "tables"});
  std::vector<TunedTable> out;
  const JsonReader tables = root.at("tables");
  for (std::size_t i = 0, n = tables.size(); i < n && root.ok(); ++i) out.push_back(read_table(tables.at(i)));
  if (!error.empty()) return invalid(error);
  return out;
}

std::string Tuned::print(const std::vector<TunedTable>& tables) {
  json::array list;
  for (const TunedTable& t : tables)
    list.push_back({{"backend", t.backend},
                    {"plugin", t.plugin},
                    {"build_id", t.build_id},
                    {"cpu", t.cpu},
                    {"date", t.date},
                    {"workers", t.num_workers},
                    {"classes", classes_json(t)}});
  return json_text({{"version", kVersion}, {"tables", std::move(list)}}) + "\n";
}

Tuned Tuned::read(const CacheFolder& cache) {
  Tuned out;
  const auto text = cache.read(kTunedFile);
  if (!text) return out;
  auto tables = parse(*text, (cache.path() / kTunedFile).string());
  if (tables)
    out.tables = std::move(*tables);
  else
    out.fault = tables.error().text;
  return out;
}

std::vector<TunedTable> Tuned::on(const std::string& cpu) const {
  std::vector<TunedTable> out;
  std::copy_if(tables.begin(), tables.end(), std::back_inserter(out),
               [&](const TunedTable& t) { return t.cpu == cpu; });
  return out;
}

Status Tuned::record(const CacheFolder& cache, const std::vector<TunedTable>& tables) {
  Status later;
  if (tables.empty()) {
    const auto text = cache.read(kTunedFile);
    const auto old = text ? parse(*text, kTunedFile) : std::vector<TunedTable>{};
    return old || old.error().code != ATTNRT_UNAVAILABLE ? Status{} : old.error();
  }
  Status written = cache.rewrite(kTunedFile, [&](const std::optional<std::string>& text) {
    std::vector<TunedTable> all;
    if (text) {
      auto old = parse(*text, kTunedFile);
      if (!old && old.error().code == ATTNRT_UNAVAILABLE) {
        later = old.error();
        return *text;
      }
      if (old) all = std::move(*old);
    }
    for (const TunedTable& t : tables) {
      std::erase_if(all, [&t](const TunedTable& old) { return same_subject(old, t); });
      all.push_back(t);
    }
    while (all.size() > std::max(kMaxTables, tables.size()))
      all.erase(std::min_element(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.date < b.date; }));
    return print(all);
  });
  return later.ok() ? written : later;
}

}  // namespace attnrt::core
