// SPDX-License-Identifier: Apache-2.0
// A plugin that is there and was not loaded is never "not installed": every sentence about its backends tells its
// state.
#include <sys/stat.h>

#include "engine.hpp"

using Catch::Matchers::Contains;
namespace fs = std::filesystem;

namespace {

constexpr const char* kUndefined = "unresolved: undefined symbol: fixture_undefined_symbol";

/// A folder with one plugin under its own name, and a table that says what two of the fixtures would offer.
struct Place {
  Scratch folder;
  attnrt::Options options;

  explicit Place(const std::string& fault, bool listed = true) {
    const fs::path file = folder.install(fixture(fault), "fixture_" + fault + ".so");
    options = only_plugins(folder.path().string());
    options.priority_file =
        folder
            .write("priority.json", std::string(R"({"version": 1, "rules": [{"name": "cpu", "order": ["MINE"]}])") +
                                        (listed ? R"(, "plugins": {"fixture_undefined": ["MINE", "FURTHER"],
                                                    "Fixture_First": ["mine"], "no_note": ["MINE"]}})"
                                                : "}"))
            .string();
  }
};

/// What is said of MINE by each call that names it.
void check_told(attnrt::Runtime& runtime, const std::string& state) {
  const attnrt_problem problem = runtime.problem("cpu");
  const std::string selected = "Selected backend MINE is not valid for this configuration. Reason: ['" + state,
                    told[] = {refused([&] { runtime.select(problem); }, ATTNRT_UNSUPPORTED),
                              refused([&] { runtime.force_backend("mine"); }, ATTNRT_UNSUPPORTED),
                              refused([&] { attnrt::ForceBackend guard(runtime, "MINE/fast"); }, ATTNRT_UNSUPPORTED),
                              refused([&] { runtime.show("MINE"); }, ATTNRT_UNSUPPORTED),
                              runtime.try_select(problem).json()};
  CHECK_THAT(told[0], Contains("No valid attention backend found for") && Contains("MINE: [" + state));
  for (const std::string& text : {told[1], told[2], told[3]}) CHECK_THAT(text, Contains(selected));
  for (const std::string& text : told) CHECK_THAT(text, Contains(state) && !Contains("not installed"));
}

}  // namespace

TEST_CASE("a plugin with an undefined symbol is unresolved and not missing") {
  const Place place("undefined");
  attnrt::Runtime runtime(place.options);
  check_told(runtime, "fixture_undefined.so: " + std::string(kUndefined));
  const std::string json = runtime.try_select(runtime.problem("cpu")).json();
  CHECK_THAT(json, Contains("\"state\":\"unresolved\",\"sentence\":\"undefined symbol: fixture_undefined_symbol\""));
  const std::string explained = runtime.try_select(runtime.problem("cpu")).explain();
  CHECK_THAT(explained, Contains("1  MINE                      unresolved") && !Contains("not installed"));
  // A name that no rule lists and the plugin would offer is known as well.
  CHECK_THAT(refused([&] { runtime.force_backend("FURTHER"); }, ATTNRT_UNSUPPORTED), Contains(kUndefined));
  CHECK_THAT(runtime.doctor(), Contains("rebuild the plugin and link it with the library that defines this symbol"));
}

TEST_CASE("an untrusted plugin is known by its file's name, which the note need not tell") {
  const Place place("first");
  chmod((place.folder.path() / "fixture_first.so").c_str(), 0666);
  attnrt::Runtime runtime(place.options);
  check_told(runtime, "fixture_first.so: untrusted: the file " + (place.folder.path() / "fixture_first.so").string() +
                          " is world-writable");
}

TEST_CASE("a plugin that no table knows is named wherever a backend is missing") {
  const Place place("undefined", false);
  attnrt::Runtime runtime(place.options);
  const std::string told = ". Not loaded: fixture_undefined.so: " + std::string(kUndefined);
  CHECK_THAT(refused([&] { runtime.select(runtime.problem("cpu")); }, ATTNRT_UNSUPPORTED),
             Contains("Reasons: {MINE: [not installed]}" + told));
  CHECK_THAT(refused([&] { runtime.force_backend("MINE"); }, ATTNRT_UNSUPPORTED),
             Contains("Reason: ['not installed']" + told));
  CHECK_THAT(refused([&] { runtime.force_backend("ZEN"); }),
             Contains("Unknown attention backend: 'ZEN'") && Contains(told));
  CHECK_THAT(runtime.try_select(runtime.problem("cpu")).explain(),
             Contains("not loaded  fixture_undefined.so: unresolved"));
  place.folder.write("library.so", "no plugin at all");
  runtime.rescan();
  CHECK_THAT(refused([&] { runtime.force_backend("ZEN"); }), !Contains("library.so"));
}

TEST_CASE("the variable and the argument tell the state of the plugin that they name, and so does doctor") {
  Place place("undefined");
  place.options.attention_backend = "MINE";
  {
    attnrt::Runtime runtime(place.options);
    CHECK_THAT(refused([&] { runtime.select(runtime.problem("cpu")); }, ATTNRT_UNSUPPORTED), Contains(kUndefined));
    CHECK_THAT(runtime.doctor(), Contains("--attention-backend=MINE cannot be honoured: ") && Contains(kUndefined));
  }
  place.options.attention_backend.clear();
  place.options.read_environment = true;
  const EnvironmentVariable none("ATTNRT_OVERRIDE", std::nullopt), wish("VLLM_ATTENTION_BACKEND", "MINE");
  place.folder.install(cpu_attn(), "cpu_attn.so");
  attnrt::Runtime runtime(place.options);
  const attnrt::Choice choice = runtime.select(small_problem(runtime, ATTNRT_KV_NHD));
  CHECK(choice.backend() == "CPU_ATTN");
  CHECK_FALSE(choice.honoured());
  CHECK_THAT(choice.unhonoured(), Contains("VLLM_ATTENTION_BACKEND=MINE cannot be honoured: ") && Contains(kUndefined));
  CHECK_THAT(runtime.doctor(), Contains("VLLM_ATTENTION_BACKEND=MINE cannot be honoured: ") && Contains(kUndefined));
}

TEST_CASE("all that a shadowed plugin would offer is known from itself") {
  const Place place("first", false);
  place.folder.install(fixture("second"), "second.so");
  attnrt::Runtime runtime(place.options);
  CHECK_THAT(refused([&] { runtime.force_backend("ZEN"); }), !Contains("Not loaded"));
}

TEST_CASE("a cpu_attn.so that is not loaded is known by the shipped table") {
  const Scratch folder;
  chmod(folder.install(fixture("first"), "cpu_attn.so").c_str(), 0666);
  attnrt::Runtime runtime(only_plugins(folder.path().string()));
  CHECK_THAT(refused([&] { runtime.select(runtime.problem("cpu")); }, ATTNRT_UNSUPPORTED),
             Contains("CPU_ATTN: [cpu_attn.so: untrusted: "));
  CHECK_THAT(
      refused([&] { runtime.force_backend("cpu_mla"); }, ATTNRT_UNSUPPORTED),
      Contains("Selected backend CPU_MLA is not valid for this configuration. Reason: ['cpu_attn.so: untrusted: "));
}
