// SPDX-License-Identifier: Apache-2.0
#include "runtime.hpp"

#include <algorithm>
#include <atomic>

#include "explain.hpp"
#include "probe.hpp"
#include "problem.hpp"
#include "trust.hpp"
#include "verdicts.hpp"
#include "words.hpp"

namespace attnrt::core {
namespace {

bool is_auto(const std::string& name) { return name.empty() || equal_ignoring_case(name, "auto"); }

/// Scoped forces of this thread, by runtime.
std::map<uint64_t, std::vector<std::string>>& scopes() {
  thread_local std::map<uint64_t, std::vector<std::string>> of_thread;
  return of_thread;
}

std::string normal_flag(const std::string& value) {
  if (equal_ignoring_case(value, "true")) return "1";
  if (equal_ignoring_case(value, "false")) return "0";
  return value;
}

}  // namespace

Runtime::Runtime(Options options, std::shared_ptr<const Host> host)
    : options_(std::move(options)), host_(std::move(host)) {
  static std::atomic<uint64_t> next{1};
  id_ = next.fetch_add(1);
}

Result<std::unique_ptr<Runtime>> Runtime::open(Options options, std::shared_ptr<const Host> host) {
  std::unique_ptr<Runtime> rt(new Runtime(std::move(options), std::move(host)));
  rt->machine_ = detect_devices(Options{}.env("CUDA_VISIBLE_DEVICES"));  // CUDA heeds it whatever the engine says
  const auto table = rt->read_table();
  if (!table) return table.error();
  if (rt->options_.attention_config) {
    auto config = parse_attention_config(*rt->options_.attention_config, *table);
    if (!config) return config.error();
    rt->config_ = std::move(*config);
  }
  if (rt->options_.attention_backend && rt->config_.backend)
    return invalid("attention_backend is '" + *rt->options_.attention_backend + "' and attention-config.backend is '" +
                   *rt->config_.backend + "', wanted only one of them");
  if (Outcome failed = rt->rescan(); failed.status) return failed;
  return rt;
}

Result<PriorityTable> Runtime::read_table() const {
  if (options_.priority_file) return read_priority(*options_.priority_file);
  if (const auto env = options_.trusted_name_in("ATTNRT_PRIORITY"); env && !env->empty()) return read_priority(*env);
  const auto shipped = default_config_folder() / "priority.json";
  if (std::string why = options_.trust_any ? "" : distrust(shipped); !why.empty())
    return invalid("the shipped priority table is not trusted: " + why);
  return read_priority(shipped);
}

Outcome Runtime::rescan() {
  // One at a time, or a scan that began before a file changed could overwrite what a later one found.
  const Turn one_scan(rescans_);
  auto table = read_table();
  if (!table) return table.error();
  const std::shared_ptr<const Catalog> before = this->catalog();
  auto registry = scan(options_, machine_, host_->log(), prober(), config_.pins,
                       before ? before->registry.get() : nullptr);
  auto catalog = make_catalog(std::move(registry), std::make_shared<PriorityTable>(std::move(*table)), ledger(),
                              machine_.front().vendor);
  const StateLock lock;
  catalog_.swap(catalog);  // the old one is destroyed when the lock is gone
  return {ATTNRT_OK, ""};
}

/// Differs where what a plugin may find here does: a device, a driver, an instruction set.
static std::string text_of(const std::vector<DeviceReport>& machine) {
  std::string out;
  for (const DeviceReport& r : machine)
    out += std::to_string(r.device.type) + ":" + std::to_string(r.device.arch) + ":" + std::to_string(r.device.isa) + ":" +
           printable(r.name + ":" + r.sentence, 200) + ";";
  return out;
}

/// The step between judge and load: the remembered verdict, else a helper process. Where that cannot be started only the
/// folder that was installed with this library is believed.
Probe Runtime::prober() const {
  if (options_.probe == ATTNRT_PROBE_NEVER) return {};
  return [this](const std::vector<Judged>& files) {
    const CacheFolder cache = cache_folder();
    Verdicts verdicts(cache, text_of(machine_));
    std::vector<Loaded> out(files.size());
    std::vector<Judged> unknown;
    std::vector<std::size_t> place;
    for (std::size_t i = 0; i < files.size(); ++i) {
      auto known = options_.probe == ATTNRT_PROBE_ALWAYS ? std::nullopt : verdicts.recall(files[i]);
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
          host_->log().once(ATTNRT_LOG_WARNING, told[i].sentence, told[i].sentence);
          told[i] = {};
        }
      }
      out[place[i]] = std::move(told[i]);
    }
    verdicts.save();
    return out;
  };
}

