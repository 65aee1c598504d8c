// SPDX-License-Identifier: Apache-2.0
// Variables as people and containers write them, and how an engine without a log sees that one was not honoured.
#include "engine.hpp"

using Catch::Matchers::Contains;

namespace {

attnrt::Options listening(const std::string& path) {
  attnrt::Options options = only_plugins(path);
  options.read_environment = true;
  return options;
}

attnrt_problem plain(const attnrt::Runtime& runtime) {
  attnrt_problem p = small_problem(runtime, ATTNRT_KV_CONTIGUOUS);
  p.features = 0;
  return p;
}

}  // namespace

TEST_CASE("a name in the environment is read without the blanks, line ends and quotes around it") {
  const Scratch one;
  one.install(cpu_attn(), "cpu_attn.so");
  one.install(fixture("first"), "fixture.so");
  const EnvironmentVariable none("ATTNRT_OVERRIDE", std::nullopt);
  const attnrt::Runtime runtime(listening(one.path().string()));
  for (const char* held : {"FIXTURE", "FIXTURE ", " fixture\n", "\"FIXTURE\"", "'FIXTURE'\r\n", "\t\"FIXTURE\" "}) {
    CAPTURE(held);
    const EnvironmentVariable wish("VLLM_ATTENTION_BACKEND", held);
    const attnrt::Choice choice = runtime.select(plain(runtime));
    CHECK(choice.backend() == "FIXTURE");
    CHECK(choice.honoured());
    CHECK(choice.unhonoured() == "");
    // What was read is told where it is not what the variable holds.
    CHECK((std::string(choice.explain()).find("read as 'FIXTURE'") != std::string::npos ||
           std::string(choice.explain()).find("read as 'fixture'") != std::string::npos) ==
          (std::string(held) != "FIXTURE"));
  }
  for (const char* held : {"", "\"\"", " \n", "\"auto\""}) {
    CAPTURE(held);
    const EnvironmentVariable wish("VLLM_ATTENTION_BACKEND", held);
    const attnrt::Choice choice = runtime.select(plain(runtime));
    CHECK(choice.backend() == "CPU_ATTN");
    CHECK(choice.honoured());
  }
}

TEST_CASE("the other variables that name things are read in the same way") {
  const Scratch one;
  one.install(cpu_attn(), "cpu_attn.so");
  attnrt::Options options = listening("");
  options.plugin_path.clear();
  const EnvironmentVariable folders("ATTNRT_PLUGIN_PATH", "\"" + one.path().string() + "\"\n");
  const EnvironmentVariable mode("ATTNRT_OVERRIDE", "\"strict\""), wish("VLLM_ATTENTION_BACKEND", "NONE_SUCH");
  const EnvironmentVariable invariant("VLLM_BATCH_INVARIANT", "'1'");
  const attnrt::Runtime runtime(options);
  CHECK_THAT(runtime.list(), Contains((one.path() / "cpu_attn.so").string()));
  CHECK_THAT(refused([&] { runtime.select(plain(runtime)); }), Contains("Unknown attention backend: 'NONE_SUCH'"));
  const EnvironmentVariable automatic("VLLM_ATTENTION_BACKEND", std::nullopt);
  const attnrt::Choice choice = runtime.select(plain(runtime));
  CHECK(choice.problem().determinism == ATTNRT_DETERMINISM_BATCH_INVARIANT);
  CHECK_THAT(choice.json(), Contains("VLLM_BATCH_INVARIANT is ''1'', read as '1'"));
}

TEST_CASE("a variable that is not honoured can be read from the choice") {
  const Scratch one;
  one.install(cpu_attn(), "cpu_attn.so");
  const EnvironmentVariable none("ATTNRT_OVERRIDE", std::nullopt);
  const attnrt::Runtime runtime(listening(one.path().string()));
  {
    const EnvironmentVariable wish("VLLM_ATTENTION_BACKEND", "NONE_SUCH");
    const attnrt::Choice choice = runtime.select(plain(runtime));
    CHECK(choice.backend() == "CPU_ATTN");
    CHECK_FALSE(choice.honoured());
    CHECK(attnrt_choice_honoured(choice.get()) == 0);
    CHECK_THAT(choice.unhonoured(),
               Contains("VLLM_ATTENTION_BACKEND=NONE_SUCH cannot be honoured: Unknown attention backend: 'NONE_SUCH'"));
    CHECK_THAT(choice.json(), Contains("\"honoured\":false"));
    attnrt_problem nothing = runtime.problem("cpu");
    nothing.num_heads = nothing.num_kv_heads = 0;
    CHECK(runtime.select(nothing).unhonoured() ==
          "VLLM_ATTENTION_BACKEND=NONE_SUCH has no effect: the model has no attention layers");
  }
  const EnvironmentVariable automatic("VLLM_ATTENTION_BACKEND", std::nullopt);
  const attnrt::Choice choice = runtime.select(plain(runtime));
  CHECK(choice.honoured());
  CHECK(attnrt_choice_unhonoured(choice.get()) == std::string());
}

TEST_CASE("a refused size or dtype is told with what is offered") {
  attnrt::Runtime runtime(only_plugins());
  attnrt_problem p = small_problem(runtime, ATTNRT_KV_NHD);
  p.block_size = 24;
  p.head_size_qk = p.head_size_v = 1000;
  p.q_dtype = ATTNRT_INT8;
  const std::string told = refused([&] { runtime.select(p); }, ATTNRT_UNSUPPORTED);
  CHECK_THAT(told, Contains("head_size not supported") && Contains(". CPU_ATTN: head_size is 1000, wanted "));
  CHECK_THAT(told, Contains("; dtype is int8, wanted fp32") || Contains("; dtype is int8, wanted bf16"));
  CHECK_THAT(told, !Contains("CPU_MLA: head_size"));  // of another family: its sizes would help nobody
  const attnrt::ForceBackend forced(runtime, "CPU_ATTN");
  CHECK_THAT(
      refused([&] { runtime.select(p); }, ATTNRT_UNSUPPORTED),
      Contains("Selected backend CPU_ATTN is not valid for this configuration. Reason: ['head_size not supported'") &&
          Contains("]. head_size is 1000, wanted "));
}
