// SPDX-License-Identifier: Apache-2.0
//
// flex_cost PLUGIN_FOLDER [DTYPES [THREADS [TOKENS [HEAD_SIZES [PROGRAMS [ROUNDS]]]]]]: what FLEX_ATTENTION costs under
// eight programs, and CPU_ATTN beside it, in turn, where a program equals a feature of that. Lists are words between
// commas. Prints a JSON line a program and one for a block mask, asserts nothing.
//   ms_median     of the rounds, one call: one request of TOKENS queries and keys, 32 query heads, 8 KV heads
//   cpu_ms        the same in the process's CPU time, which other programs on the machine disturb less; with one thread
//                 alone, for workers that wait count too
//   prepare_ms    from the text to a plan that is ready to run: parsed, selected, created, its tiles known
//   first_ms      that and the first run, less ms_median: what a first call costs more than the next
//   builtin_ms    CPU_ATTN's median in the same rounds; of_builtin: the median of the rounds' ratios, by CPU time where
//                 there is one thread
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "attnrt/element.hpp"
#include "attnrt/flex/block_mask.hpp"
#include "attnrt/flex/canonical.hpp"
#include "attnrt/runtime.hpp"

namespace {

constexpr uint32_t kHeads = 32, kKvHeads = 8;

double now_ms() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}
double cpu_ms() { return 1e3 * static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

/// What calls took.
struct Times {
  std::vector<double> wall, cpu;
  template <class Call>
  void add(Call&& call) {
    const double start = now_ms(), cpu_start = cpu_ms();
    call();
    cpu.push_back(cpu_ms() - cpu_start);
    wall.push_back(now_ms() - start);
  }
};
double median(std::vector<double> of) {
  std::sort(of.begin(), of.end());
  return of[of.size() / 2];
}

struct Program {
  const char* name;
  const char* text;
  /// Makes a feature of the problem what the program says; empty: there is none.
  std::function<attnrt::Problem(const attnrt::Problem&)> builtin;
};
const std::vector<Program>& programs() {
  using attnrt::Problem;
  const auto causal = [](const Problem& p) { return p.with_causal(ATTNRT_CAUSAL_ALWAYS); };
  static const std::vector<Program> all = {
      {"causal", "mask: kv_idx <= q_idx", causal},
      {"window_256", "mask: kv_idx <= q_idx && q_idx - kv_idx < 256",
       [=](const Problem& p) { return causal(p).with_window(256); }},
      {"prefix_lm_512", "mask: kv_idx < 512 || kv_idx <= q_idx", {}},
      {"documents_8", "buffer doc: i32[tokens]\nmask: doc[q_idx] == doc[kv_idx] && kv_idx <= q_idx", {}},
      {"softcap_causal", "score: 20.0 * tanh(score / 20.0)\nmask: kv_idx <= q_idx",
       [=](const Problem& p) { return causal(p).with_softcap(20); }},
      {"alibi_causal", "buffer slope: f32[heads]\nscore: score + slope[h] * (kv_idx - q_idx)\nmask: kv_idx <= q_idx",
       [=](const Problem& p) { return causal(p).with_alibi(); }},
      {"relative_bias_causal",
       "buffer rel: f32[distances]\nscore: score + rel[q_idx - kv_idx + TOKENS]\n"
       "mask: kv_idx <= q_idx",
       {}},
      {"dilated_4", "mask: kv_idx <= q_idx && (q_idx - kv_idx) % 4 == 0", {}},
  };
  return all;
}

/// Random elements of a dtype as bytes.
std::vector<char> noise(std::size_t count, uint32_t dtype, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<char> out(count * (dtype == ATTNRT_FP32 ? 4 : 2));
  for (std::size_t i = 0; i < count; ++i) {
    const float x = normal(random);
    const uint16_t half = dtype == ATTNRT_BF16 ? attnrt::detail::bfloat16_bits(x) : attnrt::detail::half_bits(x);
    if (dtype == ATTNRT_FP32)
      std::memcpy(&out[i * 4], &x, 4);
    else
      std::memcpy(&out[i * 2], &half, 2);
  }
  return out;
}

/// One shape: operands, and what the programs' buffers hold.
struct Shape {
  Shape(uint32_t element, int32_t length, uint32_t head, const attnrt_executor* workers)
      : dtype(element),
        tokens(length),
        head_size(head),
        pool(workers),
        q(noise(elements(kHeads), dtype, 1)),
        k(noise(elements(kKvHeads), dtype, 2)),
        v(noise(elements(kKvHeads), dtype, 3)),
        out(q.size()) {
    for (int64_t i = 0; i < tokens; ++i) doc.push_back(static_cast<int32_t>(i * 8 / tokens));
    for (uint32_t h = 0; h < kHeads; ++h) slope.push_back(std::exp2(-8.0f * static_cast<float>(h + 1) / float{kHeads}));
    for (int32_t i = 0; i < 2 * tokens; ++i) rel.push_back(0.1f * std::sin(static_cast<float>(i)));
  }
  std::size_t elements(uint32_t heads) const {
    return std::size_t{heads} * head_size * static_cast<std::size_t>(tokens);
  }
  attnrt::Tensor rows(std::vector<char>& of, uint32_t heads) const {
    return {of.data(), attnrt::sdk::to_dlpack(dtype), {tokens, int64_t{heads}, int64_t{head_size}}};
  }
  attnrt::Problem problem(const attnrt::Runtime& runtime) const {
    return runtime.decoder(kHeads, kKvHeads, head_size, dtype, "cpu")
        .with_phase(ATTNRT_PHASE_PREFILL)
        .with_causal(ATTNRT_CAUSAL_NEVER)
        .with_kv_layouts(ATTNRT_KV_CONTIGUOUS);
  }

  uint32_t dtype;
  int32_t tokens;
  uint32_t head_size;
  const attnrt_executor* pool;
  std::vector<char> q, k, v, out;
  std::vector<int32_t> doc;
  std::vector<float> slope, rel;
};

/// An op with its plan, ready to run.
class Ready {
 public:
  Ready(const attnrt::Runtime& runtime, Shape& shape, const attnrt_problem& problem, const attnrt::Flex* flex)
      : shape_(shape),
        choice_(runtime.select(problem)),
        op_(runtime.op(choice_)),
        limits_(attnrt::Limits(1, shape.tokens, shape.tokens).with_kv_tokens(shape.tokens).with_executor(shape.pool)),
        plan_(op_.plan(limits_)),
        batch_(op_.make_batch(limits_)),
        args_(shape.rows(shape.q, kHeads), shape.rows(shape.k, kKvHeads), shape.rows(shape.v, kKvHeads),
              shape.rows(shape.out, kHeads)) {
    if (flex) {
      std::vector<attnrt::Tensor> tensors;
      for (const std::string& name : flex->buffers())
        tensors.push_back(name == "doc"     ? attnrt::Tensor(shape.doc, {shape.tokens})
                          : name == "slope" ? attnrt::Tensor(shape.slope, {kHeads})
                                            : attnrt::Tensor(shape.rel, {2 * int64_t{shape.tokens}}));
      buffers_ = attnrt::FlexBuffers(std::move(tensors));
      args_.flex = buffers_.get();
      batch_.set_flex(args_.flex);
    } else if (problem.features & ATTNRT_FEATURE_ALIBI) {
      args_.alibi_slopes = attnrt::Tensor(shape.slope, {kHeads});
    }
    batch_.add({shape.tokens, shape.tokens});
    plan_.update(batch_, shape.pool);
  }
  void run() const { plan_.run(args_, shape_.pool); }
  std::string name() const { return choice_.backend() + "/" + choice_.variant(); }

 private:
  Shape& shape_;
  attnrt::Choice choice_;
  attnrt::Op op_;
  attnrt::Limits limits_;
  attnrt::Plan plan_;
  attnrt::Batch batch_;
  attnrt::RunArgs args_;
  attnrt::FlexBuffers buffers_;
};

void measure(const attnrt::Runtime& runtime, Shape& shape, const Program& program, int rounds) {
  std::string text = program.text;
  if (const std::size_t at = text.find("TOKENS"); at != text.npos) text.replace(at, 6, std::to_string(shape.tokens));
  const double start = now_ms();
  const attnrt::Flex flex(text);
  attnrt::Problem problem = shape.problem(runtime);
  flex.give(problem);
  Ready ours(runtime, shape, problem, &flex);
  const double prepared = now_ms() - start;
  Times first, times, builtin_times;
  first.add([&] { ours.run(); });
  std::unique_ptr<Ready> builtin;
  if (program.builtin) {
    builtin = std::make_unique<Ready>(runtime, shape, program.builtin(shape.problem(runtime)), nullptr);
    builtin->run();
  }
  for (int i = 0; i < rounds; ++i) {
    if (builtin) builtin_times.add([&] { builtin->run(); });
    times.add([&] { ours.run(); });
  }
  const bool alone = shape.pool->num_workers == 1;
  std::printf(
      "{\"peer\": \"attnrt\", \"program\": \"%s\", \"dtype\": \"%s\", \"threads\": %d, \"seq\": %d, \"head_size\": %u, "
      "\"variant\": \"%s\", \"ms_median\": %.2f, \"prepare_ms\": %.2f, \"first_ms\": %.2f",
      program.name,
      shape.dtype == ATTNRT_FP32   ? "fp32"
      : shape.dtype == ATTNRT_BF16 ? "bf16"
                                   : "fp16",
      shape.pool->num_workers, shape.tokens, shape.head_size, ours.name().c_str(), median(times.wall), prepared,
      prepared + first.wall[0] - median(times.wall));
  if (alone) std::printf(", \"cpu_ms\": %.2f", median(times.cpu));
  if (builtin) {
    const auto& mine = alone ? times.cpu : times.wall;
    const auto& theirs = alone ? builtin_times.cpu : builtin_times.wall;
    std::vector<double> ratios;
    for (std::size_t i = 0; i < mine.size(); ++i) ratios.push_back(mine[i] / theirs[i]);
    std::printf(", \"builtin\": \"%s\", \"builtin_ms\": %.2f, \"of_builtin\": %.3f", builtin->name().c_str(),
                median(builtin_times.wall), median(ratios));
  }
  std::printf("}\n");
  std::fflush(stdout);
}

/// 32,768 tokens of 16 documents of different lengths, in blocks of 128, with the buffer's ranges.
void measure_block_mask() {
  constexpr int32_t tokens = 32768, documents = 16;
  std::vector<int32_t> doc(tokens);
  for (int32_t i = 0, at = 0; i < documents; ++i) {
    const int32_t end = i + 1 == documents ? tokens : at + 1024 + 128 * i + i % 7;
    for (; at < end && at < tokens; ++at) doc[static_cast<std::size_t>(at)] = i;
  }
  const attnrt::Flex flex("buffer doc: i32[n]\nmask: doc[q_idx] == doc[kv_idx] && kv_idx <= q_idx");
  const attnrt_flex_program* const bytes = flex.get();
  attnrt::flex::Program program;
  const std::string why = attnrt::flex::read_canonical({bytes->bytes, bytes->num_bytes}, program);
  if (!why.empty()) return void(std::fprintf(stderr, "%s\n", why.c_str()));
  const attnrt::flex::BufferView view{doc.data(), {tokens}, {1}};
  const attnrt::flex::BlockGrid grid{0, tokens, tokens, 128, 128};
  std::vector<attnrt::flex::Visibility> seen(static_cast<std::size_t>(grid.rows() * grid.columns()));
  attnrt::flex::BufferRanges ranges;
  Times times;
  for (int round = 0; round < 9; ++round)
    times.add([&] {
      ranges.fill(program.buffers[0], view);
      attnrt::flex::RegionAnalysis analysis(program, &ranges);
      attnrt::flex::find_blocks(analysis, grid, {}, seen.data());
    });
  const auto count = [&](attnrt::flex::Visibility of) {
    return static_cast<long>(std::count(seen.begin(), seen.end(), of));
  };
  std::printf(
      "{\"block_mask\": \"16 documents, causal, blocks of 128\", \"seq\": %d, \"ms_median\": %.2f, \"cpu_ms\": %.2f, "
      "\"full\": %ld, "
      "\"partial\": %ld, \"empty\": %ld}\n",
      tokens, median(times.wall), median(times.cpu), count(attnrt::flex::Visibility::full),
      count(attnrt::flex::Visibility::unknown), count(attnrt::flex::Visibility::empty));
  std::fflush(stdout);
}

std::vector<std::string> words(const std::string& list) {
  std::vector<std::string> out;
  std::istringstream in(list);
  for (std::string word; std::getline(in, word, ',');) out.push_back(word);
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  const auto argument = [&](int i, const char* otherwise) { return words(argc > i && *argv[i] ? argv[i] : otherwise); };
  if (argc < 2) {
    std::fprintf(stderr,
                 "flex_cost: no folder, wanted PLUGIN_FOLDER [DTYPES THREADS TOKENS HEAD_SIZES PROGRAMS ROUNDS]\n");
    return 2;
  }
  const std::vector<std::string> wanted = argument(6, "all");
  const int rounds = std::max(1, std::atoi(argument(7, "5")[0].c_str()));
  try {
    attnrt::Options options;
    options.plugin_path = argv[1];
    options.read_environment = false;
    options.probe = ATTNRT_PROBE_NEVER;
    const attnrt::Runtime runtime(options);
    measure_block_mask();
    for (const std::string& dtype : argument(2, "fp32,bf16"))
      for (const std::string& threads : argument(3, "1,2"))
        for (const std::string& tokens : argument(4, "2048,4096"))
          for (const std::string& head_size : argument(5, "64,128")) {
            Shape shape(dtype == "fp32"   ? ATTNRT_FP32
                        : dtype == "bf16" ? ATTNRT_BF16
                                          : ATTNRT_FP16,
                        std::atoi(tokens.c_str()), static_cast<uint32_t>(std::atoi(head_size.c_str())),
                        runtime.executor(static_cast<uint32_t>(std::atoi(threads.c_str()))));
            for (const Program& program : programs())
              if (wanted[0] == "all" || std::count(wanted.begin(), wanted.end(), program.name))
                measure(runtime, shape, program, rounds);
          }
  } catch (const attnrt::Error& error) {
    std::fprintf(stderr, "flex_cost: %s\n", error.what());
    return 1;
  }
  return 0;
}
