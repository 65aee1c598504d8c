// SPDX-License-Identifier: Apache-2.0
// Everything bad in one folder with the real CPU_ATTN: each file has its state and sentence, the host lives, CPU_ATTN
// runs.
#include <sys/stat.h>

#include <algorithm>

#include "folder.hpp"

using Catch::Matchers::Contains;

namespace {

struct Row {
  const char *name, *state, *sentence, *where = "";
};

/// What CMakeLists.txt builds. `sentence` and `where` both stand in what attnrt_list says; states are alternatives.
const Row rows[] = {
    {"well", "loaded", ""},
    {"twin_a", "loaded", ""},
    {"twin_b", "shadowed", "twin_a.so, which offers TWINS too"},
    {"crash_in_constructor", "crashed", "crashed with SIGSEGV", "in load"},
    {"crash_in_query", "crashed", "crashed with SIGSEGV", "in load"},
    {"crash_in_available", "crashed", "crashed with SIGSEGV", "in available"},
    {"crash_in_supports", "crashed", "crashed with SIGSEGV", "in supports of crash_in_supports/nothing"},
    {"crash_in_kv_layout", "crashed", "crashed with SIGSEGV", "in kv_layout of crash_in_kv_layout/nothing"},
    {"crash_in_create", "crashed", "crashed with SIGSEGV", "in create of crash_in_create/nothing"},
    {"crash_in_destroy", "crashed", "crashed with SIGSEGV", "in destroy of crash_in_destroy/nothing"},
    // The number is 3, or the leak sanitizer's, which looks at what exit() leaves.
    {"leave_in_constructor", "crashed", "exited with status", "in load"},
    {"leave_in_query", "crashed", "exited with status", "in load"},
    {"leave_in_available", "crashed", "exited with status", "in available"},
    {"leave_in_supports", "crashed", "exited with status", "in supports of leave_in_supports/nothing"},
    {"leave_in_kv_layout", "crashed", "exited with status", "in kv_layout of leave_in_kv_layout/nothing"},
    {"leave_in_create", "crashed", "exited with status", "in create of leave_in_create/nothing"},
    {"leave_in_destroy", "crashed", "exited with status", "in destroy of leave_in_destroy/nothing"},
    {"crash_in_destructor", "crashed", "crashed with SIGSEGV", "in unload (its destructors)"},
    {"leave_in_destructor", "crashed", "exited with status", "in unload (its destructors)"},
    {"throw_in_destructor", "crashed", "crashed with SIGABRT", "in unload (its destructors)"},
    // dlopen is declared to throw nothing: whether an exception comes through it is up to compiler and sanitizer.
    {"throw_in_constructor", "crashed|invalid", ""},
    {"throw_in_query", "invalid", "an exception came across the ABI from load"},
    {"throw_in_available", "invalid", "an exception came across the ABI from available, wanted a status"},
    {"throw_in_supports", "invalid", "an exception came across the ABI from supports of throw_in_supports/nothing"},
    {"throw_in_kv_layout", "invalid", "an exception came across the ABI from kv_layout of throw_in_kv_layout/nothing"},
    {"throw_in_create", "invalid", "an exception came across the ABI from create of throw_in_create/nothing"},
    {"throw_in_destroy", "invalid", "an exception came across the ABI from destroy of throw_in_destroy/nothing"},
    {"hang_in_constructor", "timeout", "did not come back within 10000 ms", "in load"},
    {"thread_on_load", "invalid", "starts threads", "when loaded, wanted all left as it was"},
    {"mask_on_load", "invalid", "changes the signal mask", "when loaded"},
    {"locale_on_load", "invalid", "changes the locale from C to C.UTF-8", "when loaded"},
    {"rounding_on_load", "invalid", "changes the floating-point mode", "when loaded"},
    {"flush_on_load", "invalid", "changes the floating-point mode", "when loaded"},
    {"mask_in_create", "invalid", "changes the signal mask", "when called"},
    {"abort_in_query", "crashed", "crashed with SIGABRT", "in load"},
    {"timer_in_constructor", "crashed", "crashed with signal ", "in load"},  // a number without a name
    {"killed_in_create", "unprobed", "crashed with SIGKILL in create of killed_in_create/nothing", "somebody else did"},
    {"hog_in_create", "crashed", "crashed with SIGABRT", "in create"},
    {"reuse_in_query", "crashed", "exited with status", "in load"},
    {"slow_in_create", "loaded", ""},
    {"flood_in_constructor", "crashed", "crashed with SIGSEGV", "in load"},
    {"leave_process_in_create", "loaded", ""},
    {"leave_session_in_create", "loaded", ""},
    {"say_null_in_available", "unavailable", "the plugin cannot use this device and gave no reason"},
    {"say_null_in_supports", "loaded", ""},
    {"say_null_in_kv_layout", "loaded", ""},
    {"say_null_in_create", "loaded", ""},
    {"say_much_in_available", "unavailable", "????", "..."},
    {"say_much_in_supports", "loaded", ""},
    {"say_much_in_kv_layout", "loaded", ""},
    {"say_much_in_create", "loaded", ""},
    {"null_plugin", "incompatible", "attnrt_plugin_query answered NULL to ABI 1.1"},
    {"null_backend", "invalid", "backends[0] is NULL"},
    {"null_variant", "invalid", "null_variant.variants[0] is NULL"},
    {"null_caps", "invalid", "null_caps.variants[0].caps is NULL"},
    {"null_run", "invalid", "null_run.variants[0].run is NULL, wanted a function"},
    {"size_zero", "invalid", "size_zero.variants[0].struct_size is 0, wanted"},
    {"size_huge", "invalid", "plugin.struct_size is 4294967295, wanted"},
    {"long_name", "invalid", "backends[0].name has 65 characters, wanted 1 to 64"},
    {"long_summary", "invalid", "backends[0].summary is longer than 4096 bytes"},
    {"many_backends", "invalid", "plugin.num_backends is 4294967295, wanted 1 to 256"},
    {"past_the_array", "crashed", "", "in load"},
    {"past_the_text", "crashed", "", "in load"},
    {"two_variants_one_name", "invalid", "two_variants_one_name.variants[1].name stands twice"},
    {"two_backends_one_name", "invalid", "backends[1].name two_backends_one_name stands twice"},
    {"other_name", "invalid", "plugin.name and version are somebody_else 1.0, the ELF note says other_name 1.0"},
    {"other_abi", "invalid", "plugin.abi differs from the ELF note's"},
    {"unknown_bits", "invalid", ".caps.features holds unknown bits"},
    {"latin_texts", "loaded", ""},
    {"future_major", "incompatible", "built for plugin ABI 2.1, wanted 1.1"},
    {"future_minor", "loaded", ""},
    {"other_minor", "invalid", "plugin.abi differs from the ELF note's"},
    {"sanitized_note", "incompatible", "sanitizer, this process runs without it: rebuild the plugin without"},
    {"sanitized", "incompatible", "built with the address sanitizer"},
    {"no_note", "foreign", "no attnrt note"},
    {"no_query", "invalid", "no symbol attnrt_plugin_query"},
    {"two_exports", "invalid", "exports bad_plugin_second_export, wanted attnrt_plugin_query alone"},
    {"undefined", "unresolved", "undefined symbol: bad_plugin_undefined"},
    {"missing", "unresolved", "libbad_plugin_absent.so: cannot open shared object file"},
};

bool among(const std::string& state, const char* states) {
  return ("|" + std::string(states) + "|").find("|" + state + "|") != std::string::npos;
}

std::string with(std::string bytes, std::size_t offset, char value) {
  bytes.at(offset) = value;
  return bytes;
}

/// Files that no compiler makes; what they are is expected in `rows`' way.
std::vector<std::pair<std::string, Row>> make_files(const Folder& folder) {
  std::vector<std::pair<std::string, Row>> made;
  const auto expect = [&made](const std::string& file, const char* state, const char* sentence) {
    made.push_back({file, {"", state, sentence}});
  };
  const std::string whole = read_bytes(bad_plugin("well"));
  for (std::size_t size = 0; size < whole.size(); size += size < 70 ? 7 : size < 1000 ? 93 : size < 4000 ? 400 : 1999) {
    const std::string file = "cut_at_" + std::to_string(size) + ".so";
    folder.write(file, whole.substr(0, size));
    if (size < 4) expect(file, "foreign", "");
    else expect(file, "damaged", "cut");
  }
  folder.write("cut_by_1.so", whole.substr(0, whole.size() - 1));
  expect("cut_by_1.so", "damaged", "cut");
  folder.write("text.so", "/* GNU ld script */ INPUT(libattnrt.so.0)\n");
  expect("text.so", "foreign", "not an ELF file");
  folder.write("other_machine.so", with(whole, 18, '\x16'));
  expect("other_machine.so", "foreign", "built for ELF machine 22");
  folder.write("bits32.so", with(whole, 4, 1));
  expect("bits32.so", "foreign", "a 32-bit file, wanted 64 bits");
  folder.write("program.so", with(whole, 16, 2));
  expect("program.so", "foreign", "ELF type 2, wanted 3");
  fs::create_directory(folder.plugins() / "folder.so");
  expect("folder.so", "foreign", "a folder, wanted a file");
  fs::create_symlink("nowhere", folder.plugins() / "dangling.so");
  expect("dangling.so", "untrusted", "No such file or directory");
  fs::create_symlink("circle.so", folder.plugins() / "circle.so");
  expect("circle.so", "untrusted", "symbolic links");
  REQUIRE(mkfifo((folder.plugins() / "fifo.so").c_str(), 0600) == 0);
  expect("fifo.so", "foreign", "not a regular file");
  chmod(folder.install(bad_plugin("well"), "open_to_all.so").c_str(), 0666);
  expect("open_to_all.so", "untrusted", "is world-writable, wanted no write permission for others");
  return made;
}

}  // namespace

