// SPDX-License-Identifier: Apache-2.0
#include "judge.hpp"

#include <fcntl.h>

#include <cerrno>
#include <cstring>

#include "descriptor.hpp"
#include "digest.hpp"
#include "trust.hpp"
#include "words.hpp"

namespace attnrt::core {
namespace {

bool passes(int error) { return error == EMFILE || error == ENFILE || error == ENOMEM || error == EAGAIN; }

}  // namespace

Judgement judge(const std::filesystem::path& path, const Options& options, const Pins& pins, const Log& log) {
  Judgement out;
  out.file.path = path;
  const auto settle = [&out](State state, std::string sentence, std::string remedy = "") {
    out.state = state;
    out.sentence = std::move(sentence);
    out.remedy = std::move(remedy);
    return std::move(out);
  };
  const Walk way = walk(path, Owners::user_or_core);
  if (!way.found) {
    out.passing = passes(way.error);
    return settle(State::untrusted, way.why, way.error == ENOENT ? "remove the link, or mend where it leads" : "");
  }
  if (!way.why.empty()) {
    if (!options.trust_any) return settle(State::untrusted, way.why);
    log.write(ATTNRT_LOG_WARNING, "loading " + path.string() + " although " + way.why + " (trust: any)");
  }
  // O_NONBLOCK: opening a FIFO must not wait for a writer.
  const Descriptor file(openat(way.folder.get(), way.name.c_str(),
                               O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
  struct stat info {};
  if (!file || fstat(file.get(), &info) != 0) {
    out.passing = passes(errno);
    return settle(State::damaged, std::string("cannot be opened: ") + std::strerror(errno));
  }
  if (info.st_dev != way.info.st_dev || info.st_ino != way.info.st_ino)
    return settle(State::unprobed, "the file changed while it was judged, wanted a rescan");
  out.file.identity = FileIdentity::of(info);
  out.file.inspection = inspect(file.get());
  const Inspection& seen = out.file.inspection;
  if (seen.state != State::loaded) return settle(seen.state, seen.sentence);
  const auto pin = pins.find(seen.name);
  if (pin == pins.end())
    return options.pinned_only ? settle(State::untrusted, "no pin names " + seen.name + ", and only pinned plugins are loaded",
                                        "pin its digest in the attention config: " + sha256_of(file.get()))
                               : std::move(out);
  if (const std::string digest = sha256_of(file.get()); digest != pin->second)
    return settle(State::untrusted, "its digest is " + digest + ", pinned is " + pin->second,
                  "install the file that was pinned, or pin this digest in the attention config");
  return out;
}

}  // namespace attnrt::core
