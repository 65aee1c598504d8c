// SPDX-License-Identifier: Apache-2.0
// Whatever locale an engine sets for the C or the C++ library: names are known and sentences read the same.
#include <clocale>
#include <cstdlib>
#include <functional>
#include <locale>

#include "engine.hpp"

namespace {

/// All that depends on letters and numbers: names in several cases, sentences with fractions and large counts.
std::string all_texts() {
  attnrt::Runtime runtime(only_plugins());
  std::string out = runtime.list() + runtime.show("cpu_attn") + runtime.priority();
  const auto add = [&out](const std::string& what, const std::function<void()>& call) {
    out += "\n" + what + ": ";
    try {
      call();
      out += "accepted";
    } catch (const attnrt::Error& e) {
      out += e.what();
    }
  };
  for (const char* name : {"cpu_attn", "CPU_ATTN", "flashinfer", "FLASHINFER", "triton_attn", "Cpu_Mla/Portable_Prefill",
                           "TRITON_ATTN", "auto", "AUTO", "nobody_I_know"})
    add(name, [&] { runtime.force_backend(name); });
  runtime.force_backend("");
  for (const char* device : {"cpu", "CPU", "CPU:AVX2", "cuda:9.0", "ROCM:GFX942"})
    add(device, [&] { runtime.problem(device); });
  attnrt_problem p = small_problem(runtime, ATTNRT_KV_NHD);
  const attnrt::Choice choice = runtime.select(p);
  out += choice.explain();
  out += choice.json();
  p.softcap = -1234567.5f;
  add("softcap", [&] { runtime.select(p); });
  p.softcap = 0;
  p.num_kv_heads = 1234567;
  add("num_kv_heads", [&] { runtime.select(p); });
  return out;
}

/// Restores the locale of the C and of the C++ library.
struct Locale {
  ~Locale() {
    std::locale::global(std::locale::classic());
    setlocale(LC_ALL, "C");
  }
};

class Separated : public std::numpunct<char> {
  char do_thousands_sep() const override { return '.'; }
  char do_decimal_point() const override { return ','; }
  std::string do_grouping() const override { return "\3"; }
};

}  // namespace

TEST_CASE("the locale of the C++ library changes no text") {
  const std::string wanted = all_texts();
  const Locale restored;
  std::locale::global(std::locale(std::locale::classic(), new Separated));
  CHECK(all_texts() == wanted);
}

TEST_CASE("the locale of the C library changes no text") {
  const std::string wanted = all_texts();
  CHECK(wanted.find("flashinfer: Selected backend") != std::string::npos);
  CHECK(wanted.find("-1234567.5") != std::string::npos);
  const Scratch folder;
  const EnvironmentVariable place("LOCPATH", folder.path().string());
  const Locale restored;
  // With one byte a letter the C library's tolower('I') is no 'i' in Turkish, nor toupper('i') an 'I'.
  for (const auto& [name, charset] : {std::pair("tr_TR", "ISO-8859-9"), {"tr_TR", "UTF-8"}, {"de_DE", "UTF-8"}}) {
    const std::string made = std::string(name) + "." + charset;
    const std::string line = "localedef -i " + std::string(name) + " -f " + charset + " '" +
                             (folder.path() / made).string() + "' > /dev/null 2>&1";
    if (std::system(line.c_str()) != 0 || !setlocale(LC_ALL, made.c_str())) {
      WARN("skipped: localedef cannot make " << made << " here");
      continue;
    }
    INFO(made);
    CHECK(all_texts() == wanted);
    setlocale(LC_ALL, "C");
  }
}
