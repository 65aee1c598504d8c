// SPDX-License-Identifier: Apache-2.0
// The runtime's own calls: open, rescan, forces, the log, errors of each thread, NULL everywhere.
#include <sys/stat.h>

#include <algorithm>
#include <thread>

#include "engine.hpp"

using Catch::Matchers::Contains;
namespace fs = std::filesystem;

namespace {

/// The state of a file in the document of attnrt_list, "" where it is not listed.
std::string state_of(const attnrt::Runtime& runtime, const std::string& file) {
  const std::string json = runtime.list();
  const auto at = json.find("\"file\":\"" + file + "\"");
  if (at == std::string::npos) return "";
  const auto state = json.find("\"state\":\"", at) + 9;
  return json.substr(state, json.find('"', state) - state);
}

/// What selection answers for a problem that CPU_ATTN and the fixture can both serve.
std::string chosen(const attnrt::Runtime& runtime) {
  attnrt_problem p = small_problem(runtime, ATTNRT_KV_CONTIGUOUS);
  p.features = 0;
  return runtime.select(p).backend();
}

}  // namespace

TEST_CASE("open judges its options") {
  attnrt_runtime* runtime = reinterpret_cast<attnrt_runtime*>(1);
  auto options = attnrt::sized<attnrt_options>();
  options.struct_size = 8;
  CHECK(attnrt_open(&options, &runtime) == ATTNRT_INVALID);
  CHECK(runtime == nullptr);
  CHECK_THAT(attnrt_last_error(), Contains("options.struct_size is 8, wanted at least"));
  options = attnrt::sized<attnrt_options>();
  options.flags = 8;
  CHECK(attnrt_open(&options, &runtime) == ATTNRT_INVALID);
  CHECK_THAT(attnrt_last_error(), Contains("options.flags holds unknown bits: 8"));
  options.flags = 0;
  options.probe = 3;
  CHECK(attnrt_open(&options, &runtime) == ATTNRT_INVALID);
  CHECK_THAT(attnrt_last_error(), Contains("options.probe is 3, wanted 0 (auto), 1 (never) or 2 (always)"));

  const Scratch one;
  attnrt::Options spoiled = only_plugins();
  spoiled.priority_file = (one.path() / "none.json").string();
  CHECK_THAT(refused([&] { attnrt::Runtime{spoiled}; }), Contains("none.json cannot be read"));
  spoiled.priority_file = one.write("broken.json", "{\"version\": 1,\n oops}").string();
  CHECK_THAT(refused([&] { attnrt::Runtime{spoiled}; }), Contains("broken.json:2:2: "));
  spoiled = only_plugins();
  spoiled.attention_config = "{\"bakend\": \"X\"}";
  CHECK_THAT(refused([&] { attnrt::Runtime{spoiled}; }), Contains("unknown key 'bakend'"));
  spoiled.attention_config = "{\"backend\": \"CPU_ATTN\"}";
  spoiled.attention_backend = "CPU_ATTN";
  CHECK_THAT(refused([&] { attnrt::Runtime{spoiled}; }), Contains("wanted only one of them"));
  CHECK(std::string(attnrt_version()) == ATTNRT_VERSION);
}

TEST_CASE("a folder without plugins is no error") {
  const Scratch one;
  attnrt::Runtime runtime(only_plugins(one.path().string()));
  CHECK_THAT(runtime.list(), Contains("\"plugins\":[]"));
  const attnrt::Choice choice = runtime.try_select(runtime.problem("cpu"));
  CHECK_FALSE(choice);
  CHECK(choice.backend() == "");
  CHECK(choice.variant() == "");
  CHECK_THAT(choice.explain(), Contains("CPU_ATTN"));
  CHECK_THAT(choice.json(), Contains("\"backend\":null") && Contains("not installed"));
  CHECK_THAT(refused([&] { runtime.op(choice); }), Contains("op_create: the choice has no winner"));
  CHECK_THAT(refused([&] { runtime.select(runtime.problem("cpu")); }, ATTNRT_UNSUPPORTED),
             Contains("No valid attention backend found"));
}

