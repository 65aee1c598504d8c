// SPDX-License-Identifier: Apache-2.0
#include "verdicts.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "ledger.hpp"
#include "search.hpp"
#include "words.hpp"

namespace attnrt::core {
namespace json = boost::json;
namespace {

constexpr const char* kVerdicts = "verdicts.json";
constexpr std::size_t kMaxVerdicts = 1024;

std::string text_of(const json::object& entry, const char* key) {
  const json::value* value = entry.if_contains(key);
  return value && value->is_string() ? printable({value->get_string().data(), value->get_string().size()}) : "";
}

/// The state of a library on disk; "" where it cannot be looked at.
std::string state_on_disk(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 ? FileIdentity::of(info).text() : "";
}

}  // namespace

Verdicts::Verdicts(CacheFolder folder, std::string machine)
    : folder_(std::move(folder)),
      machine_(std::move(machine)),
      host_(inspect(core_file()).build_id),
      known_(parse(folder_.read(kVerdicts))) {}

std::string Verdicts::key_of(const Judged& file) const {
  return file.inspection.build_id + "/" + file.identity.text() + "/" + host_ + "/" + machine_;
}

Verdicts::Entries Verdicts::parse(const std::optional<std::string>& text) {
  Entries out;
  if (!text) return out;
  json::error_code error;
  const json::value value = json::parse(*text, error);  // a broken memory is an empty one
  if (error || !value.is_object()) return out;
  for (const auto& member : value.get_object()) {
    if (!member.value().is_object()) continue;
    const json::object& from = member.value().get_object();
    Entry entry{text_of(from, "name"), text_of(from, "path"), text_of(from, "state"), text_of(from, "sentence"),
                text_of(from, "date"), {}};
    if (const json::value* libraries = from.if_contains("libraries"); libraries && libraries->is_object())
      for (const auto& library : libraries->get_object())
        entry.libraries.emplace(std::string(library.key()), text_of(libraries->get_object(), library.key_c_str()));
    out.emplace(std::string(member.key()), std::move(entry));
  }
  return out;
}

std::string Verdicts::print(const Entries& entries) {
  json::object all;
  for (const auto& [key, entry] : entries) {
    json::object libraries;
    for (const auto& [path, identity] : entry.libraries) libraries.emplace(path, identity);
    all.emplace(key, json::object{{"name", entry.name}, {"path", entry.path}, {"state", entry.state},
                                  {"sentence", entry.sentence}, {"date", entry.date}, {"libraries", libraries}});
  }
  return json::serialize(all) + "\n";
}

std::optional<Loaded> Verdicts::recall(const Judged& file) const {
  const auto it = known_.find(key_of(file));
  if (it == known_.end()) return std::nullopt;
  const Entry& entry = it->second;
  for (const auto& [path, identity] : entry.libraries)
    if (state_on_disk(path) != identity) return std::nullopt;
  if (entry.state == state_name(State::loaded)) {
    Loaded good;
    for (const auto& library : entry.libraries) good.libraries.push_back(library.first);
    return good;
  }
  if (entry.state != state_name(State::crashed) && entry.state != state_name(State::timeout)) return std::nullopt;
  return Loaded{State::quarantined, entry.sentence + " on " + entry.date + " (" + entry.state +
                                        "); once it is mended: attnrt forgive " + file.inspection.name};
}

void Verdicts::remember(const Judged& file, const Loaded& verdict) {
  const State s = verdict.state;
  if (s != State::loaded && s != State::crashed && s != State::timeout) return;
  Entry entry{file.inspection.name, printable(file.path.string(), 4096), state_name(s), printable(verdict.sentence),
              today(), {}};
  for (const std::string& library : verdict.libraries) {
    if (printable(library, 4096) != library) return;  // a name that JSON cannot keep could not be looked at again
    entry.libraries.emplace(library, state_on_disk(library));
  }
  fresh_.insert_or_assign(key_of(file), std::move(entry));
}

void Verdicts::save() {
  if (fresh_.empty()) return;
  [[maybe_unused]] const Status ignored = folder_.rewrite(kVerdicts, [this](const std::optional<std::string>& text) {
    Entries all = parse(text);
    // A file has one verdict: what was remembered of an earlier state of it is dropped.
    std::erase_if(all, [this](const auto& old) {
      return std::any_of(fresh_.begin(), fresh_.end(), [&](const auto& now) { return now.second.path == old.second.path; });
    });
    all.insert(fresh_.begin(), fresh_.end());
    while (all.size() > kMaxVerdicts)
      all.erase(std::min_element(all.begin(), all.end(),
                                 [](const auto& a, const auto& b) { return a.second.date < b.second.date; }));
    return print(all);
  });
  fresh_.clear();
}

std::size_t Verdicts::forgive(const std::string& name) {
  const auto named = [&name](const auto& member) {
    const Entry& e = member.second;
    const bool this_one = e.name == name || std::filesystem::path(e.path).filename() == name;
    return this_one && e.state != state_name(State::loaded);
  };
  if (std::none_of(known_.begin(), known_.end(), named)) return 0;
  std::size_t forgiven = 0;
  const Status failed = folder_.rewrite(kVerdicts, [&](const std::optional<std::string>& text) {
    Entries all = parse(text);
    forgiven = std::erase_if(all, named);
    return print(all);
  });
  return failed.ok() ? forgiven : 0;
}

}  // namespace attnrt::core
