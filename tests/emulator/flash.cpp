// SPDX-License-Identifier: Apache-2.0
//
// A flash attention that nvcc compiled, against float64, in every mode; then with faults planted in its PTX, one at a
// time. A fault counts as found where a mode gives a wrong number or a sentence.
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

constexpr int kHead = 64, kTokens = 70, kKeys = 100, kHeads = 2;

std::string compiled() {
  std::ifstream file(FLASH_PTX);
  std::ostringstream text;
  text << file.rdbuf();
  REQUIRE(!text.str().empty());
  return text.str();
}

/// The problem, and what is right.
struct Problem {
  std::vector<uint16_t> q, k, v;
  std::vector<double> out, lse;

  Problem()
      : q(make(kTokens, 1)),
        k(make(kKeys, 2)),
        v(make(kKeys, 3)),
        out(kTokens * kHeads * kHead),
        lse(kTokens * kHeads) {
    const auto at = [](const std::vector<uint16_t>& rows, int row, int head, int d) {
      return static_cast<double>(from_half(rows[static_cast<std::size_t>((row * kHeads + head) * kHead + d)]));
    };
    for (int t = 0; t < kTokens; ++t)
      for (int h = 0; h < kHeads; ++h) {
        const int visible = t + kKeys - kTokens + 1;
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
  static std::vector<uint16_t> make(int rows, unsigned seed) {
    std::mt19937 random(seed);
    std::vector<uint16_t> values(static_cast<std::size_t>(rows * kHeads * kHead));
    for (uint16_t& value : values)
      value = to_half(static_cast<float>(static_cast<int>(random() % 2001) - 1000) / 500.0f);
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
  a.tokens = kTokens, a.keys = kKeys, a.heads = kHeads;
  a.scale = static_cast<float>(std::log2(std::exp(1.0)) / 8);
  Launch launch;
  launch.module = &machine.module();
  launch.kernel = machine.module().kernel("flash");
  launch.memory = &machine.memory();
  launch.grid[0] = (kTokens + 63) / 64, launch.grid[1] = kHeads;
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
    if (!(error < 1e-4)) return say("lse is off by ", error);
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

// What no run can tell apart, and why.
const std::map<std::string, std::string>& reasons() {
  static const std::map<std::string, std::string> all = {
      {"maximum is minimum", "softmax does not depend on the level that is subtracted, while nothing overflows"},
      {"rows behind the end not zeroed", "source rows are clamped to the last one, and what they score is masked"},
      {"mask off by one",
       "a bound of a loop or row that the launch does not reach, or that another comparison repeats"},
  };
  return all;
}

}  // namespace

TEST_CASE("a flash attention of nvcc is right in every mode") {
  const std::string text = compiled();
  const Problem problem;
  for (Mode mode : modes())
    for (const bool perturbed : {false, true}) {
      mode.perturbed = perturbed;
      INFO("late " << mode.late << ", seed " << mode.seed << ", perturbed " << perturbed);
      Coverage coverage;
      CHECK(judge(text, problem, mode, &coverage).empty());
      CHECK(coverage.executed * 10 > coverage.instructions * 6);
    }
}

TEST_CASE("faults planted in its PTX are found") {
  const std::string text = compiled();
  const Problem problem;
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  // Nobody can find a fault in code that the problem does not reach.
  Coverage coverage;
  REQUIRE(judge(text, problem, modes()[0], &coverage).empty());
  const std::set<std::size_t> missed(coverage.missed_lines.begin(), coverage.missed_lines.end());
  int planted = 0, found = 0;
  std::map<std::string, std::pair<int, int>> by_kind;
  for (std::size_t i = 0; i < lines.size(); ++i)
    for (const Kind& kind : kinds()) {
      if (missed.count(i + 1)) continue;
      if (lines[i].find(kind.word) == std::string::npos) continue;
      const std::string changed = kind.change(lines[i]);
      if (changed.empty() || changed == lines[i]) continue;
      std::string mutant;
      for (std::size_t j = 0; j < lines.size(); ++j) mutant += (j == i ? changed : lines[j]) + "\n";
      bool told = false;
      for (const Mode& mode : modes())
        if (!judge(mutant, problem, mode).empty()) {
          told = true;
          break;
        }
      ++planted;
      found += told;
      auto& [count, hits] = by_kind[kind.name];
      ++count;
      hits += told;
      if (told) continue;
      UNSCOPED_INFO("not found: " << kind.name << " at " << lines[i]);
      CHECK(reasons().count(kind.name) == 1);
    }
  for (const auto& [name, counts] : by_kind) WARN(name << ": " << counts.second << " of " << counts.first);
  CHECK(planted >= 60);
  CHECK(found * 100 >= planted * 80);
}