TEST_CASE("files come, change and go while the runtime lives") {
  const Scratch one;
  one.install(cpu_attn(), "cpu_attn.so");
  attnrt::Runtime runtime(only_plugins(one.path().string()));
  CHECK(state_of(runtime, "cpu_attn.so") == "loaded");
  CHECK(state_of(runtime, "new.so") == "");
  CHECK_THAT(refused([&] { runtime.force_backend("FIXTURE"); }),
             Contains("Unknown attention backend: 'FIXTURE'. Valid options are: CPU_ATTN"));

  one.install(fixture("first"), "new.so");
  one.write("text.so", "hello");
  CHECK(state_of(runtime, "new.so") == "");
  runtime.rescan();
  CHECK(state_of(runtime, "new.so") == "loaded");
  CHECK(state_of(runtime, "text.so") == "foreign");
  CHECK(chosen(runtime) == "CPU_ATTN");
  runtime.force_backend("fixture");
  CHECK(chosen(runtime) == "FIXTURE");
  attnrt_problem p = small_problem(runtime, ATTNRT_KV_CONTIGUOUS);
  p.features = 0;
  const attnrt::Choice choice = runtime.select(p);
  CHECK(refused([&] { runtime.op(choice); }, ATTNRT_UNAVAILABLE) ==
        "FIXTURE/" + choice.variant() + ": op_create: the fixture computes nothing");

  one.install(fixture("second"), "new.so");
  runtime.rescan();
  CHECK(state_of(runtime, "new.so") == "replaced");
  CHECK(chosen(runtime) == "FIXTURE");

  fs::remove(one.path() / "new.so");
  runtime.rescan();
  CHECK(state_of(runtime, "new.so") == "");
  CHECK_THAT(refused([&] { chosen(runtime); }), Contains("Unknown attention backend: 'fixture'"));
  CHECK_THAT(choice.json(), Contains("\"backend\":\"FIXTURE\""));  // a choice keeps what it was made of
  runtime.force_backend("auto");
  CHECK(chosen(runtime) == "CPU_ATTN");
}

TEST_CASE("selections go on undisturbed while another thread rescans") {
  const Scratch one;
  one.install(cpu_attn(), "cpu_attn.so");
  attnrt::Runtime runtime(only_plugins(one.path().string()));
  const attnrt_problem p = small_problem(runtime, ATTNRT_KV_NHD);
  std::thread other([&] {
    for (int i = 0; i < 30; ++i) {
      one.install(fixture(i % 2 ? "first" : "refusing"), "new.so");
      attnrt_rescan(runtime.get());
    }
  });
  int wrong = 0;
  for (int i = 0; i < 300; ++i) {
    attnrt_choice* choice = nullptr;
    wrong += attnrt_select(runtime.get(), &p, &choice) != ATTNRT_OK ||
             std::strcmp(attnrt_choice_backend(choice), "CPU_ATTN") != 0;
    attnrt_choice_free(choice);
  }
  other.join();
  CHECK(wrong == 0);
}

TEST_CASE("a scoped force holds for its thread and scope, nests, and goes with an exception") {
  const Scratch one;
  one.install(cpu_attn(), "cpu_attn.so");
  one.install(fixture("first"), "fixture.so");
  attnrt::Runtime runtime(only_plugins(one.path().string())), stranger(only_plugins(one.path().string()));
  CHECK(chosen(runtime) == "CPU_ATTN");
  {
    const attnrt::ForceBackend outer(runtime, "FIXTURE");
    CHECK(chosen(runtime) == "FIXTURE");
    CHECK(chosen(stranger) == "CPU_ATTN");
    std::string elsewhere;
    std::thread([&] { elsewhere = chosen(runtime); }).join();
    CHECK(elsewhere == "CPU_ATTN");
    try {
      const attnrt::ForceBackend inner(runtime, "CPU_ATTN");
      CHECK(chosen(runtime) == "CPU_ATTN");
      throw std::runtime_error("left");
    } catch (const std::runtime_error&) {
    }
    CHECK(chosen(runtime) == "FIXTURE");
    CHECK_THAT(refused([&] { attnrt::ForceBackend unknown(runtime, "NONE_SUCH"); }),
               Contains("Unknown attention backend: 'NONE_SUCH'"));
    CHECK(chosen(runtime) == "FIXTURE");
    CHECK_THAT(refused([&] { attnrt::ForceBackend absent(runtime, "flash_attn"); }, ATTNRT_UNSUPPORTED),
               Contains("not installed"));
  }
  CHECK(chosen(runtime) == "CPU_ATTN");
  runtime.force_backend("FIXTURE");
  {
    const attnrt::ForceBackend scoped(runtime, "CPU_ATTN");
    CHECK(chosen(runtime) == "CPU_ATTN");
  }
  {
    const attnrt::ForceBackend nobody(runtime, "auto");  // the next weaker source decides
    CHECK(chosen(runtime) == "FIXTURE");
  }
  CHECK(chosen(runtime) == "FIXTURE");
  runtime.force_backend("");
  CHECK(chosen(runtime) == "CPU_ATTN");
  CHECK(attnrt_pop_force(runtime.get()) == ATTNRT_INVALID);
  CHECK_THAT(attnrt_last_error(), Contains("this thread forces nothing, wanted a push_force before"));
}

