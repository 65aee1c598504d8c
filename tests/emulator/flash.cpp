// SPDX-License-Identifier: Apache-2.0
//
// A flash attention that nvcc compiled, against float64, in every mode; then with faults planted in its PTX, one at a
// time. A fault counts as found where a problem in a mode gives a wrong number or a sentence. Of those that no run can
// find a table says why.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <sstream>

#include "element.hpp"
#include "machine.hpp"

using namespace attnrt::emulator;
using namespace attnrt::emulator::test;

namespace {

constexpr int kHead = 64, kHeads = 2;

std::string compiled() {
  std::ifstream file(FLASH_PTX);
  std::ostringstream text;
  text << file.rdbuf();
  REQUIRE(!text.str().empty());
  return text.str();
}

/// A problem, and what is right.
struct Problem {
  int tokens, keys;
  std::vector<uint16_t> q, k, v;
  std::vector<double> out, lse;

  /// `loudness` scales queries: where it is high, a level that is not the highest score overflows fp16.
  Problem(int num_tokens, int num_keys, int loudness)
      : tokens(num_tokens),
        keys(num_keys),
        q(make(tokens, 1, loudness)),
        k(make(keys, 2, 1)),
        v(make(keys, 3, 1)),
        out(static_cast<std::size_t>(tokens * kHeads * kHead)),
        lse(static_cast<std::size_t>(tokens * kHeads)) {
    const auto at = [](const std::vector<uint16_t>& rows, int row, int head, int d) {
      return static_cast<double>(from_half(rows[static_cast<std::size_t>((row * kHeads + head) * kHead + d)]));
    };
    for (int t = 0; t < tokens; ++t)
      for (int h = 0; h < kHeads; ++h) {
        const int visible = t + keys - tokens + 1;
        std::vector<double> scores(static_cast<std::size_t>(visible));
        double top = -1e300, total = 0;
        for (int s = 0; s < visible; ++s) {
          double score = 0;
          for (int d = 0; d < kHead; ++d) score += at(q, t, h, d) * at(k, s, h, d);
          scores[static_cast<std::size_t>(s)] = score /= 8;
          top = std::max(top, score);
        }
        for (double& score : scores) total += score = std::exp(score - top);
        lse[static_cast<std::size_t>(t * kHeads + h)] = top + std::log(total);
        for (int d = 0; d < kHead; ++d) {
          double sum = 0;
          for (int s = 0; s < visible; ++s) sum += scores[static_cast<std::size_t>(s)] * at(v, s, h, d);
          out[static_cast<std::size_t>((t * kHeads + h) * kHead + d)] = sum / total;
        }
      }
  }

