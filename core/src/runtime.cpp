// SPDX-License-Identifier: Apache-2.0
#include "runtime.hpp"

#include "explain.hpp"
#include "overrides.hpp"
#include "problem.hpp"
#include "recalled_probe.hpp"
#include "trust.hpp"
#include "verdicts.hpp"

namespace attnrt::core {

Runtime::Runtime(Options options, std::shared_ptr<const Host> host)
    : options_(std::move(options)), host_(std::move(host)) {}

Result<std::unique_ptr<Runtime>> Runtime::open(Options options, std::shared_ptr<const Host> host) {
  std::unique_ptr<Runtime> rt(new Runtime(std::move(options), std::move(host)));
  const Options here;  // CUDA and HIP heed their variables whatever the engine says
  rt->machine_ = detect_devices(
      {here.env("CUDA_VISIBLE_DEVICES"), here.env("HIP_VISIBLE_DEVICES"), here.env("ROCR_VISIBLE_DEVICES")});
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
  if (Status failed = rt->rescan(); !failed.ok()) return failed;
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

Status Runtime::rescan() {
  // One at a time, or a scan that began before a file changed could overwrite what a later one found.
  const Turn one_scan(rescans_);
  auto table = read_table();
  if (!table) return table.error();
  const std::shared_ptr<const Catalog> before = this->catalog();
  const Probe probe = options_.probe == ATTNRT_PROBE_NEVER ? Probe() : [this](const std::vector<Judged>& files) {
    return recall_or_probe(files, options_, machine_text(machine_), cache_folder(), host_->log());
  };
  auto registry =
      scan(options_, machine_, host_->log(), probe, config_.pins, before ? before->registry.get() : nullptr);
  auto catalog = make_catalog(std::move(registry), std::make_shared<PriorityTable>(std::move(*table)), ledger(),
                              machine_.front().vendor, tuned_here());
  const StateLock lock;
  catalog_.swap(catalog);  // the old one is destroyed when the lock is gone
  return {};
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

Status Runtime::forgive(const std::string& plugin) {
  if (Verdicts(cache_folder(), machine_text(machine_)).forgive(plugin) == 0)
    return invalid("forgive: no crash or timeout of '" + plugin + "' is remembered");
  return rescan();
}

/// What was verified here, and what shipped with the library.
Ledger Runtime::ledger() const { return Ledger::read(shipped_ledger(), cache_folder()); }

/// What was measured on this CPU. A file that is not used is told once.
std::vector<TunedTable> Runtime::tuned_here() const {
  const Tuned tuned = Tuned::read(cache_folder());
  if (!tuned.fault.empty()) {
    const std::string text = "what attnrt tune measured is not used: " + tuned.fault;
    host_->log().once(ATTNRT_LOG_WARNING, text, text);
  }
  return tuned.on(cpu_text(machine_.front()));
}

/// Why nothing can be recorded; OK = it can.
Status Runtime::unkept(const CacheFolder& cache) const {
  if (cache.path().empty())
    return {ATTNRT_UNAVAILABLE,
            "record: there is no cache folder, wanted options.cache_folder, XDG_CACHE_HOME or HOME"};
  if (!cache.refusal().empty()) return {ATTNRT_UNAVAILABLE, "record: the cache folder is not used: " + cache.refusal()};
  return {};
}

Status Runtime::record(const std::vector<TunedTable>& tables) {
  const CacheFolder cache = cache_folder();
  if (Status no = unkept(cache); !no.ok()) return no;
  if (Status failed = Tuned::record(cache, tables); !failed.ok()) return failed;
  return rescan();
}

Status Runtime::record(const std::vector<LedgerEntry>& entries) {
  const CacheFolder cache = cache_folder();
  if (Status no = unkept(cache); !no.ok()) return no;
  if (Status failed = Ledger::record(cache, entries); !failed.ok()) return failed;
  return rescan();
}

std::shared_ptr<const Catalog> Runtime::catalog() const {
  const StateLock lock;
  return catalog_;
}

Status Runtime::known(const std::string& backend) const {
  return is_auto(backend) ? Status{} : catalog()->known(backend);
}

Status Runtime::force(const std::string& backend) {
  if (Status unknown = known(backend); !unknown.ok()) return unknown;
  forces_.set(is_auto(backend) ? "" : backend);
  return {};
}

Status Runtime::push_force(const std::string& backend) {
  if (Status unknown = known(backend); !unknown.ok()) return unknown;
  forces_.push(is_auto(backend) ? "" : backend);
  return {};
}

Status Runtime::pop_force() { return forces_.pop(); }

Result<attnrt_problem> Runtime::problem_for(const char* device) const {
  const auto found = parse_device(device ? device : "", machine_);
  if (!found) return found.error();
  return default_problem(*found);
}

Result<std::shared_ptr<const Choice>> Runtime::select(const attnrt_problem& asked) const {
  const auto snapshot = catalog();
  Wishes wished = wishes(options_, config_, forces_.strongest());
  const std::vector<SwitchValue> switches = switch_values(options_, config_, *snapshot, wished.notes);
  auto made = select_phases(snapshot, with_invariance(asked, options_, wished.notes), wished, switches);
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
  if (!choice.status.ok()) return;
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
