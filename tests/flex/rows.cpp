// SPDX-License-Identifier: Apache-2.0
//
// Row code of every instruction set that this processor has, beside the evaluation of each pair: equal bits where
// operators are exact, and functions within what the interval analysis leaves room for.
#include "../../plugins/flex/cpu/row_code.hpp"

#include <cmath>

#include "attnrt/cpu_isa.hpp"
#include "programs.hpp"

using namespace attnrt::flex;

namespace {

struct Evaluators {
  const char* name;
  const RowEvaluator* rows;
};
std::vector<Evaluators> evaluators() {
  std::vector<Evaluators> out{{"portable", &portable_rows()}};
#if defined(__x86_64__)
  const uint64_t isa = attnrt::sdk::cpu_isa();
  if (isa & ATTNRT_ISA_AVX2) out.push_back({"avx2", &avx2_rows()});
  if (isa & ATTNRT_ISA_AVX512) out.push_back({"avx512", &avx512_rows()});
#endif
  return out;
}

struct Scratch {
  explicit Scratch(const RowCode& code) : slots(code.scratch_bytes() / sizeof(Slot) + 1) {}
  std::byte* data() { return reinterpret_cast<std::byte*>(slots.data()); }
  std::vector<Slot> slots;
};

bool same(float a, float b) { return a != a ? b != b : Value::of(a).bits == Value::of(b).bits; }

}  // namespace

TEST_CASE("rows of exact programs have the bits of their pairs") {
  for (const Evaluators& with : evaluators()) {
    RandomPrograms random(41, true);
    for (int i = 0; i < 400; ++i) {
      const Program program = random.next();
      RandomBuffers buffers(static_cast<uint32_t>(i));
      Evaluator evaluator(program, buffers.views);
      const RowCode mask(program, program.mask), score(program, program.score);
      Scratch mask_scratch(mask), score_scratch(score);
      const auto count = static_cast<int32_t>(random.below(200)) + 1;
      const RowCall call{&mask.view(),
                         buffers.views,
                         1,
                         static_cast<int32_t>(random.below(4)),
                         static_cast<int32_t>(random.below(100)),
                         static_cast<int32_t>(random.below(70)),
                         count};
      RowCall scores = call;
      scores.code = &score.view();
      std::vector<float> bias(static_cast<std::size_t>(count), 2.5f), made(static_cast<std::size_t>(count));
      for (std::size_t k = 0; k < made.size(); ++k) made[k] = static_cast<float>(random.below(1000)) / 7 - 60;
      const std::vector<float> given = made;
      with.rows->hide(call, bias.data(), mask_scratch.data());
      with.rows->score(scores, made.data(), score_scratch.data());
      for (int32_t k = 0; k < count; ++k) {
        const auto at = static_cast<std::size_t>(k);
        const Pair pair{call.b, call.h, call.q_idx, call.kv_first + k, given[at]};
        if (bias[at] != (evaluator.visible(pair) ? 2.5f : -HUGE_VALF)) FAIL(with.name << ": mask of program " << i);
        if (!same(made[at], evaluator.score(pair))) FAIL(with.name << ": score of program " << i);
      }
    }
  }
}

TEST_CASE("functions of rows are as good as the interval analysis takes for granted") {
  std::vector<float> values = {0,   -0.0f, 1,      -1,     0x1p-126f, -0x1p-126f, 1e-30f,    88.7f,
                               89,  -87,   -104,   127.9f, 128,       -126,       HUGE_VALF, -HUGE_VALF,
                               NAN, 3e38f, -3e38f, 8192,   8193,      1e10f,      0.125f,    0.12f};
  std::mt19937 random(3);
  for (int i = 0; i < 4000; ++i)
    values.push_back(static_cast<float>(
        std::ldexp(static_cast<double>(random() % 2000001) / 1e6 - 1, static_cast<int>(random() % 24) - 10)));
  while (values.size() % kRowKeys) values.push_back(0);
  for (const Evaluators& with : evaluators())
    for (const char* name : {"exp", "exp2", "log", "log2", "sqrt", "rsqrt", "tanh", "sin", "cos"}) {
      const Program program = parsed(std::string("score: ") + name + "(score)");
      const RowCode code(program, program.score);
      Scratch scratch(code);
      std::vector<float> made = values;
      with.rows->score({&code.view(), nullptr, 0, 0, 0, 0, static_cast<int32_t>(made.size())}, made.data(),
                       scratch.data());
      for (std::size_t k = 0; k < made.size(); ++k) {
        const float wanted = Evaluator(program, nullptr).score({0, 0, 0, 0, values[k]});
        INFO(with.name << " " << name << "(" << values[k] << ") = " << made[k] << ", wanted " << wanted);
        const bool tiny = std::fabs(wanted) < 0x1p-126f;
        if (std::isfinite(wanted) && !tiny)
          CHECK(std::fabs(made[k] - wanted) <= 4e-6f * std::fabs(wanted) + 1e-6f);
        else if (!tiny)
          CHECK(same(made[k], wanted));
        else
          CHECK(std::fabs(made[k]) <= 1e-6f);
      }
    }
}