TEST_CASE("the log gets each distinct choice once, and what a plugin says") {
  const Scratch one;
  one.install(cpu_attn(), "cpu_attn.so");
  one.install(fixture("first"), "fixture.so");
  chmod((one.path() / "fixture.so").c_str(), 0666);
  std::vector<std::string> lines;
  attnrt::Options options = only_plugins(one.path().string() + ":plugins:/nowhere/at/all");
  options.trust_any = true;
  options.log = [&lines](int32_t level, const char* text) { lines.push_back(std::to_string(level) + " " + text); };
  attnrt::Runtime runtime(options);
  const auto count = [&lines](const std::string& text) {
    return std::count_if(lines.begin(), lines.end(),
                         [&](const std::string& line) { return line.find(text) != std::string::npos; });
  };
  CHECK(count("2 loading " + (one.path() / "fixture.so").string() + " although") == 1);
  CHECK(count("0 " + (one.path() / "cpu_attn.so").string() + ": loaded") == 1);
  CHECK(count("2 plugins of plugins are not seen: the folder 'plugins' is relative, wanted an absolute path") == 1);
  CHECK(count("2 plugins of /nowhere/at/all are not seen: the folder cannot be read: No such file") == 1);
  for (int i = 0; i < 3; ++i) chosen(runtime);
  CHECK(count("1 Using CPU_ATTN attention backend out of potential backends: ['CPU_ATTN', 'FIXTURE'].") == 1);
  attnrt_problem p = small_problem(runtime, ATTNRT_KV_CONTIGUOUS);
  runtime.select(p);
  CHECK(count("Using CPU_ATTN attention backend") == 2);
  const attnrt::ForceBackend forced(runtime, "FIXTURE");
  p.features = 0;
  CHECK_THAT(refused([&] { runtime.op(runtime.select(p)); }, ATTNRT_UNAVAILABLE),
             Contains(": op_create: the fixture computes nothing"));
  CHECK(count("2 the fixture was asked to create an op") == 1);
}

TEST_CASE("a log that throws loses its line and nothing else") {
  attnrt::Options options = only_plugins();
  int lines = 0;
  options.log = [&lines](int32_t, const char*) {
    ++lines;
    throw std::runtime_error("the disk is full");
  };
  const attnrt::Runtime runtime(options);
  CHECK(chosen(runtime) == "CPU_ATTN");
  CHECK(lines > 0);
}

TEST_CASE("a problem's device and size are judged") {
  attnrt::Runtime runtime(only_plugins());
  CHECK_THAT(refused([&] { runtime.problem("tpu"); }), Contains("device is 'tpu', wanted cpu"));
  attnrt_problem p = runtime.problem("cuda:9.0");
  CHECK(p.device_id == -1);
  CHECK(p.arch == 90);
  p.struct_size = 16;
  CHECK_THAT(refused([&] { runtime.select(p); }), Contains("problem.struct_size is 16, wanted at least"));
  CHECK(attnrt_problem_init(runtime.get(), "cpu", &p) == ATTNRT_INVALID);
  CHECK_THAT(attnrt_last_error(), Contains("problem.struct_size is 16, wanted at least"));
  p = runtime.problem("cpu:baseline");
  p.num_kv_heads = 5;
  CHECK_THAT(refused([&] { runtime.select(p); }), Contains("num_heads is 32, wanted a multiple of num_kv_heads 5"));
  p.num_heads = 0;
  const attnrt::Choice nothing = runtime.select(p);
  CHECK(nothing.backend() == "NO_ATTENTION");
  CHECK(nothing.variant() == "");
  CHECK_THAT(refused([&] { runtime.op(nothing); }), Contains("no attention layers, there is nothing to create"));
  attnrt_problem elsewhere = small_problem(runtime, ATTNRT_KV_NHD);
  elsewhere.device_id = -1;
  CHECK_THAT(refused([&] { runtime.op(runtime.select(elsewhere)); }, ATTNRT_UNAVAILABLE),
             Contains("hardware that is not in this machine"));
}

