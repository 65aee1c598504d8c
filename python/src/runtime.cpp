// SPDX-License-Identifier: Apache-2.0
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include "attnrt/say.hpp"
#include "bind.hpp"
#include "errors.hpp"
#include "names.hpp"

namespace attnrt::python {
namespace {

/// A Python callable that is called, and let go, from any thread.
std::function<void(int32_t, const char*)> log_of(nb::object callable) {
  if (callable.is_none()) return {};
  const auto let_go = [](PyObject* object) {
    if (!Py_IsInitialized()) return;
    nb::gil_scoped_acquire gil;
    Py_DECREF(object);
  };
  std::shared_ptr<PyObject> kept(callable.release().ptr(), let_go);
  return [kept](int32_t level, const char* text) {
    constexpr const char* kLevels[] = {"debug", "info", "warning", "error"};
    if (!Py_IsInitialized()) return;
    nb::gil_scoped_acquire gil;
    try {
      nb::handle(kept.get())(kLevels[level < 0 || level > 3 ? 3 : level], text);
    } catch (nb::python_error& error) {
      error.discard_as_unraisable("the log of attnrt.Runtime");
    }
  };
}

void open(RuntimeState* self, const std::optional<std::string>& plugin_path,
          const std::optional<std::string>& priority_file, const std::optional<std::string>& attention_backend,
          const std::optional<std::string>& attention_config, const std::optional<std::string>& cache_folder,
          const std::string& probe, bool read_environment, bool trust_any, bool pinned_only, nb::object log) {
  constexpr sdk::Word kProbes[] = {
      {ATTNRT_PROBE_AUTO, "auto"}, {ATTNRT_PROBE_NEVER, "never"}, {ATTNRT_PROBE_ALWAYS, "always"}};
  Options options;
  options.plugin_path = plugin_path.value_or("");
  options.priority_file = priority_file.value_or("");
  options.attention_backend = attention_backend.value_or("");
  options.attention_config = attention_config.value_or("");
  options.cache_folder = cache_folder;
  options.probe = static_cast<uint32_t>(value_of("probe", kProbes, probe));
  options.read_environment = read_environment;
  options.trust_any = trust_any;
  options.pinned_only = pinned_only;
  options.log = log_of(std::move(log));
  std::unique_ptr<Runtime> runtime;
  {
    nb::gil_scoped_release released;
    runtime = std::make_unique<Runtime>(std::move(options));
  }
  new (self) RuntimeState{std::move(runtime)};
}

Problem decoder(const RuntimeState& self, uint32_t num_heads, uint32_t num_kv_heads, uint32_t head_size,
                nb::handle dtype, const std::string& device) {
  return self.runtime->decoder(num_heads, num_kv_heads, head_size, dtype_number("dtype", dtype), device.c_str());
}
Problem encoder(const RuntimeState& self, uint32_t num_heads, uint32_t num_kv_heads, uint32_t head_size,
                nb::handle dtype, const std::string& device) {
  return self.runtime->encoder(num_heads, num_kv_heads, head_size, dtype_number("dtype", dtype), device.c_str());
}
Problem mla(const RuntimeState& self, uint32_t num_heads, nb::handle dtype, const std::string& device, uint32_t kv_lora,
            uint32_t nope, uint32_t rope, uint32_t v) {
  return self.runtime->mla(num_heads, dtype_number("dtype", dtype), device.c_str(), MlaSizes{kv_lora, nope, rope, v});
}

Choice try_select(const RuntimeState& self, const Problem& problem) {
  nb::gil_scoped_release released;
  return self.runtime->try_select(problem);
}

Choice select(const RuntimeState& self, const Problem& problem) {
  nb::gil_scoped_release released;
  attnrt_choice* made = nullptr;
  const attnrt_status status = attnrt_select(self.runtime->get(), &problem, &made);
  if (status == ATTNRT_OK || !made) {
    check(status);
    return Choice(made);
  }
  throw NoBackend(attnrt_last_error(), Choice(made));
}

Op make_op(const RuntimeState& self, const Choice& choice) {
  if (choice && choice.problem().device_type != ATTNRT_DEVICE_CPU)
    throw Error(ATTNRT_UNSUPPORTED,
                sdk::say("op: ", choice.backend(), "/", choice.variant(),
                         " runs on a GPU, wanted a choice for the CPU: the package runs host tensors"));
  nb::gil_scoped_release released;
  return self.runtime->op(choice);
}

ExecutorState executor(nb::handle_t<RuntimeState> self, uint32_t num_workers) {
  const RuntimeState& state = *nb::inst_ptr<RuntimeState>(self);
  const attnrt_executor* pool;
  {
    nb::gil_scoped_release released;
    pool = state.runtime->executor(num_workers);
  }
  return {pool, nb::borrow(self)};
}

/// A document of the runtime, read by json.loads.
nb::object document(const std::string& json) { return nb::module_::import_("json").attr("loads")(json); }

template <std::string (Runtime::*call)() const>
nb::object document_of(const RuntimeState& self) {
  std::string json;
  {
    nb::gil_scoped_release released;
    json = (self.runtime.get()->*call)();
  }
  return document(json);
}

void bind_choice(nb::module_& m) {
  nb::class_<Choice>(m, "Choice", "The result of a selection; immutable. False where there is no winner.")
      .def("__bool__", [](const Choice& c) { return static_cast<bool>(c); })
      .def_prop_ro("backend", &Choice::backend, "\"CPU_ATTN\"; \"\" without a winner.")
      .def_prop_ro("variant", &Choice::variant)
      .def_prop_ro("honoured", &Choice::honoured, "Was the backend chosen that somebody asked for, or did nobody ask?")
      .def_prop_ro("unhonoured", &Choice::unhonoured, "Why it was not, \"\" where it was.")
      .def_prop_ro(
          "problem", [](const Choice& c) { return Problem(c.problem()); },
          "With everything settled: one KV layout, the kernel's block size.")
      .def_prop_ro(
          "prefill",
          [](const Choice& c) {
            const Choice half = c.prefill();
            return half.get() ? nb::cast(half) : nb::none();
          },
          nb::sig("def prefill(self) -> Choice | None"), "The prefill half of a pair, as for MLA.")
      .def(
          "explain", [](const Choice& c) { return c.explain(); }, "Why, as a table for people.")
      .def(
          "explain_all", [](const Choice& c) { return c.explain_all(); },
          "explain() with backends of other families and devices, too.")
      .def_prop_ro(
          "details", [](const Choice& c) { return document(c.json()); }, nb::sig("def details(self) -> dict[str, Any]"),
          "Why, as data: the JSON of attnrt select --json.")
      .def_prop_ro(
          "reasons", [](nb::handle self) { return nb::module_::import_("attnrt.errors").attr("reasons_of")(self); },
          nb::sig("def reasons(self) -> list[Reason]"), "Every refusal of a variant or a backend.")
      .def("__repr__", [](const Choice& c) {
        return c ? sdk::say("attnrt.Choice(", c.backend(), "/", c.variant(), ")") : "attnrt.Choice(no backend)";
      });
}

}  // namespace

const attnrt_executor* pool_of(nb::handle executor) {
  if (!executor.is_valid() || executor.is_none()) return nullptr;
  const ExecutorState* state;
  if (!nb::try_cast(executor, state))
    throw nb::type_error(
        sdk::say("executor is of type ", Py_TYPE(executor.ptr())->tp_name, ", wanted an attnrt.Executor or None")
            .c_str());
  return state->pool;
}

void bind_runtime(nb::module_& m) {
  bind_choice(m);
  nb::class_<ExecutorState>(m, "Executor",
                            "A pool of threads, made by Runtime.executor. One parallel loop at a time: a second caller "
                            "waits.")
      .def_prop_ro("num_workers", [](const ExecutorState& e) { return e.pool->num_workers; });

  const auto quiet = nb::call_guard<nb::gil_scoped_release>();
  nb::class_<RuntimeState>(m, "Runtime",
                           "Plugins, priority table and overrides. Threads may share it; choices and ops outlive it.")
      .def(
          "__init__", &open, nb::kw_only(), nb::arg("plugin_path") = nb::none(), nb::arg("priority_file") = nb::none(),
          nb::arg("attention_backend") = nb::none(), nb::arg("attention_config") = nb::none(),
          nb::arg("cache_folder") = nb::none(), nb::arg("probe") = "auto", nb::arg("read_environment") = true,
          nb::arg("trust_any") = false, nb::arg("pinned_only") = false, nb::arg("log") = nb::none(),
          nb::sig("def __init__(self, *, plugin_path: str | None = None, priority_file: str | None = None, "
                  "attention_backend: str | None = None, attention_config: str | None = None, "
                  "cache_folder: str | None = None, probe: str = 'auto', read_environment: bool = True, "
                  "trust_any: bool = False, pinned_only: bool = False, "
                  "log: Callable[[str, str], None] | None = None) -> None"),
          "Scans the plugin folders and reads the priority table. What is None the environment tells, then the default "
          "holds. log(level, text) is called from any thread.")
      .def("decoder", &decoder, nb::arg("num_heads"), nb::arg("num_kv_heads"), nb::arg("head_size"), nb::arg("dtype"),
           nb::arg("device") = "cpu",
           nb::sig("def decoder(self, num_heads: int, num_kv_heads: int, head_size: int, dtype: object, "
                   "device: str = 'cpu') -> Problem"),
           "A causal decoder over a paged cache, prefill and decode in one batch.")
      .def("encoder", &encoder, nb::arg("num_heads"), nb::arg("num_kv_heads"), nb::arg("head_size"), nb::arg("dtype"),
           nb::arg("device") = "cpu",
           nb::sig("def encoder(self, num_heads: int, num_kv_heads: int, head_size: int, dtype: object, "
                   "device: str = 'cpu') -> Problem"),
           "A model like BERT: every token sees all tokens of its request, without a cache.")
      .def("mla", &mla, nb::arg("num_heads"), nb::arg("dtype"), nb::arg("device") = "cpu", nb::kw_only(),
           nb::arg("kv_lora") = 512, nb::arg("nope") = 128, nb::arg("rope") = 64, nb::arg("v") = 128,
           nb::sig("def mla(self, num_heads: int, dtype: object, device: str = 'cpu', *, kv_lora: int = 512, "
                   "nope: int = 128, rope: int = 64, v: int = 128) -> Problem"),
           "Multi-head latent attention over a cache of latents; the choice is a pair.")
      .def("select", &select, nb::arg("problem"), "Raises NoBackendError, with every reason, where nothing is valid.")
      .def("try_select", &try_select, nb::arg("problem"), "A choice without a winner where nothing is valid.")
      .def("op", &make_op, nb::arg("choice"), nb::sig("def op(self, choice: Choice) -> Op"),
           "Creates the winner of a choice, once a layer shape; may take long.")
      .def("executor", &executor, nb::arg("num_workers") = 0,
           nb::sig("def executor(self, num_workers: int = 0) -> Executor"),
           "A pool of this many threads, the calling one among them; 0 = as many as the process may use.")
      .def(
          "rescan", [](RuntimeState& s) { s.runtime->rescan(); }, quiet, "Looks at the plugin folders again.")
      .def(
          "forgive", [](RuntimeState& s, const std::string& plugin) { s.runtime->forgive(plugin); }, quiet,
          nb::arg("plugin"), "Forgets that a plugin crashed or hung when it was probed, and rescans.")
      .def(
          "force_backend", [](RuntimeState& s, const std::string& name) { s.runtime->force_backend(name); }, quiet,
          nb::arg("name"), "Forces a backend for all threads; \"\" returns to automatic.")
      .def("list", &document_of<&Runtime::list>, nb::sig("def list(self) -> dict[str, Any]"),
           "The files of the plugin folders and their states.")
      .def("doctor", &document_of<&Runtime::doctor>, nb::sig("def doctor(self) -> dict[str, Any]"),
           "Paths, environment, devices and what is wrong with them.")
      .def("priority", &document_of<&Runtime::priority>, nb::sig("def priority(self) -> dict[str, Any]"))
      .def(
          "show",
          [](const RuntimeState& s, const std::string& backend) {
            std::string json;
            {
              nb::gil_scoped_release released;
              json = s.runtime->show(backend);
            }
            return document(json);
          },
          nb::arg("backend"), nb::sig("def show(self, backend: str) -> dict[str, Any]"),
          "A backend's capability sheet.");
}

}  // namespace attnrt::python
