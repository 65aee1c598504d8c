// SPDX-License-Identifier: Apache-2.0
#include "ledger.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>

#include "device.hpp"
#include "file_text.hpp"
#include "locked_file.hpp"
#include "words.hpp"

namespace attnrt::core {
namespace fs = std::filesystem;
namespace json = boost::json;
namespace {

bool same_kernel(const LedgerEntry& a, const LedgerEntry& b) {
  return a.build_id == b.build_id && a.backend == b.backend && a.variant == b.variant && a.device == b.device;
}

void read_into(const fs::path& file, std::vector<LedgerEntry>& out) {
  const auto text = read_text(file);
  if (!text) return;
  json::error_code error;
  const json::value value = json::parse(*text, error);
  const json::value* list = !error && value.is_object() ? value.get_object().if_contains("verified") : nullptr;
  if (!list || !list->is_array()) return;
  for (const json::value& item : list->get_array()) {
    if (!item.is_object()) continue;
    const auto field = [&item](const char* key) {
      const json::value* v = item.get_object().if_contains(key);
      return v && v->is_string() ? std::string(v->get_string().data(), v->get_string().size()) : std::string();
    };
    const json::value* passed = item.get_object().if_contains("passed");
    out.push_back({field("plugin"), field("build_id"), field("backend"), field("variant"), field("device"),
                   field("date"), field("result"), passed && passed->is_bool() && passed->get_bool()});
  }
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

Ledger Ledger::read(const std::vector<fs::path>& files) {
  Ledger ledger;
  for (const fs::path& file : files) read_into(file, ledger.entries_);
  return ledger;
}

const LedgerEntry* Ledger::find(const std::string& build_id, const std::string& backend, const std::string& variant,
                                const std::string& device) const {
  const LedgerEntry key{"", build_id, backend, variant, device, "", "", false};
  const LedgerEntry* newest = nullptr;
  for (const LedgerEntry& e : entries_)
    if (same_kernel(e, key) && (!newest || e.date >= newest->date)) newest = &e;
  return newest && newest->passed ? newest : nullptr;
}

Error Ledger::record(const fs::path& file, const std::vector<LedgerEntry>& entries) {
  const bool written = rewrite_locked(file, [&] {
    std::vector<LedgerEntry> all;
    read_into(file, all);
    for (const LedgerEntry& e : entries) {
      std::erase_if(all, [&e](const LedgerEntry& old) { return same_kernel(old, e); });
      all.push_back(e);
    }
    json::array list;
    for (const LedgerEntry& e : all)
      list.push_back({{"plugin", e.plugin}, {"build_id", e.build_id}, {"backend", e.backend}, {"variant", e.variant},
                      {"device", e.device}, {"date", e.date}, {"result", e.result}, {"passed", e.passed}});
    return json::serialize(json::object{{"verified", std::move(list)}});
  });
  if (!written) return {ATTNRT_FAILED, "the ledger " + file.string() + " cannot be written"};
  return {ATTNRT_OK, ""};
}

}  // namespace attnrt::core
