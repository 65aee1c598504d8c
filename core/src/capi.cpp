// SPDX-License-Identifier: Apache-2.0
//
// attnrt.h over the core: handles, the last error of each thread, and a wall that no exception passes.
#include "attnrt/attnrt.h"

#include <atomic>
#include <cstdint>
#include <string>

#include "attnrt/flex/canonical.hpp"
#include "explain.hpp"
#include "flex/parser.hpp"
#include "flex/print.hpp"
#include "json_text.hpp"
#include "reasons.hpp"
#include "recorded_timings.hpp"
#include "report.hpp"
#include "runtime.hpp"
#include "words.hpp"

using namespace attnrt::core;
namespace sdk = attnrt::sdk;

struct attnrt_runtime {
  std::unique_ptr<Runtime> runtime;
};
/// A text that its first reader builds. Without a lock, so that the child of a fork need not wait for a reader that is
/// not there: of several first readers one's text is kept.
class LazyText {
 public:
  LazyText() = default;
  ~LazyText() { delete text_.load(std::memory_order_relaxed); }
  LazyText(const LazyText&) = delete;
  LazyText& operator=(const LazyText&) = delete;

  template <class Build>
  const char* get(Build&& build) {
    const std::string* text = text_.load(std::memory_order_acquire);
    if (!text) {
      auto own = std::make_unique<const std::string>(build());
      if (text_.compare_exchange_strong(text, own.get(), std::memory_order_acq_rel)) text = own.release();
    }
    return text->c_str();
  }

 private:
  std::atomic<const std::string*> text_{nullptr};
};

struct attnrt_choice {
  std::shared_ptr<const Choice> choice;
  std::unique_ptr<attnrt_choice> prefill;
  std::string unhonoured;
  mutable LazyText text, text_of_all, json;
};
struct attnrt_op {
  std::unique_ptr<Op> op;
};
struct attnrt_plan {
  std::unique_ptr<Plan> plan;
};
struct attnrt_flex {
  attnrt::flex::Program program;
  std::string bytes;         ///< its canonical form
  attnrt_flex_program view;  ///< of the bytes
};
struct attnrt_text {
  std::string text;
};

namespace {

thread_local std::string last_error;

attnrt_status fail(const Status& error) {
  last_error = printable(error.text, SIZE_MAX);  // it may name a path, a variable or a plugin's words
  return error.code;
}

/// Runs a call that answers a Status; whatever is thrown becomes a status.
template <class Call>
attnrt_status guarded(Call&& call) noexcept {
  try {
    const Status result = call();
    return result.ok() ? ATTNRT_OK : fail(result);
  } catch (const std::bad_alloc&) {
    last_error = "out of memory";  // 13 characters fit into the string itself
    return ATTNRT_NO_MEMORY;
  } catch (const std::exception& e) {
    try {
      last_error = printable(e.what());
    } catch (...) {
      last_error.clear();
    }
    return ATTNRT_FAILED;
  } catch (...) {
    last_error.clear();
    return ATTNRT_FAILED;
  }
}

const Status kDone{};

Status null_argument(const char* what) { return {ATTNRT_INVALID, std::string(what) + " is NULL, wanted a pointer"}; }
Status names_a_variant(const char* call, const char* backend) {
  return invalid(std::string(call) + ": backend is '" + backend + "', wanted its name without a variant");
}

Status long_enough(const attnrt_problem& p) {
  constexpr uint32_t base = sdk::base_size<attnrt_problem>;
  if (p.struct_size >= base) return kDone;
  return invalid("problem.struct_size is " + std::to_string(p.struct_size) + ", wanted at least " +
                 std::to_string(base));
}

/// Puts a result's value behind a handle.
template <class Handle, class T>
Status give(Result<T> result, Handle** out) {
  if (!result) return result.error();
  *out = new Handle{std::move(*result)};
  return kDone;
}

/// An error of a kernel's call as its caller needs it, who may hold many ops: "CPU_ATTN/avx2: run: ...".
Status of_call(const Choice& choice, const char* call, const Status& error) {
  if (!choice.backend || !choice.variant) return {error.code, std::string(call) + ": " + error.text};
  return {error.code, choice.backend->name + "/" + choice.variant->name + ": " + call + ": " + error.text};
}
Status of_call(const Op& op, const char* call, Status result) {
  return result.ok() ? result : of_call(op.choice(), call, result);
}

std::unique_ptr<attnrt_choice> wrap(std::shared_ptr<const Choice> choice) {
  auto handle = std::make_unique<attnrt_choice>();
  if (choice->prefill) handle->prefill = wrap(choice->prefill);
  handle->unhonoured = printable(unhonoured_text(*choice), SIZE_MAX);
  handle->choice = std::move(choice);
  return handle;
}

Status give_json(boost::json::object document, attnrt_text** out) {
  *out = new attnrt_text{json_text(std::move(document))};
  return kDone;
}

}  // namespace