TEST_CASE("documents and pools") {
  attnrt::Runtime runtime(only_plugins());
  CHECK_THAT(runtime.show("cpu_attn"), Contains("\"backend\":\"CPU_ATTN\""));
  CHECK_THAT(refused([&] { runtime.show("FLASHINFER"); }, ATTNRT_UNSUPPORTED), Contains("not installed"));
  CHECK_THAT(refused([&] { runtime.show("NONE"); }), Contains("Unknown attention backend: 'NONE'"));
  CHECK(refused([&] { runtime.show("cpu_attn/portable"); }) ==
        "show: backend is 'cpu_attn/portable', wanted its name without a variant");
  CHECK(refused([&] { runtime.record("CPU_ATTN/portable", "portable", "cpu", "tried", true); }) ==
        "record: backend is 'CPU_ATTN/portable', wanted its name without a variant");
  CHECK(refused([&] { runtime.record("CPU_ATTN", "portable", "fake:cuda:9.0", "tried", true); }) ==
        "record: device is 'fake:cuda:9.0', wanted cpu, cuda:9.0, rocm:gfx942 or 'emulated cuda:9.0'");
  CHECK_THAT(refused([&] { runtime.record("CPU_ATTN", "quick", "cpu", "tried", true); }),
             Contains("Unknown variant 'quick' of attention backend CPU_ATTN"));
  CHECK_THAT(refused([&] { runtime.record("CPU_ATTN", "portable", "emulated nothing", "tried", true); }),
             Contains("device is 'emulated nothing', wanted cpu, cuda:9.0, rocm:gfx942 or 'emulated cuda:9.0'"));
  CHECK_THAT(runtime.doctor(), Contains("\"devices\":") && Contains("\"findings\":"));
  CHECK(runtime.executor(3) == runtime.executor(3));
  CHECK(runtime.executor(3)->num_workers == 3);
  CHECK_THAT(refused([&] { runtime.executor(5000); }, ATTNRT_FAILED),
             Contains("num_workers is 5000, wanted 0 to 4096"));
}

TEST_CASE("what passed on an emulator is shown beside what was verified, and verifies nothing") {
  const Scratch cache;
  attnrt::Options options = only_plugins();
  options.cache_folder = cache.path().string();
  attnrt::Runtime runtime(options);
  runtime.record("CPU_ATTN", "portable", "emulated cuda:9.0", "quick: tried", true);
  CHECK_THAT(runtime.show("CPU_ATTN"), Contains(" as cuda:9.0: quick: tried\"") && !Contains(" on cuda:9.0"));
  CHECK_THAT(runtime.list(), Contains("\"verified\":{},\"emulated\":{\"portable\":[\"cuda:9.0\"]}"));
  runtime.record("CPU_ATTN", "portable", "cuda:9.0", "tried", true);
  CHECK_THAT(runtime.list(),
             Contains("\"verified\":{\"portable\":[\"cuda:9.0\"]},\"emulated\":{\"portable\":[\"cuda:9.0\"]}"));
  // One that fails afterwards counts no more.
  runtime.record("CPU_ATTN", "portable", "emulated cuda:9.0", "tried", false);
  CHECK_THAT(runtime.list(), Contains("\"verified\":{\"portable\":[\"cuda:9.0\"]},\"emulated\":{}"));
}

TEST_CASE("the last error belongs to its thread") {
  attnrt::Runtime runtime(only_plugins());
  CHECK(attnrt_force_backend(runtime.get(), "HERE") == ATTNRT_INVALID);
  std::string before, after;
  std::thread([&] {
    before = attnrt_last_error();
    attnrt_force_backend(runtime.get(), "THERE");
    after = attnrt_last_error();
  }).join();
  CHECK(before == "");
  CHECK_THAT(after, Contains("'THERE'"));
  CHECK_THAT(attnrt_last_error(), Contains("'HERE'"));
}