TEST_CASE("rows read buffers of every dtype, in order, backwards, with strides and past their ends") {
  const uint16_t halves[] = {0x3c00, 0xc000, 0x0001, 0x8400, 0x7c00, 0x7bff, 0x7e00, 0};
  const uint8_t truths[] = {0, 2, 0, 1, 255, 0, 0, 1};
  const int32_t wholes[] = {5, -6, 7, 8, 9, 10, 11, 12};
  const float reals[] = {1, 2, 3, 4, 5, 6, 7, 8};
  const std::pair<const char*, const void*> dtypes[] = {
      {"fp16", halves}, {"bf16", halves}, {"bool", truths}, {"i32", wholes}, {"f32", reals}};
  for (const Evaluators& with : evaluators())
    for (const auto& [dtype, data] : dtypes)
      for (const char* index :
           {"kv_idx", "kv_idx + 2", "3 - kv_idx", "2 - (q_idx - -kv_idx)", "kv_idx * 3 % 8", "q_idx", "kv_idx - 1000"})
        for (const int64_t stride : {1, 2}) {
          const Program program = parsed(std::string("buffer a: ") + dtype + "[n]\nscore: f32(a[" + index + "])");
          const BufferView view{data, {8 / stride}, {stride}};
          const RowCode code(program, program.score);
          Scratch scratch(code);
          std::vector<float> made(100);
          with.rows->score({&code.view(), &view, 0, 0, 2, 0, 100}, made.data(), scratch.data());
          for (int32_t k = 0; k < 100; ++k) {
            const float wanted = Evaluator(program, &view).score({0, 0, 2, k, 0});
            if (!same(made[static_cast<std::size_t>(k)], wanted))
              FAIL(with.name << " " << dtype << "[" << index << "] " << k);
          }
        }
}

TEST_CASE("rows read long buffers in both directions, from one end to behind the other") {
  std::vector<float> reals(300);
  for (std::size_t i = 0; i < reals.size(); ++i) reals[i] = static_cast<float>(i);
  const BufferView view{reals.data(), {3, 100}, {100, 1}};
  for (const Evaluators& with : evaluators())
    for (const char* index :
         {"kv_idx", "kv_idx - 10", "99 - kv_idx", "-kv_idx + 64", "63 - kv_idx", "q_idx + 50 - kv_idx"}) {
      const Program program = parsed(std::string("buffer a: f32[3, 100]\nscore: score + a[h, ") + index + "]");
      const RowCode code(program, program.score);
      Scratch scratch(code);
      for (const int32_t h : {0, 2, 7}) {
        std::vector<float> made(150);
        with.rows->score({&code.view(), &view, 0, h, 2, 0, 150}, made.data(), scratch.data());
        for (int32_t k = 0; k < 150; ++k) {
          INFO(with.name << " a[" << h << ", " << index << "] " << k);
          CHECK(made[static_cast<std::size_t>(k)] == Evaluator(program, &view).score({0, h, 2, k, 0}));
        }
      }
    }
}

TEST_CASE("rows divide by constants as pairs do") {
  const int32_t divisors[] = {1,         2, 3,  7,  64,       1000, 65535, 65536, 1 << 30, (1 << 30) + 1,
                              INT32_MAX, 0, -1, -3, INT32_MIN};
  for (const Evaluators& with : evaluators())
    for (const int32_t by : divisors)
      for (const int32_t first : {0, INT32_MAX - 150, INT32_MIN, -75, (1 << 30) - 60, -(1 << 30) - 60}) {
        Builder builder({});
        const int key = builder.apply(Op::add, {builder.leaf(Op::kv_idx), builder.leaf(Op::q_idx)});
        const int divisor = builder.constant(Type::i32, Value::of(by));
        const int both =
            builder.apply(Op::bit_xor, {builder.apply(Op::floor_div, {key, divisor}),
                                        builder.apply(Op::shift_left, {builder.apply(Op::mod, {key, divisor}),
                                                                       builder.constant(Type::i32, Value::of(3))})});
        // Of an i32 a score holds 24 bits: in two halves.
        for (const int32_t shift : {0, 16}) {
          const int part = builder.apply(
              Op::bit_and, {builder.apply(Op::shift_right, {both, builder.constant(Type::i32, Value::of(shift))}),
                            builder.constant(Type::i32, Value::of(0xffff))});
          Builder copy = builder;
          const Program program = copy.finish(Program::kNone, copy.apply(Op::to_f32, {part}));
          const RowCode code(program, program.score);
          Scratch scratch(code);
          std::vector<float> made(130);
          with.rows->score({&code.view(), nullptr, 0, 0, first, 0, 130}, made.data(), scratch.data());
          for (int32_t k = 0; k < 130; ++k) {
            const float wanted = Evaluator(program, nullptr).score({0, 0, first, k, 0});
            if (made[static_cast<std::size_t>(k)] != wanted)
              FAIL(with.name << ": " << first << " + " << k << " by " << by << " gives "
                             << made[static_cast<std::size_t>(k)] << ", wanted " << wanted);
          }
        }
      }
}
