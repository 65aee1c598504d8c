// SPDX-License-Identifier: Apache-2.0
#include "global_flags.hpp"

#include <spdlog/fmt/fmt.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/json.hpp>
#include <optional>

#include "duplicate_key.hpp"
#include "failure.hpp"

namespace attnrt::cli {
namespace {

namespace json = boost::json;

/// "-ac.backend" -> ".backend", "-ac" -> "", anything else nothing.
std::optional<std::string> config_key(const std::string& argument) {
  for (const std::string name : {"--attention-config", "-ac"})
    if (argument.rfind(name, 0) == 0 && (argument.size() == name.size() || argument[name.size()] == '.'))
      return argument.substr(name.size());
  return std::nullopt;
}

/// What a shell word means: JSON where it is JSON (2, true, null, "x"), else the word itself, if that is UTF-8.
json::value config_value(const std::string& name, const std::string& text) {
  json::error_code error;
  json::value value = json::parse(text, error);
  if (!error) return value;
  const std::string quoted = json::serialize(json::value(text));
  value = json::parse(quoted, error);
  if (error) throw Failure(fmt::format("{} is '{}', wanted UTF-8", name, text));
  return value;
}

/// The pins of several options hold together: the last one would else drop those before it without a word.
void add_pins(json::object& config, const std::string& name, const json::value& pins) {
  if (!pins.is_object())
    throw Failure(fmt::format("{}: pin is '{}', wanted an object such as {{\"cpu_attn\": \"sha256:...\"}}", name,
                              json::serialize(pins)));
  json::value& all = config["pin"];
  if (!all.is_object()) all = json::object{};
  for (const auto& [plugin, digest] : pins.get_object()) {
    const auto [pin, fresh] = all.get_object().emplace(plugin, digest);
    if (!fresh && pin->value() != digest)
      throw Failure(fmt::format("{} pins '{}' to {}, pinned before to {}, wanted one digest", name,
                                std::string_view(plugin.data(), plugin.size()), json::serialize(digest),
                                json::serialize(pin->value())));
  }
}

void add_value(json::object& config, const std::string& name, const std::string& key, const json::value& value) {
  if (key == "pin")
    add_pins(config, name, value);
  else
    config[key] = value;
}

void add_object(json::object& config, const std::string& name, const std::string& text) {
  json::error_code error;
  const json::value value = json::parse(text, error);
  if (error || !value.is_object())
    throw Failure(fmt::format("{} is '{}'{}, wanted a JSON object such as '{{\"backend\": \"CPU_ATTN\"}}'", name, text,
                              error ? " (" + error.message() + ")" : ""));
  if (const auto twice = json_keys::duplicate_key(text))
    throw Failure(fmt::format("{} names '{}' twice, wanted each key once", name, *twice));
  for (const auto& [key, item] : value.get_object()) add_value(config, name, key, item);
}

}  // namespace

std::string take_attention_config(std::vector<std::string>& arguments) {
  json::object config;
  std::vector<std::string> rest;
  bool any = false;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--") {
      rest.insert(rest.end(), arguments.begin() + static_cast<std::ptrdiff_t>(i), arguments.end());
      break;
    }
    const std::size_t equals = arguments[i].find('=');
    const std::string name = arguments[i].substr(0, equals);
    const auto key = config_key(name);
    if (!key) {
      rest.push_back(arguments[i]);
      continue;
    }
    if (equals == std::string::npos && i + 1 == arguments.size())
      throw Failure(
          fmt::format("{} stands last, wanted {} after it", name, key->empty() ? "a JSON object" : "a value"));
    const std::string text = equals == std::string::npos ? arguments[++i] : arguments[i].substr(equals + 1);
    any = true;
    if (key->empty()) {
      add_object(config, name, text);
      continue;
    }
    std::string word = key->substr(1);
    std::replace(word.begin(), word.end(), '-', '_');
    if (word.empty()) throw Failure(fmt::format("{} names no key, wanted one such as {}backend", name, name));
    add_value(config, name, word, config_value(name, text));
  }
  arguments = std::move(rest);
  return any ? json::serialize(config) : "";
}

void add_global_flags(CLI::App& app, GlobalFlags& flags) {
  app.add_option("--plugin-path", flags.plugin_path,
                 "Folders or .so files with plugins, a colon list of absolute paths; an empty element is the default "
                 "folder [ATTNRT_PLUGIN_PATH]")
      ->type_name("DIRS");
  app.add_option("--priority", flags.priority_file, "Priority table in place of the shipped one [ATTNRT_PRIORITY]")
      ->type_name("FILE");
  app.add_option("--attention-backend", flags.attention_backend,
                 "The backend to use, NAME or NAME/variant; 'auto' chooses [VLLM_ATTENTION_BACKEND]")
      ->type_name("NAME");
  app.add_flag("--trust-any", flags.trust_any, "Load plugins whatever their owner and mode");
  app.add_flag("--pinned-only", flags.pinned_only, "Load only plugins that the attention config pins");
  app.add_flag("-v,--verbose", flags.verbose, "Log everything on standard error");
  app.add_flag("-q,--quiet", flags.quiet, "Log only errors")->excludes("--verbose");
}

Runtime open_runtime(const GlobalFlags& flags) {
  if (!flags.attention_backend.empty() && !flags.attention_config.empty())
    if (const auto config = json::parse(flags.attention_config).as_object();
        const auto* backend = config.if_contains("backend"))
      throw Failure(
          fmt::format("--attention-backend is '{}' and the attention config's backend {}, wanted one of the two",
                      flags.attention_backend, json::serialize(*backend)));
  const auto logger = spdlog::stderr_color_mt("attnrt");
  logger->set_pattern("%n: %^%l%$: %v");
  logger->set_level(flags.verbose ? spdlog::level::debug : flags.quiet ? spdlog::level::err : spdlog::level::warn);
  Options options;
  options.plugin_path = flags.plugin_path;
  options.priority_file = flags.priority_file;
  options.attention_backend = flags.attention_backend;
  options.attention_config = flags.attention_config;
  options.trust_any = flags.trust_any;
  options.pinned_only = flags.pinned_only;
  if (flags.emulated) options.probe = ATTNRT_PROBE_NEVER;
  options.log = [logger](int32_t level, const char* text) {
    constexpr spdlog::level::level_enum levels[] = {spdlog::level::debug, spdlog::level::info, spdlog::level::warn,
                                                    spdlog::level::err};
    logger->log(levels[std::clamp<int32_t>(level, 0, 3)], spdlog::string_view_t(text));
  };
  return Runtime(std::move(options));
}

}  // namespace attnrt::cli
