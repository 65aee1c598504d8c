// SPDX-License-Identifier: Apache-2.0
#include "recalled_probe.hpp"

#include <optional>

#include "probe.hpp"
#include "search.hpp"
#include "verdicts.hpp"
#include "words.hpp"

namespace attnrt::core {

std::string machine_text(const std::vector<DeviceReport>& machine) {
  std::string out;
  for (const DeviceReport& r : machine)
    out += std::to_string(r.device.type) + ":" + std::to_string(r.device.arch) + ":" + std::to_string(r.device.isa) + ":" +
           printable(r.name + ":" + r.sentence, 200) + ";";
  return out;
}

std::vector<Loaded> recall_or_probe(const std::vector<Judged>& files, const Options& options, const std::string& machine,
                                    const CacheFolder& cache, const Log& log) {
  Verdicts verdicts(cache, machine);
  std::vector<Loaded> out(files.size());
  std::vector<Judged> unknown;
  std::vector<std::size_t> place;
  for (std::size_t i = 0; i < files.size(); ++i) {
    auto known = options.probe == ATTNRT_PROBE_ALWAYS ? std::nullopt : verdicts.recall(files[i]);
    if (known) {
      out[i] = std::move(*known);
    } else {
      unknown.push_back(files[i]);
      place.push_back(i);
    }
  }
  if (unknown.empty()) return out;
  const ProbeProgram program = probe_program();
  const auto home = default_plugin_folder();
  std::vector<Loaded> told = core::probe(program, unknown);
  for (std::size_t i = 0; i < told.size(); ++i) {
    verdicts.remember(unknown[i], told[i]);
    std::error_code error;
    if (told[i].state == State::unprobed && !told[i].started) {
      told[i].sentence += "; without it plugins are loaded from " + home.string() + " alone";
      if (std::filesystem::equivalent(unknown[i].path.parent_path(), home, error)) {
        log.once(ATTNRT_LOG_WARNING, told[i].sentence, told[i].sentence);
        told[i] = {};
      }
    }
    out[place[i]] = std::move(told[i]);
  }
  verdicts.save();
  return out;
}

}  // namespace attnrt::core