TEST_CASE("NULL is refused by every call, and freed by every free") {
  Engine engine(ATTNRT_KV_NHD);
  attnrt_runtime* rt = engine.runtime.get();
  const Step step(true);
  attnrt_problem p = small_problem(engine.runtime, ATTNRT_KV_NHD);
  attnrt_text* text = nullptr;
  attnrt_choice* choice = nullptr;
  attnrt_op* op = nullptr;
  attnrt_plan* plan = nullptr;
  REQUIRE(attnrt_op_create(rt, engine.choice.get(), &op) == ATTNRT_OK);
  REQUIRE(attnrt_plan_create(op, &step.limits, nullptr, &plan) == ATTNRT_OK);
  REQUIRE(attnrt_plan_update(plan, &step.batch, nullptr) == ATTNRT_OK);
  auto sizes = attnrt::sized<attnrt_workspace>();
  auto layout = attnrt::sized<attnrt_kv_layout>();
  attnrt_op* other_op = nullptr;
  attnrt_plan* other_plan = nullptr;
  const attnrt_status answers[] = {attnrt_open(nullptr, nullptr),
                                   attnrt_rescan(nullptr),
                                   attnrt_force_backend(nullptr, "X"),
                                   attnrt_push_force(nullptr, "X"),
                                   attnrt_pop_force(nullptr),
                                   attnrt_list(nullptr, &text),
                                   attnrt_list(rt, nullptr),
                                   attnrt_show(nullptr, "X", &text),
                                   attnrt_show(rt, nullptr, &text),
                                   attnrt_show(rt, "CPU_ATTN", nullptr),
                                   attnrt_doctor(nullptr, &text),
                                   attnrt_doctor(rt, nullptr),
                                   attnrt_record_timings(nullptr, nullptr, 0),
                                   attnrt_record_timings(rt, nullptr, 1),
                                   attnrt_problem_init(nullptr, "cpu", &p),
                                   attnrt_problem_init(rt, "cpu", nullptr),
                                   attnrt_select(nullptr, &p, &choice),
                                   attnrt_select(rt, nullptr, &choice),
                                   attnrt_select(rt, &p, nullptr),
                                   attnrt_op_create(nullptr, engine.choice.get(), &other_op),
                                   attnrt_op_create(rt, nullptr, &other_op),
                                   attnrt_op_create(rt, engine.choice.get(), nullptr),
                                   attnrt_op_kv_layout(nullptr, &layout),
                                   attnrt_op_kv_layout(op, nullptr),
                                   attnrt_op_workspace(nullptr, &step.limits, &sizes),
                                   attnrt_op_workspace(op, nullptr, &sizes),
                                   attnrt_op_workspace(op, &step.limits, nullptr),
                                   attnrt_plan_create(nullptr, &step.limits, nullptr, &other_plan),
                                   attnrt_plan_create(op, nullptr, nullptr, &other_plan),
                                   attnrt_plan_create(op, &step.limits, nullptr, nullptr),
                                   attnrt_run(nullptr, &step.run, nullptr),
                                   attnrt_run(plan, nullptr, nullptr),
                                   attnrt_write_kv(nullptr, &step.write, nullptr),
                                   attnrt_write_kv(op, nullptr, nullptr),
                                   attnrt_gather_kv(nullptr, nullptr, nullptr),
                                   attnrt_gather_kv(op, nullptr, nullptr),
                                   attnrt_merge_states(nullptr, nullptr, nullptr),
                                   attnrt_merge_states(op, nullptr, nullptr),
                                   attnrt_plan_update(nullptr, &step.batch, nullptr),
                                   attnrt_plan_update(plan, nullptr, nullptr)};
  for (std::size_t i = 0; i < std::size(answers); ++i) {
    CAPTURE(i);
    CHECK(answers[i] == ATTNRT_INVALID);
  }
  CHECK_THAT(attnrt_last_error(), Contains("is NULL, wanted"));
  CHECK(attnrt_default_executor(nullptr, 1) == nullptr);
  CHECK(attnrt_text_data(nullptr) == std::string());
  CHECK(attnrt_choice_backend(nullptr) == nullptr);
  CHECK(attnrt_choice_honoured(nullptr) == 0);
  CHECK(attnrt_choice_unhonoured(nullptr) == std::string());
  CHECK(attnrt_choice_variant(nullptr) == nullptr);
  CHECK(attnrt_choice_problem(nullptr) == nullptr);
  CHECK(attnrt_choice_prefill(nullptr) == nullptr);
  CHECK(attnrt_choice_explain(nullptr) == std::string());
  CHECK(attnrt_choice_json(nullptr) == std::string());
  attnrt_text_free(nullptr);
  attnrt_choice_free(nullptr);
  attnrt_plan_free(nullptr);
  attnrt_op_free(nullptr);
  attnrt_close(nullptr);
  attnrt_plan_free(plan);
  attnrt_op_free(op);
}
