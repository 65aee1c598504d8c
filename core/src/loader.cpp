// SPDX-License-Identifier: Apache-2.0
#include "loader.hpp"

#include <dlfcn.h>
#include <sys/stat.h>

#include <boost/dll/shared_library.hpp>
#include <map>
#include <system_error>

#include "attnrt/fork.hpp"
#include "tables.hpp"
#include "words.hpp"

namespace attnrt::core {
namespace {

struct Resident {
  std::string build_id;
  boost::dll::shared_library library;
  const attnrt_plugin* plugin = nullptr;
  State state = State::loaded;
  std::string sentence;
};

/// By path, under the LoadLock, for which a fork waits. Never destroyed: closing a library while an engine's static
/// objects still use it ends in a crash at exit.
using Residents = std::map<std::string, Resident>;
constinit Residents* residents = nullptr;

/// What the system said of the dlopen that failed on this thread, whole: the library or symbol that is missing. The
/// file's own path, which the text may name first, is left out because the state's sentence stands beside it.
std::string system_words(const std::string& path) {
  const char* said = dlerror();
  std::string out = said ? said : "the system refused to load it and gave no reason";
  if (const std::string own = path + ": "; out.starts_with(own)) out.erase(0, own.size());
  return printable(out, 4096);
}

bool is_as_judged(const Judged& file) {
  struct stat now {};
  return stat(file.path.c_str(), &now) == 0 && FileIdentity::of(now) == file.identity;
}
Loaded changed() { return {State::unprobed, "the file changed while it was judged, wanted a rescan"}; }

Resident open_and_query(const std::filesystem::path& file, const Inspection& inspection) {
  Resident r;
  r.build_id = inspection.build_id;
  const auto fail = [&r](State state, std::string sentence) -> Resident& {
    r.state = state;
    r.sentence = std::move(sentence);
    return r;
  };
  try {
    // Boost.DLL's own error is "bad file descriptor" whatever is wrong; it leaves dlerror's text to whoever asks first.
    std::error_code error;
    r.library.load(file, error, boost::dll::load_mode::rtld_now | boost::dll::load_mode::rtld_local);
    if (error) return fail(State::unresolved, system_words(file.string()));
  } catch (...) {
    return fail(State::invalid, "an exception came out of its constructors, wanted none");
  }
  if (!r.library.has(ATTNRT_PLUGIN_QUERY))
    return fail(State::invalid, std::string("no symbol ") + ATTNRT_PLUGIN_QUERY + ", wanted the plugin's one export");
  const auto query = &r.library.get<const attnrt_plugin*(uint32_t, uint32_t)>(ATTNRT_PLUGIN_QUERY);
  r.plugin = query(ATTNRT_ABI_MAJOR, ATTNRT_ABI_MINOR);
  if (!r.plugin)
    return fail(State::incompatible, "attnrt_plugin_query answered NULL to ABI " + std::to_string(ATTNRT_ABI_MAJOR) +
                                         "." + std::to_string(ATTNRT_ABI_MINOR));
  if (std::string wrong = check_tables(r.plugin, inspection); !wrong.empty())
    return fail(State::invalid, std::move(wrong));
  return r;
}

}  // namespace

Loaded load(const Judged& file) {
  const sdk::LoadLock lock;
  if (!residents) residents = new Residents;
  auto it = residents->find(file.path.string());
  if (it != residents->end() && it->second.library.is_loaded()) {
    if (it->second.build_id != file.inspection.build_id)
      return {State::replaced, "restart to load: the file changed after it was loaded, the old code goes on",
              it->second.state == State::loaded ? it->second.plugin : nullptr, it->second.build_id};
  } else {
    // A failed dlopen left nothing behind, so it is tried again each time: the missing library may have come.
    // The loader opens the path anew, so the file is compared on both sides of it: nothing that was exchanged goes on, and
    // only who may write one of the folders that judge() asked for can exchange it.
    if (!is_as_judged(file)) return changed();
    Resident resident = open_and_query(file.path, file.inspection);
    if (!is_as_judged(file)) {
      resident.plugin = nullptr;
      resident.state = State::unprobed;
      resident.sentence = "the file changed while it was loaded, wanted a restart";
    }
    it = residents->insert_or_assign(file.path.string(), std::move(resident)).first;
  }
  const Resident& r = it->second;
  return {r.state, r.sentence, r.state == State::loaded ? r.plugin : nullptr};
}

bool is_resident(const Judged& file) {
  const sdk::LoadLock lock;
  if (!residents) return false;
  const auto it = residents->find(file.path.string());
  return it != residents->end() && it->second.library.is_loaded() && it->second.build_id == file.inspection.build_id;
}

}  // namespace attnrt::core
