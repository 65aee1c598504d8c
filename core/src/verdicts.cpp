// SPDX-License-Identifier: Apache-2.0
#include "verdicts.hpp"

#include <boost/json.hpp>

#include "file_text.hpp"
#include "ledger.hpp"
#include "locked_file.hpp"
#include "search.hpp"

namespace attnrt::core {
namespace fs = std::filesystem;
namespace json = boost::json;
namespace {

json::object read(const fs::path& path) {
  const auto text = read_text(path);
  if (!text) return {};
  json::error_code error;
  json::value value = json::parse(*text, error);  // a broken cache is an empty one
  return !error && value.is_object() ? std::move(value.get_object()) : json::object{};
}

std::string text_of(const json::object& entry, const char* key) {
  const json::value* value = entry.if_contains(key);
  return value && value->is_string() ? std::string(value->get_string().data(), value->get_string().size()) : "";
}

/// An unwritable cache costs a probe each time, nothing else.
template <class Change>
void update(const fs::path& path, Change&& change) {
  rewrite_locked(path, [&] {
    json::object all = read(path);
    change(all);
    return json::serialize(all);
  });
}

}  // namespace

Verdicts::Verdicts(fs::path folder)
    : path_(folder.empty() ? fs::path{} : folder / "verdicts.json"), host_(inspect(core_file()).build_id) {}

std::string Verdicts::key_of(const fs::path& file, const Inspection& inspection) const {
  std::error_code error;
  return inspection.build_id + "/" + std::to_string(fs::file_size(file, error)) + "/" + host_;
}

fs::path Verdicts::folder_for(const Options& options) {
  if (options.cache_folder) return *options.cache_folder;
  if (const auto xdg = options.trusted_env("XDG_CACHE_HOME"); xdg && xdg->starts_with('/'))
    return fs::path(*xdg) / "attnrt";
  if (const auto home = options.trusted_env("HOME"); home && home->starts_with('/'))
    return fs::path(*home) / ".cache" / "attnrt";
  return {};
}

std::optional<Loaded> Verdicts::recall(const fs::path& file, const Inspection& inspection) const {
  if (path_.empty()) return std::nullopt;
  const json::object all = read(path_);
  const json::value* entry = all.if_contains(key_of(file, inspection));
  if (!entry || !entry->is_object()) return std::nullopt;
  const json::object& known = entry->get_object();
  const std::string state = text_of(known, "state");
  if (state == state_name(State::loaded)) return Loaded{};
  if (state != state_name(State::crashed) && state != state_name(State::timeout)) return std::nullopt;
  return Loaded{State::quarantined,
                text_of(known, "sentence") + " on " + text_of(known, "date") + " (" + state +
                    "); once it is mended: attnrt forgive " + inspection.name,
                nullptr};
}

void Verdicts::remember(const fs::path& file, const Inspection& inspection, const Loaded& verdict) const {
  const State s = verdict.state;
  if (path_.empty() || (s != State::loaded && s != State::crashed && s != State::timeout)) return;
  update(path_, [&](json::object& all) {
    all[key_of(file, inspection)] = {{"name", inspection.name},
                                     {"file", file.filename().string()},
                                     {"state", state_name(verdict.state)},
                                     {"sentence", verdict.sentence},
                                     {"date", today()}};
  });
}

std::size_t Verdicts::forgive(const std::string& name) const {
  std::size_t forgiven = 0;
  if (path_.empty()) return forgiven;
  update(path_, [&](json::object& all) {
    json::object kept;
    for (auto& member : all) {
      const json::object entry = member.value().is_object() ? member.value().get_object() : json::object{};
      const bool named = text_of(entry, "name") == name || text_of(entry, "file") == name;
      if (named && text_of(entry, "state") != state_name(State::loaded)) ++forgiven;
      else kept.emplace(member.key(), member.value());
    }
    all = std::move(kept);
  });
  return forgiven;
}

}  // namespace attnrt::core