extern "C" {

const char* attnrt_last_error(void) { return last_error.c_str(); }
const char* attnrt_version(void) { return ATTNRT_VERSION; }

attnrt_status attnrt_open(const attnrt_options* options, attnrt_runtime** runtime) {
  return guarded([&]() -> Status {
    if (!runtime) return null_argument("open: runtime");
    *runtime = nullptr;
    auto own = Options::from(options);
    if (!own) return own.error();
    auto host = std::make_shared<const Host>(options ? options->log : nullptr, options ? options->log_self : nullptr);
    return give(Runtime::open(std::move(*own), std::move(host)), runtime);
  });
}

void attnrt_close(attnrt_runtime* runtime) { delete runtime; }

attnrt_status attnrt_rescan(attnrt_runtime* runtime) {
  return guarded([&] { return runtime ? runtime->runtime->rescan() : null_argument("rescan: runtime"); });
}
attnrt_status attnrt_forgive(attnrt_runtime* runtime, const char* plugin) {
  return guarded([&] {
    return runtime && plugin ? runtime->runtime->forgive(plugin) : null_argument("forgive: runtime or plugin");
  });
}
attnrt_status attnrt_force_backend(attnrt_runtime* runtime, const char* backend) {
  return guarded([&] {
    return runtime ? runtime->runtime->force(backend ? backend : "") : null_argument("force_backend: runtime");
  });
}
attnrt_status attnrt_push_force(attnrt_runtime* runtime, const char* backend) {
  return guarded([&] {
    return runtime ? runtime->runtime->push_force(backend ? backend : "") : null_argument("push_force: runtime");
  });
}
attnrt_status attnrt_pop_force(attnrt_runtime* runtime) {
  return guarded([&] { return runtime ? runtime->runtime->pop_force() : null_argument("pop_force: runtime"); });
}

attnrt_status attnrt_list(attnrt_runtime* runtime, attnrt_text** json) {
  return guarded([&] {
    if (!runtime || !json) return null_argument("list: runtime or json");
    return give_json(list_json(*runtime->runtime->catalog()->registry, runtime->runtime->ledger()), json);
  });
}

attnrt_status attnrt_show(attnrt_runtime* runtime, const char* backend, attnrt_text** json) {
  return guarded([&]() -> Status {
    if (!runtime || !backend || !json) return null_argument("show: runtime, backend or json");
    const auto catalog = runtime->runtime->catalog();
    if (Status unknown = catalog->known(backend); !unknown.ok()) return unknown;
    const BackendEntry* entry = catalog->registry->find(backend);
    if (!entry) return names_a_variant("show", backend);
    return give_json(show_json(*catalog->registry, runtime->runtime->ledger(), *entry, runtime->runtime->machine()),
                     json);
  });
}

attnrt_status attnrt_doctor(attnrt_runtime* runtime, attnrt_text** json) {
  return guarded([&] {
    if (!runtime || !json) return null_argument("doctor: runtime or json");
    const Runtime& rt = *runtime->runtime;
    return give_json(doctor_json(*rt.catalog(), rt.options(), rt.machine(), rt.cache_folder()), json);
  });
}

attnrt_status attnrt_record(attnrt_runtime* runtime, const char* backend, const char* variant, const char* device,
                            const char* result, int32_t passed) {
  return guarded([&]() -> Status {
    if (!runtime || !backend || !variant || !device || !result) return null_argument("record: an argument");
    const auto catalog = runtime->runtime->catalog();
    if (Status unknown = catalog->known(backend); !unknown.ok()) return unknown;
    const BackendEntry* entry = catalog->registry->find(backend);
    if (!entry) return names_a_variant("record", backend);
    if (Status unknown = catalog->known(entry->name + "/" + variant); !unknown.ok()) return unknown;
    const uint64_t isa = runtime->runtime->machine().front().device.isa;  // the CPU stands first
    constexpr std::string_view played = "emulated ";
    std::string kind = std::string_view(device) == "cpu" ? device_kind(ATTNRT_DEVICE_CPU, 0, isa) : device;
    const bool emulated = kind.starts_with(played);
    if (emulated) kind.erase(0, played.size());
    if (!parse_device_kind(kind))
      return invalid("record: device is '" + std::string(device) +
                     "', wanted cpu, cuda:9.0, rocm:gfx942 or 'emulated cuda:9.0'");
    const Inspection& file = catalog->registry->file_of(*entry).inspection;
    return runtime->runtime->record(
        {{file.name, file.build_id, entry->name, variant, kind, today(), result, passed != 0, false, emulated}});
  });
}

attnrt_status attnrt_record_timings(attnrt_runtime* runtime, const attnrt_timing* timings, uint32_t count) {
  return guarded([&]() -> Status {
    if (!runtime || (count && !timings)) return null_argument("record_timings: runtime or timings");
    Runtime& rt = *runtime->runtime;
    const auto tables = recorded_timings(*rt.catalog(), cpu_text(rt.machine().front()), timings, count);
    return tables ? rt.record(*tables) : tables.error();
  });
}

attnrt_status attnrt_priority(attnrt_runtime* runtime, attnrt_text** json) {
  return guarded([&]() -> Status {
    if (!runtime || !json) return null_argument("priority: runtime or json");
    const auto table = runtime->runtime->catalog()->table;
    boost::json::object document = boost::json::parse(table->json).as_object();
    document["file"] = table->file;
    return give_json(std::move(document), json);
  });
}

attnrt_status attnrt_flex_parse(const char* text, const char* name, const char* const* buffers, uint32_t num_buffers,
                                attnrt_flex** program) {
  return guarded([&]() -> Status {
    if (!text || !program || (num_buffers && !buffers)) return null_argument("flex_parse: text, buffers or program");
    *program = nullptr;
    std::vector<attnrt::flex::Buffer> declared;
    for (uint32_t i = 0; i < num_buffers; ++i) {
      if (!buffers[i]) return null_argument("flex_parse: a buffer");
      auto buffer = parse_flex_buffer(buffers[i], buffers[i]);
      if (!buffer) return buffer.error();
      declared.push_back(std::move(*buffer));
    }
    auto parsed = parse_flex(text, name ? name : "flex", std::move(declared));
    if (!parsed) return parsed.error();
    auto made = std::make_unique<attnrt_flex>();
    made->bytes = attnrt::flex::write_canonical(*parsed);
    made->program = std::move(*parsed);
    made->view = {sizeof made->view, static_cast<uint32_t>(made->program.buffers.size()), made->bytes.size(),
                  made->bytes.c_str()};
    *program = made.release();
    return kDone;
  });
}
void attnrt_flex_free(attnrt_flex* program) { delete program; }
const attnrt_flex_program* attnrt_flex_bytes(const attnrt_flex* program) { return program ? &program->view : nullptr; }
const char* attnrt_flex_buffer(const attnrt_flex* program, uint32_t index) {
  return program && index < program->program.buffers.size() ? program->program.buffers[index].name.c_str() : nullptr;
}
attnrt_status attnrt_flex_print(const attnrt_flex* program, int32_t simplified, attnrt_text** text) {
  return guarded([&]() -> Status {
    if (!program || !text) return null_argument("flex_print: program or text");
    *text = new attnrt_text{print_flex(simplified ? attnrt::flex::simplify(program->program) : program->program)};
    return kDone;
  });
}

const char* attnrt_text_data(const attnrt_text* text) { return text ? text->text.c_str() : ""; }
void attnrt_text_free(attnrt_text* text) { delete text; }

const attnrt_executor* attnrt_default_executor(attnrt_runtime* runtime, uint32_t num_workers) {
  const attnrt_executor* pool = nullptr;
  guarded([&]() -> Status {
    if (!runtime) return null_argument("default_executor: runtime");
    if (num_workers > 4096)
      return invalid("default_executor: num_workers is " + std::to_string(num_workers) + ", wanted 0 to 4096");
    pool = runtime->runtime->host()->executor(num_workers);
    return kDone;
  });
  return pool;
}

attnrt_status attnrt_problem_init(attnrt_runtime* runtime, const char* device, attnrt_problem* problem) {
  return guarded([&]() -> Status {
    if (!runtime || !problem) return null_argument("problem_init: runtime or problem");
    if (Status shorter = long_enough(*problem); !shorter.ok()) return shorter;
    auto made = runtime->runtime->problem_for(device);
    if (!made) return made.error();
    sdk::give(*made, problem);
    return kDone;
  });
}

attnrt_status attnrt_select(attnrt_runtime* runtime, const attnrt_problem* problem, attnrt_choice** choice) {
  return guarded([&]() -> Status {
    if (!runtime || !problem || !choice) return null_argument("select: runtime, problem or choice");
    *choice = nullptr;
    if (Status shorter = long_enough(*problem); !shorter.ok()) return shorter;
    attnrt_problem own;
    sdk::take(*problem, own);
    auto made = runtime->runtime->select(own);
    if (!made) return made.error();
    const Status error = (*made)->status;
    if (error.code != ATTNRT_INVALID) *choice = wrap(std::move(*made)).release();
    return error;
  });
}

void attnrt_choice_free(attnrt_choice* choice) { delete choice; }

const char* attnrt_choice_backend(const attnrt_choice* choice) {
  if (!choice) return nullptr;
  const Choice& c = *choice->choice;
  if (c.attention_free) return "NO_ATTENTION";
  return c.backend && c.status.ok() ? c.backend->name.c_str() : nullptr;
}
const char* attnrt_choice_variant(const attnrt_choice* choice) {
  if (!choice) return nullptr;
  const Choice& c = *choice->choice;
  if (c.attention_free) return "";
  return c.variant && c.status.ok() ? c.variant->name : nullptr;
}
int32_t attnrt_choice_honoured(const attnrt_choice* choice) { return choice && choice->unhonoured.empty(); }
const char* attnrt_choice_unhonoured(const attnrt_choice* choice) { return choice ? choice->unhonoured.c_str() : ""; }
const attnrt_problem* attnrt_choice_problem(const attnrt_choice* choice) {
  return choice ? &choice->choice->problem : nullptr;
}
const attnrt_choice* attnrt_choice_prefill(const attnrt_choice* choice) {
  return choice ? choice->prefill.get() : nullptr;
}

const char* attnrt_choice_explain(const attnrt_choice* choice) {
  const char* text = "";
  if (choice)
    guarded([&] {
      text = choice->text.get([choice] { return explain_text(*choice->choice); });
      return kDone;
    });
  return text;
}
const char* attnrt_choice_explain_all(const attnrt_choice* choice) {
  const char* text = "";
  if (choice)
    guarded([&] {
      text = choice->text_of_all.get([choice] { return explain_text(*choice->choice, true); });
      return kDone;
    });
  return text;
}
const char* attnrt_choice_json(const attnrt_choice* choice) {
  const char* text = "";
  if (choice)
    guarded([&] {
      text = choice->json.get([choice] { return json_text(choice_json(*choice->choice)); });
      return kDone;
    });
  return text;
}

attnrt_status attnrt_op_create(attnrt_runtime* runtime, const attnrt_choice* choice, attnrt_op** op) {
  return guarded([&]() -> Status {
    if (!runtime || !choice || !op) return null_argument("op_create: runtime, choice or op");
    *op = nullptr;
    auto made = Op::create(runtime->runtime->host(), choice->choice);
    if (!made) return of_call(*choice->choice, "op_create", made.error());
    return give(std::move(made), op);
  });
}
void attnrt_op_free(attnrt_op* op) { delete op; }

const attnrt_problem* attnrt_op_problem(const attnrt_op* op) { return op ? &op->op->problem() : nullptr; }
attnrt_status attnrt_op_kv_layout(const attnrt_op* op, attnrt_kv_layout* layout) {
  return guarded(
      [&] { return op ? of_call(*op->op, "kv_layout", op->op->kv_layout(layout)) : null_argument("kv_layout: op"); });
}
attnrt_status attnrt_op_workspace(const attnrt_op* op, const attnrt_limits* limits, attnrt_workspace* sizes) {
  return guarded([&] {
    return op ? of_call(*op->op, "workspace", op->op->workspace(limits, sizes)) : null_argument("workspace: op");
  });
}

attnrt_status attnrt_plan_create(const attnrt_op* op, const attnrt_limits* limits, const attnrt_memory* memory,
                                 attnrt_plan** plan) {
  return guarded([&]() -> Status {
    if (!op || !plan) return null_argument("plan_create: op or plan");
    *plan = nullptr;
    auto made = Plan::create(*op->op, limits, memory);
    if (!made) return of_call(op->op->choice(), "plan_create", made.error());
    return give(std::move(made), plan);
  });
}
void attnrt_plan_free(attnrt_plan* plan) { delete plan; }

attnrt_status attnrt_plan_update(attnrt_plan* plan, const attnrt_batch* batch, attnrt_stream stream) {
  return guarded([&] {
    return plan ? of_call(plan->plan->op(), "plan_update", plan->plan->update(batch, stream))
                : null_argument("plan_update: plan");
  });
}
attnrt_status attnrt_run(const attnrt_plan* plan, const attnrt_run_args* args, attnrt_stream stream) {
  return guarded([&] {
    return plan ? of_call(plan->plan->op(), "run", plan->plan->run(args, stream)) : null_argument("run: plan");
  });
}
attnrt_status attnrt_write_kv(const attnrt_op* op, const attnrt_write_args* args, attnrt_stream stream) {
  return guarded([&] {
    return op ? of_call(*op->op, "write_kv", op->op->write_kv(args, stream)) : null_argument("write_kv: op");
  });
}
attnrt_status attnrt_gather_kv(const attnrt_op* op, const attnrt_gather_args* args, attnrt_stream stream) {
  return guarded([&] {
    return op ? of_call(*op->op, "gather_kv", op->op->gather_kv(args, stream)) : null_argument("gather_kv: op");
  });
}
attnrt_status attnrt_merge_states(const attnrt_op* op, const attnrt_merge_args* args, attnrt_stream stream) {
  return guarded([&] {
    return op ? of_call(*op->op, "merge_states", op->op->merge_states(args, stream))
              : null_argument("merge_states: op");
  });
}

}  // extern "C"
