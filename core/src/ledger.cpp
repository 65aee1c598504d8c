// SPDX-License-Identifier: Apache-2.0
#include "ledger.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>

#include "device.hpp"
#include "regular_file.hpp"
#include "words.hpp"

namespace attnrt::core {
namespace fs = std::filesystem;
namespace json = boost::json;
namespace {

constexpr const char* kLedgerFile = "ledger.json";
constexpr uint64_t kMaxLedgerBytes = 16 << 20;

/// The lists of a ledger's file.
struct List {
  const char* key;
  bool emulated;
};
constexpr List kLists[] = {{"verified", false}, {"emulated", true}};

bool same_kernel(const LedgerEntry& a, const LedgerEntry& b) {
  return a.build_id == b.build_id && a.backend == b.backend && a.variant == b.variant && a.device == b.device &&
         a.emulated == b.emulated;
}

void parse_list(const json::value& list, bool local, bool emulated, std::vector<LedgerEntry>& out) {
  for (const json::value& item : list.get_array()) {
    if (!item.is_object()) continue;
    const auto field = [&item](const char* key) {
      const json::value* v = item.get_object().if_contains(key);
      return v && v->is_string() ? printable({v->get_string().data(), v->get_string().size()}) : std::string();
    };
    const json::value* passed = item.get_object().if_contains("passed");
    out.push_back({field("plugin"), field("build_id"), field("backend"), field("variant"), field("device"),
                   field("date"), field("result"), passed && passed->is_bool() && passed->get_bool(), local, emulated});
  }
}

std::vector<LedgerEntry> parse(const std::string& text, bool local) {
  std::vector<LedgerEntry> out;
  json::error_code error;
  const json::value value = json::parse(text, error);
  if (error || !value.is_object()) return out;
  for (const List& l : kLists)
    if (const json::value* list = value.get_object().if_contains(l.key); list && list->is_array())
      parse_list(*list, local, l.emulated, out);
  return out;
}

}  // namespace

std::string today() {
  // By arithmetic alone: gmtime asks for the time zone under a lock that a forked child may find held.
  using namespace std::chrono;
  const year_month_day date(floor<days>(system_clock::now()));
  const auto two_digits = [](unsigned n) { return (n < 10 ? "-0" : "-") + std::to_string(n); };
  return std::to_string(static_cast<int>(date.year())) + two_digits(static_cast<unsigned>(date.month())) +
         two_digits(static_cast<unsigned>(date.day()));
}

std::string device_kind(int32_t device_type, uint32_t arch, uint64_t isa) {
  const std::string name = device_type == ATTNRT_DEVICE_CPU ? cpu_level(isa).name : arch_name(device_type, arch);
  return std::string(name_of(words::devices, static_cast<uint64_t>(device_type))) + (name.empty() ? "" : ":" + name);
}

std::optional<Device> parse_device_kind(const std::string& kind) {
  const auto device = parse_device(kind, {{{}, true, "", ""}});
  return device ? std::optional(*device) : std::nullopt;
}

Ledger Ledger::read(const fs::path& shipped, const CacheFolder& cache) {
  Ledger ledger;
  if (const auto text = read_regular_file(shipped, kMaxLedgerBytes)) ledger.entries_ = parse(*text, false);
  if (const auto text = cache.read(kLedgerFile)) {
    std::vector<LedgerEntry> local = parse(*text, true);
    ledger.entries_.insert(ledger.entries_.end(), local.begin(), local.end());
  }
  return ledger;
}

const LedgerEntry* Ledger::find(const std::string& build_id, const std::string& backend, const std::string& variant,
                                const std::string& device, bool emulated) const {
  const LedgerEntry key{"", build_id, backend, variant, device, "", "", false, false, emulated};
  const LedgerEntry* best = nullptr;
  // What was found here counts more than what was found elsewhere, whatever the clocks said.
  const auto rank = [](const LedgerEntry& e) { return std::pair(e.local, e.date); };
  for (const LedgerEntry& e : entries_)
    if (same_kernel(e, key) && (!best || rank(e) >= rank(*best))) best = &e;
  return best && best->passed ? best : nullptr;
}

Status Ledger::record(const CacheFolder& cache, const std::vector<LedgerEntry>& entries) {
  Status written = cache.rewrite(kLedgerFile, [&entries](const std::optional<std::string>& text) {
    std::vector<LedgerEntry> all = text ? parse(*text, true) : std::vector<LedgerEntry>{};
    for (const LedgerEntry& e : entries) {
      std::erase_if(all, [&e](const LedgerEntry& old) { return same_kernel(old, e); });
      all.push_back(e);
    }
    json::object lists;
    for (const List& l : kLists) {
      json::array list;
      for (const LedgerEntry& e : all)
        if (e.emulated == l.emulated)
          list.push_back({{"plugin", e.plugin}, {"build_id", e.build_id}, {"backend", e.backend}, {"variant", e.variant},
                          {"device", e.device}, {"date", e.date}, {"result", e.result}, {"passed", e.passed}});
      lists[l.key] = std::move(list);
    }
    return json::serialize(lists) + "\n";
  });
  if (!written.ok()) written.text = "the ledger " + written.text;
  return written;
}

}  // namespace attnrt::core