 private:
  static std::vector<uint16_t> make(int rows, unsigned seed, int loudness) {
    std::mt19937 random(seed);
    std::vector<uint16_t> values(static_cast<std::size_t>(rows * kHeads * kHead));
    for (uint16_t& value : values)
      value = to_half(static_cast<float>((static_cast<int>(random() % 2001) - 1000) * loudness) / 500.0f);
    return values;
  }
};

/// "" where the text computes the problem, else what is wrong.
std::string judge(const std::string& text, const Problem& problem, const Mode& mode, Coverage* coverage = nullptr) {
  Machine machine(80);
  machine.mode = mode;
  if (const std::string refusal = machine.refusal(text); !refusal.empty()) return refusal;
  struct Arguments {
    uint64_t out, q, k, v, lse;
    int32_t tokens, keys, heads;
    float scale;
  } a{};
  a.out = machine.room(problem.out.size() * 2), a.lse = machine.room(problem.lse.size() * 4);
  a.q = machine.put(problem.q), a.k = machine.put(problem.k), a.v = machine.put(problem.v);
  a.tokens = problem.tokens, a.keys = problem.keys, a.heads = kHeads;
  a.scale = static_cast<float>(std::log2(std::exp(1.0)) / 8);
  Launch launch;
  launch.module = &machine.module();
  launch.kernel = machine.module().kernel("flash");
  launch.memory = &machine.memory();
  launch.grid[0] = static_cast<uint32_t>(problem.tokens + 63) / 64, launch.grid[1] = kHeads;
  launch.threads[0] = 128;
  launch.arch = 80;
  launch.arguments.assign(reinterpret_cast<const char*>(&a), sizeof a);
  launch.mode = mode;
  launch.mode.most_instructions = 1 << 22;
  try {
    run_grid(launch);
  } catch (const Fault& fault) {
    return fault.what();
  }
  if (coverage) *coverage = coverage_of(*launch.kernel);
  const auto out = machine.get<uint16_t>(a.out, problem.out.size());
  const auto lse = machine.get<float>(a.lse, problem.lse.size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    const double error = std::fabs(static_cast<double>(from_half(out[i])) - problem.out[i]);
    if (!(error < 2e-3)) return say("out is off by ", error);
  }
  for (std::size_t i = 0; i < lse.size(); ++i) {
    const double error = std::fabs(static_cast<double>(lse[i]) - problem.lse[i]);
    if (!(error < 1e-4 + 1e-6 * std::fabs(problem.lse[i]))) return say("lse is off by ", error);
  }
  return {};
}

std::vector<Mode> modes() {
  std::vector<Mode> all;
  for (const bool late : {true, false})
    for (const uint64_t seed : {uint64_t{0}, uint64_t{7}}) {
      Mode mode;
      mode.late = late;
      mode.seed = seed;
      mode.threads = 1;
      all.push_back(mode);
    }
  return all;
}

using Change = std::function<std::string(std::string)>;  // of a statement; "" = it does not fit

/// Lines of the text that hold a word, changed one at a time.
struct Kind {
  const char* name;
  const char* word;
  Change change;
};

std::string replaced(const std::string& line, const std::string& from, const std::string& to) {
  const std::size_t at = line.find(from);
  return at == std::string::npos ? "" : line.substr(0, at) + to + line.substr(at + from.size());
}
std::string without_last_operand(const std::string& line) { return line.substr(0, line.rfind(',')) + ";"; }
// The third operand, whatever it is, becomes another.
std::string third_operand(const std::string& line, const std::string& now) {
  std::size_t at = 0;
  for (int commas = 0; commas < 2; ++commas) at = line.find(',', at) + 1;
  return line.substr(0, at) + " " + now + line.substr(line.find_first_of(",;", at));
}

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all = {
      {"barrier dropped", "bar.sync", [](const std::string&) { return std::string("//"); }},
      {"wait dropped", "cp.async.wait_group", [](const std::string&) { return std::string("//"); }},
      {"wait for one group fewer", "cp.async.wait_group 0",
       [](const std::string& l) { return replaced(l, " 0", " 1"); }},
      {"wait for one group fewer", "cp.async.wait_group 1",
       [](const std::string& l) { return replaced(l, " 1", " 2"); }},
      {"commit dropped", "cp.async.commit_group", [](const std::string&) { return std::string("//"); }},
      {"copy dropped", "cp.async.cg", [](const std::string&) { return std::string("//"); }},
      {"rows behind the end not zeroed", "cp.async.cg", without_last_operand},
      {"transposed", "x4.shared", [](const std::string& l) { return replaced(l, "x4.shared", "x4.trans.shared"); }},
      {"not transposed", "x4.trans", [](const std::string& l) { return replaced(l, "x4.trans", "x4"); }},
      {"shuffle by another lane", "shfl.sync.bfly", [](const std::string& l) { return third_operand(l, "4"); }},
      {"swizzle dropped", "xor.b32", [](const std::string& l) { return third_operand(l, "0"); }},
      {"mask off by one", "setp.le.s32", [](const std::string& l) { return replaced(l, ".le.", ".lt."); }},
      {"mask off by one", "setp.lt.s32", [](const std::string& l) { return replaced(l, ".lt.", ".le."); }},
      {"mask off by one", "setp.gt.s32", [](const std::string& l) { return replaced(l, ".gt.", ".ge."); }},
      {"mask off by one", "setp.ge.s32", [](const std::string& l) { return replaced(l, ".ge.", ".gt."); }},
      {"maximum is minimum", "max.f32", [](const std::string& l) { return replaced(l, "max", "min"); }},
      {"store dropped", "st.global", [](const std::string&) { return std::string("//"); }},
      {"product of the other type", "mma.sync",
       [](const std::string& l) { return replaced(l, "f16.f16", "bf16.bf16"); }},
      {"sum dropped", "add.ftz.f32", [](const std::string& l) { return third_operand(l, "0f00000000"); }},
      {"sum dropped", "add.f32", [](const std::string& l) { return third_operand(l, "0f00000000"); }},
  };
  return all;
}