/// A folder that is refused is told once: whoever else may write it could tell this process what to load.
CacheFolder Runtime::cache_folder() const {
  CacheFolder cache(CacheFolder::place(options_));
  if (!cache.refusal().empty()) {
    const std::string text = "nothing is remembered between processes: " + cache.refusal();
    host_->log().once(ATTNRT_LOG_WARNING, text, text);
  }
  return cache;
}

Outcome Runtime::forgive(const std::string& plugin) {
  if (Verdicts(cache_folder(), text_of(machine_)).forgive(plugin) == 0)
    return invalid("forgive: no crash or timeout of '" + plugin + "' is remembered");
  return rescan();
}

/// What was verified here, and what shipped with the library.
Ledger Runtime::ledger() const { return Ledger::read(default_config_folder() / "ledger.json", cache_folder()); }

Outcome Runtime::record(const std::vector<LedgerEntry>& entries) {
  const CacheFolder cache = cache_folder();
  if (cache.path().empty())
    return {ATTNRT_UNAVAILABLE,
            "record: there is no cache folder, wanted options.cache_folder, XDG_CACHE_HOME or HOME"};
  if (!cache.refusal().empty()) return {ATTNRT_UNAVAILABLE, "record: the cache folder is not used: " + cache.refusal()};
  if (Outcome failed = Ledger::record(cache, entries); failed.status) return failed;
  return rescan();
}

std::shared_ptr<const Catalog> Runtime::catalog() const {
  const StateLock lock;
  return catalog_;
}

Outcome Runtime::known(const std::string& backend) const {
  return is_auto(backend) ? Outcome{ATTNRT_OK, ""} : catalog()->known(backend);
}

Outcome Runtime::force(const std::string& backend) {
  if (Outcome unknown = known(backend); unknown.status) return unknown;
  const StateLock lock;
  global_force_ = is_auto(backend) ? "" : backend;
  return {ATTNRT_OK, ""};
}

Outcome Runtime::push_force(const std::string& backend) {
  if (Outcome unknown = known(backend); unknown.status) return unknown;
  scopes()[id_].push_back(is_auto(backend) ? "" : backend);
  return {ATTNRT_OK, ""};
}

Outcome Runtime::pop_force() {
  const auto it = scopes().find(id_);
  if (it == scopes().end()) return invalid("pop_force: this thread forces nothing, wanted a push_force before");
  it->second.pop_back();
  if (it->second.empty()) scopes().erase(it);
  return {ATTNRT_OK, ""};
}

Wishes Runtime::wishes() const {
  Wishes out;
  Override& wish = out.decode;
  if (const auto it = scopes().find(id_); it != scopes().end() && !it->second.back().empty())
    wish = {Source::scoped_force, it->second.back(), "a scoped force", true};
  if (wish.source == Source::automatic) {
    const StateLock lock;
    if (!global_force_.empty()) wish = {Source::global_force, global_force_, "a global force", true};
  }
  if (wish.source == Source::automatic && options_.attention_backend && !is_auto(*options_.attention_backend))
    wish = {Source::argument, *options_.attention_backend, "--attention-backend", true};
  if (wish.source == Source::automatic && config_.backend && !is_auto(*config_.backend))
    wish = {Source::argument, *config_.backend, "--attention-config.backend", true};
  const auto mode = options_.name_in("ATTNRT_OVERRIDE", &out.notes);
  if (mode && !mode->empty() && *mode != "strict")
    out.notes.push_back("ATTNRT_OVERRIDE=" + *mode + " has no effect, wanted strict");
  if (const auto env = options_.name_in("VLLM_ATTENTION_BACKEND", &out.notes); env && !is_auto(*env)) {
    if (wish.source == Source::automatic)
      wish = {Source::environment, *env, "VLLM_ATTENTION_BACKEND", mode == "strict"};
    else if (!equal_ignoring_case(*env, wish.value))
      out.notes.push_back("VLLM_ATTENTION_BACKEND=" + *env + " has no effect: " + wish.origin + " asks for " +
                          wish.value);
  }
  if (config_.mla_prefill_backend && !is_auto(*config_.mla_prefill_backend))
    out.prefill = {Source::argument, *config_.mla_prefill_backend, "--attention-config.mla_prefill_backend", true};
  return out;
}