TEST_CASE("each bad file has its state and sentence, the host lives and CPU_ATTN runs") {
  const Folder folder;
  auto expected = make_files(folder);
  for (const Row& row : rows)
    if (fs::exists(bad_plugin(row.name))) {
      folder.install(row.name);
      expected.emplace_back(std::string(row.name) + ".so", row);
    }
  folder.install(cpu_attn(), "cpu_attn.so");
  expected.emplace_back("cpu_attn.so", Row{"", "loaded", ""});
  std::map<std::string, Told> first;
  {
    attnrt::Runtime runtime(folder.options());
    const auto seen = first = told(runtime.list());
    CHECK(seen.size() == expected.size());
    std::size_t survived = 0;
    for (const auto& [file, row] : expected) {
      INFO(file << ": " << seen.at(file).state << ": " << seen.at(file).sentence);
      CHECK(among(seen.at(file).state, row.state));
      CHECK_THAT(seen.at(file).sentence, Contains(row.sentence) && Contains(row.where));
      survived += seen.at(file).state != "loaded";
    }
    WARN(expected.size() << " files, " << survived << " of them not loaded");
    check_cpu_attn(runtime);
    CHECK(runtime.doctor().find("crash_in_query") != std::string::npos);
    for (const char* leaver : {"leave_process_in_create", "leave_session_in_create"}) {
      CHECK(folder.loaders(leaver).size() == 2);
      for (const auto& [pid, descriptors] : folder.loaders(leaver)) CHECK(gone(pid));
    }
    CHECK(read_bytes(folder.path() / "traces.own") == "");  // nothing of ours was written over a plugin's file
  }

  // The second time nothing that crashed or hung is started again; all else tells the same.
  const auto helpers = folder.loaders("crash_in_query").size() + folder.loaders("hang_in_constructor").size();
  CHECK(helpers == 2);
  attnrt::Runtime again(folder.options());
  const auto seen = told(again.list());
  for (const auto& [file, row] : expected) {
    INFO(file << ": " << seen.at(file).state << ": " << seen.at(file).sentence);
    const std::string before = first.at(file).state;
    const bool remembered = among(before, "crashed|timeout");
    CHECK(seen.at(file).state == (remembered ? "quarantined" : before));
    CHECK_THAT(seen.at(file).sentence, Contains(row.sentence) && Contains(row.where));
    const std::string remedy = "(" + before + "); once it is mended: attnrt forgive";
    CHECK((seen.at(file).sentence.find(remedy) != std::string::npos) == remembered);
  }
  CHECK(folder.loaders("crash_in_query").size() + folder.loaders("hang_in_constructor").size() == helpers);
  check_cpu_attn(again);
}

TEST_CASE("every fault that is built is expected in the table, unless it hangs") {
  for (const auto& entry : fs::directory_iterator(ATTNRT_TEST_FIXTURES)) {
    const std::string name = entry.path().stem().string();
    if (name.starts_with("hang_")) continue;  // in probe.cpp, where they need not wait for ten seconds each
    INFO(name);
    CHECK(std::any_of(std::begin(rows), std::end(rows), [&](const Row& row) { return row.name == name; }));
  }
}