// What no run can tell apart, and why; `fits` looks at the statement where the fault was planted, at index `at`.
struct Reason {
  const char* kind;
  bool (*fits)(const std::vector<std::string>& lines, std::size_t at);
  const char* why;
};
bool copies_soon(const std::vector<std::string>& lines, std::size_t at) {
  for (std::size_t i = at; i < at + 5 && i < lines.size(); ++i)
    if (lines[i].find("cp.async.cg") != std::string::npos) return true;
  return false;
}
bool says(const std::string& line, const char* text) { return line.find(text) != std::string::npos; }
constexpr Reason kReasons[] = {
    {"rows behind the end not zeroed", &copies_soon,
     "the source of a row behind the end is the last row that exists: its scores are masked, its values meet weights "
     "of "
     "0, and what a query behind the end gives is not stored"},
    {"mask off by one", &copies_soon,
     "the comparison of a row with the number of rows: off by one, the first row behind the end is copied and not "
     "zeroed, which is the case above"},
    {"mask off by one",
     [](const std::vector<std::string>& lines, std::size_t at) {
       return says(lines[at], "setp.gt.s32") && (says(lines[at], ", 511;") || says(lines[at], ", 255;"));
     },
     "the bound of the loop over 512 or 256 pieces, which threads 0 to 127 walk in steps of 128: nobody stands at 511 "
     "or 255 when it is compared before the first round"},
    {"mask off by one",
     [](const std::vector<std::string>& lines, std::size_t at) {
       return says(lines[at], "setp.lt.s32") && says(lines[at], ", -31;");
     },
     "'there is no tile', which needs a last key below -31: a launch with more tokens than keys"},
    {"mask off by one",
     [](const std::vector<std::string>& lines, std::size_t at) {
       const std::size_t begin = lines[at].find('%');
       const std::string jump = "@" + lines[at].substr(begin, lines[at].find(',') - begin) + " bra";
       return std::count_if(lines.begin(), lines.end(),
                            [&](const std::string& line) { return says(line, jump.c_str()); }) == 2;
     },
     "'this is not the last tile', which decides of the next fetch and of the loop: a tile more is fetched, of rows "
     "that "
     "are clamped, and all of its keys are masked, which takes time and changes nothing"},
};
const char* reason_of(const char* kind, const std::vector<std::string>& lines, std::size_t at) {
  for (const Reason& reason : kReasons)
    if (std::string(reason.kind) == kind && reason.fits(lines, at)) return reason.why;
  return nullptr;
}

const std::vector<Problem>& problems() {
  // Two tiles of queries and four of keys; one of each, so that what a tile more would read was never written; and
  // scores in the hundreds.
  static const std::vector<Problem> all = {{70, 100, 1}, {10, 30, 1}, {70, 100, 16}};
  return all;
}

}  // namespace

TEST_CASE("a flash attention of nvcc is right in every mode") {
  const std::string text = compiled();
  for (const Problem& problem : problems())
    for (Mode mode : modes())
      for (const bool perturbed : {false, true}) {
        mode.perturbed = perturbed;
        INFO(problem.tokens << " tokens, late " << mode.late << ", seed " << mode.seed << ", perturbed " << perturbed);
        Coverage coverage;
        CHECK(judge(text, problem, mode, &coverage) == "");
        CHECK(coverage.executed * 10 > coverage.instructions * 4);
      }
}

TEST_CASE("faults planted in its PTX are found") {
  const std::string text = compiled();
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  // Nobody can find a fault in code that no problem reaches.
  std::set<std::size_t> missed;
  for (const Problem& problem : problems()) {
    Coverage coverage;
    REQUIRE(judge(text, problem, modes()[0], &coverage).empty());
    const std::set<std::size_t> now(coverage.missed_lines.begin(), coverage.missed_lines.end());
    if (&problem == &problems()[0]) missed = now;
    std::erase_if(missed, [&](std::size_t line) { return !now.count(line); });
  }
  const auto found_by_any = [&](const std::string& mutant) {
    for (const Mode& mode : modes())
      for (const Problem& problem : problems())
        if (!judge(mutant, problem, mode).empty()) return true;
    return false;
  };
  int planted = 0, found = 0;
  std::map<std::string, std::pair<int, int>> by_kind;
  std::map<std::string, int> by_reason;
  for (std::size_t i = 0; i < lines.size(); ++i)
    for (const Kind& kind : kinds()) {
      if (missed.count(i + 1)) continue;
      if (lines[i].find(kind.word) == std::string::npos) continue;
      const std::string changed = kind.change(lines[i]);
      if (changed.empty() || changed == lines[i]) continue;
      std::string mutant;
      for (std::size_t j = 0; j < lines.size(); ++j) mutant += (j == i ? changed : lines[j]) + "\n";
      const bool told = found_by_any(mutant);
      ++planted;
      found += told;
      auto& [count, hits] = by_kind[kind.name];
      ++count;
      hits += told;
      if (told) continue;
      const char* const why = reason_of(kind.name, lines, i);
      INFO("not found: " << kind.name << " at line " << i + 1 << ": " << lines[i]);
      CHECK(why);
      if (why) ++by_reason[why];
    }
  for (const auto& [name, counts] : by_kind) WARN(name << ": " << counts.second << " of " << counts.first);
  for (const auto& [why, count] : by_reason) WARN(count << " cannot be found: " << why);
  CHECK(planted >= 60);
  CHECK(found * 100 >= planted * 85);
}