std::vector<SwitchValue> Runtime::switch_values(const Catalog& catalog, std::vector<std::string>& notes) const {
  std::vector<SwitchValue> out;
  out.reserve(catalog.switches.size());
  for (const ResolvedSwitch& s : catalog.switches) {
    SwitchValue value{s.source->preset.value_or(""), ""};
    std::vector<std::string> read;
    if (const auto env = s.source->env.empty() ? std::nullopt : options_.name_in(s.source->env.c_str(), &read)) {
      value = {normal_flag(*env), s.source->env};
      if (!read.empty() && std::find(notes.begin(), notes.end(), read[0]) == notes.end()) notes.push_back(read[0]);
      if (const auto beaten = config_.values.find(s.source->config);
          beaten != config_.values.end() && beaten->second != value.value) {
        const std::string note =
            s.source->config + "=" + beaten->second + " has no effect: " + s.source->env + " is set";
        if (std::find(notes.begin(), notes.end(), note) == notes.end()) notes.push_back(note);
      }
    } else if (const auto it = config_.values.find(s.source->config); it != config_.values.end()) {
      value = {it->second, s.source->config};
    }
    out.push_back(std::move(value));
  }
  return out;
}

Result<attnrt_problem> Runtime::problem_for(const char* device) const {
  const auto found = parse_device(device ? device : "", machine_);
  if (!found) return found.error();
  return default_problem(*found);
}

Result<std::shared_ptr<const Choice>> Runtime::select(const attnrt_problem& asked) const {
  const auto snapshot = catalog();
  Wishes wished = wishes();
  const std::vector<SwitchValue> switches = switch_values(*snapshot, wished.notes);
  attnrt_problem problem = asked;
  if (const auto flag = options_.name_in("VLLM_BATCH_INVARIANT", &wished.notes); flag && !flag->empty()) {
    if (normal_flag(*flag) == "1")
      problem.determinism = std::max<uint32_t>(problem.determinism, ATTNRT_DETERMINISM_BATCH_INVARIANT);
    else if (normal_flag(*flag) != "0")
      wished.notes.push_back("VLLM_BATCH_INVARIANT=" + *flag + " has no effect, wanted 0 or 1");
  }
  auto made = select_phases(snapshot, problem, wished, switches);
  if (!made) return made.error();
  auto choice = std::make_shared<const Choice>(std::move(*made));
  log_choice(*choice);
  return choice;
}

void Runtime::log_choice(const Choice& choice) const {
  const Log& log = host_->log();
  if (log.silent()) return;
  for (const std::string& warning : choice.warnings) {
    // A variable that cannot be honoured is told once for its value, however many problems it does not suit.
    const std::string value = choice.wish.origin + "=" + choice.wish.value;
    const bool of_wish = choice.wish.source == Source::environment && !choice.honoured && warning.starts_with(value);
    log.once(ATTNRT_LOG_WARNING, warning, of_wish ? value : warning);
  }
  if (choice.prefill)
    for (const std::string& warning : choice.prefill->warnings)
      log.once(ATTNRT_LOG_WARNING, "prefill: " + warning, "prefill: " + warning);
  if (choice.error.status) return;
  // Once for each distinct problem and answer: the bytes of a problem are its identity, it holds no padding.
  std::string key(reinterpret_cast<const char*>(&choice.problem), sizeof choice.problem);
  key += log_line(choice);
  {
    const StateLock lock;
    if (!logged_.insert(std::move(key)).second) return;
  }
  log.write(ATTNRT_LOG_INFO, log_line(choice));
  if (choice.variant && !choice.verified)
    log.write(ATTNRT_LOG_INFO, choice.backend->name + "/" + choice.variant->name + " is not verified on " +
                                   device_kind(choice.problem.device_type, choice.problem.arch, choice.problem.isa));
  if (choice.prefill) log.write(ATTNRT_LOG_INFO, "prefill: " + log_line(*choice.prefill));
}

}  // namespace attnrt::core
