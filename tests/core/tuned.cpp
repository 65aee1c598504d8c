// SPDX-License-Identifier: Apache-2.0
// What measurements say: which is faster, in which order, of which problems, and the file in which they are kept.
#include "tuned.hpp"

#include "problem.hpp"
#include "scratch.hpp"

using namespace attnrt::core;
using Catch::Matchers::Contains;

namespace {

constexpr Timing around(int64_t median, int64_t margin, uint32_t rounds = 9) {
  return {median, median - margin, median + margin, rounds};
}

std::vector<std::size_t> order(const std::vector<Timing>& design) {
  std::vector<Measured> measured;
  for (const Timing& t : design) measured.push_back({&t, ATTNRT_DETERMINISM_REPEATABLE, false});
  return ranks(measured);
}
using Order = std::vector<std::size_t>;

attnrt_problem decode_problem() {
  attnrt_problem p = default_problem({ATTNRT_DEVICE_CPU, 0, 0, ATTNRT_ISA_AVX2});
  p.phase = ATTNRT_PHASE_DECODE;
  const auto whole = complete(p);
  REQUIRE(whole);
  return *whole;
}

TunedTable table_of(const std::string& backend, const std::string& build_id, const std::string& cpu,
                    const std::string& date) {
  const TunedClass of{ATTNRT_FAMILY_STANDARD, ATTNRT_PHASE_DECODE, ATTNRT_BF16, 128, 4};
  return {backend,
          "p",
          build_id,
          cpu,
          date,
          2,
          {{of, "fast", ATTNRT_KV_NHD, around(1000, 10)}, {of, "slow", ATTNRT_KV_NATIVE, around(3000, 10)}}};
}

}  // namespace

TEST_CASE("what lies within 2 percent or whose intervals overlap is a tie") {
  CHECK(faster(around(1000, 1), around(1030, 1)));
  CHECK_FALSE(faster(around(1000, 1), around(1019, 1)));
  CHECK_FALSE(faster(around(1000, 20), around(1030, 20)));
  CHECK_FALSE(faster(around(1000, 10), around(1020, 10)));  // they touch
  CHECK_FALSE(faster(around(1030, 1), around(1000, 1)));
  CHECK_FALSE(faster(around(1000, 0), around(1000, 0)));
}

TEST_CASE("of few rounds only a factor of two counts") {
  CHECK_FALSE(faster(around(1000, 1), around(1900, 1, 3)));
  CHECK(faster(around(1000, 1), around(2100, 1, 3)));
  CHECK_FALSE(faster(around(1000, 1, 3), around(1900, 1)));
}

TEST_CASE("ties go to the order of design, winners before it") {
  CHECK(order({around(1000, 1), around(1010, 1), around(990, 1)}) == Order{0, 1, 2});
  CHECK(order({around(2000, 1), around(1000, 1), around(1500, 1)}) == Order{1, 2, 0});
  CHECK(order({around(2000, 1), around(1005, 1), around(1000, 1)}) == Order{1, 2, 0});  // 1 and 2 tie
  CHECK(order({}) == Order{});
}

TEST_CASE("nothing stands before the default that did not beat it") {
  // 1 ties with 0, 2 ties with 1 and beats 0: 2 comes first, and 1 stays behind the default that it did not beat.
  CHECK(order({around(1030, 1), around(1015, 1), around(1000, 1)}) == Order{2, 0, 1});
  // A default that nothing was measured of is beaten by nobody.
  const Timing fast = around(10, 1), slow = around(1000, 1);
  CHECK(ranks({{nullptr, 1}, {&slow, 1}, {&fast, 1}}) == Order{0, 2, 1});
  CHECK(ranks({{&slow, 1}, {nullptr, 1}, {&fast, 1}}) == Order{2, 0, 1});
}

TEST_CASE("only variants of one determinism level are compared, and none that is unproved beats a proved one") {
  const Timing fast = around(10, 1), slow = around(1000, 1);
  CHECK(ranks({{&slow, ATTNRT_DETERMINISM_SCHEDULE_INVARIANT}, {&fast, ATTNRT_DETERMINISM_REPEATABLE}}) == Order{0, 1});
  CHECK(ranks({{&slow, ATTNRT_DETERMINISM_REPEATABLE}, {&fast, ATTNRT_DETERMINISM_SCHEDULE_INVARIANT}}) == Order{0, 1});
  CHECK(ranks({{&slow, 1, true}, {&fast, 1, false}}) == Order{0, 1});
  CHECK(ranks({{&slow, 1, false}, {&fast, 1, true}}) == Order{1, 0});
}

TEST_CASE("a class holds the problems that one measurement speaks for") {
  const attnrt_problem p = decode_problem();
  const auto of = [](attnrt_problem asked, auto&& change) {
    change(asked);
    const auto found = tuned_class(asked);
    return found ? describe(*found) : "";
  };
  CHECK(of(p, [](auto&) {}) == "decode, bf16, head size 128, 4 query heads a KV head");
  CHECK(of(p, [](auto& q) { q.head_size_qk = q.head_size_v = 80; }) ==
        "decode, bf16, head size 128, 4 query heads a KV head");
  CHECK(of(p, [](auto& q) {
          q.head_size_qk = q.head_size_v = 64;
          q.num_kv_heads = 32;
        }) == "decode, bf16, head size 64, a KV head for each query head");
  CHECK(of(p, [](auto& q) {
          q.num_heads = 71;
          q.num_kv_heads = 1;
          q.phase = ATTNRT_PHASE_MIXED;
        }) == "mixed, bf16, head size 128, 8 query heads a KV head");
  CHECK(of(p, [](auto& q) { q.features |= ATTNRT_FEATURE_SLIDING_WINDOW | ATTNRT_FEATURE_LSE; }) != "");

  CHECK(of(p, [](auto& q) { q.device_id = -1; }) == "");  // hardware that is not here
  CHECK(of(p, [](auto& q) { q.device_type = ATTNRT_DEVICE_CUDA; }) == "");
  CHECK(of(p, [](auto& q) { q.features |= ATTNRT_FEATURE_SOFTCAP; }) == "");
  CHECK(of(p, [](auto& q) { q.features |= ATTNRT_FEATURE_FLEX; }) == "");
  CHECK(of(p, [](auto& q) { q.kv_dtype = ATTNRT_INT8; }) == "");
  CHECK(of(p, [](auto& q) { q.head_size_qk = q.head_size_v = 32; }) == "");
  CHECK(of(p, [](auto& q) { q.head_size_qk = q.head_size_v = 512; }) == "");
  CHECK(of(p, [](auto& q) { q.attn_type = ATTNRT_ATTN_ENCODER_ONLY; }) == "");
  CHECK(of(p, [](auto& q) { q.decode_query_len = 4; }) == "");
  CHECK(of(p, [](auto& q) { q.phase = ATTNRT_PHASE_DECODE | ATTNRT_PHASE_PREFILL; }) == "");
  // Measuring never changes the bits of those who asked for the same bits.
  CHECK(of(p, [](auto& q) { q.determinism = ATTNRT_DETERMINISM_BATCH_INVARIANT; }) == "");
  CHECK(of(p, [](auto& q) { q.determinism = ATTNRT_DETERMINISM_REPEATABLE; }) != "");

  attnrt_problem mla = p;
  mla.family = ATTNRT_FAMILY_MLA;
  mla.head_size_qk = 576;
  mla.head_size_v = mla.mla_kv_lora = 512;
  CHECK(of(mla, [](auto&) {}) == "MLA decode, bf16, head size 576");
  CHECK(of(mla_prefill_half(mla), [](auto&) {}) == "");
}

TEST_CASE("what is recorded is read again, and replaces what was kept of the same backend, build and CPU") {
  const Scratch folder;
  const CacheFolder cache(folder.path());
  CHECK(Tuned::read(cache).tables.empty());
  REQUIRE(Tuned::record(cache, {table_of("A", "one", "here", "2026-01-01"), table_of("B", "one", "here", "2026-01-01")})
              .ok());
  REQUIRE(Tuned::record(cache, {table_of("A", "one", "here", "2026-02-02"), table_of("A", "two", "here", "2026-02-02"),
                                table_of("A", "one", "there", "2026-02-02")})
              .ok());
  const Tuned tuned = Tuned::read(cache);
  CHECK(tuned.fault.empty());
  REQUIRE(tuned.tables.size() == 4);
  CHECK(tuned.on("here").size() == 3);
  CHECK(tuned.tables[0].backend == "B");
  const TunedTable& a = tuned.tables[1];
  CHECK(a.date == "2026-02-02");
  REQUIRE(a.entries.size() == 2);
  CHECK(a.entries[1].variant == "slow");
  CHECK(a.entries[1].layout == ATTNRT_KV_NATIVE);
  CHECK(a.entries[1].problem_class == table_of("", "", "", "").entries[0].problem_class);
  CHECK(a.entries[1].timing.median == 3000);
  CHECK(a.entries[1].timing.rounds == 9);
}

TEST_CASE("the file keeps the latest tables and no more than it must") {
  const Scratch folder;
  const CacheFolder cache(folder.path());
  for (int i = 0; i < 70; ++i)
    REQUIRE(Tuned::record(cache, {table_of("A", std::to_string(i), "here", "2026-01-" + std::to_string(10 + i))}).ok());
  const Tuned tuned = Tuned::read(cache);
  CHECK(tuned.tables.size() == 64);
  CHECK(tuned.tables.back().build_id == "69");
  CHECK(tuned.tables.front().build_id == "6");
}

TEST_CASE("a file that is broken, foreign or of a later version is not used, and a sentence says why") {
  const Scratch folder;
  const CacheFolder cache(folder.path());
  const std::string good = Tuned::print({table_of("A", "one", "here", "2026-01-01")});
  const auto fault = [&](const std::string& text) {
    folder.write("tuned.json", text);
    std::filesystem::permissions(folder.path() / "tuned.json", std::filesystem::perms(0600));
    const Tuned tuned = Tuned::read(cache);
    CHECK(tuned.tables.empty());
    return tuned.fault;
  };
  const auto with = [&good](const std::string& from, const std::string& to) {
    std::string text = good;
    const std::size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    return text.replace(at, from.size(), to);
  };
  CHECK_THAT(fault(""), Contains("tuned.json:1:1: ") && Contains("wanted JSON"));
  CHECK_THAT(fault(good.substr(0, good.size() / 2)), Contains("tuned.json:1:") && Contains("wanted JSON"));
  CHECK_THAT(fault("[]"), Contains("is an array, wanted an object"));
  CHECK_THAT(fault(with("\"version\":1", "\"version\":2")),
             Contains("version is 2, wanted 1: a later attnrt wrote it"));
  CHECK_THAT(fault(with("\"low_ns\":990", "\"low_ns\":\"fast\"")),
             Contains("#/tables/0/classes/0/variants/0/low_ns: is a string"));
  CHECK_THAT(fault(with("\"low_ns\":990", "\"low_ns\":1001")),
             Contains("low_ns, median_ns and high_ns are not in this order"));
  CHECK_THAT(fault(with("\"median_ns\":1000", "\"median_ns\":0")), Contains("is 0, wanted 1 to"));
  CHECK_THAT(fault(with("\"phase\":\"decode\"", "\"phase\":\"later\"")),
             Contains("is 'later', wanted one of prefill, decode, mixed"));
  CHECK_THAT(fault(with("\"cpu\":", "\"gpu\":")), Contains("unknown key 'gpu'"));
  CHECK_THAT(fault(with("\"backend\":\"A\"", "\"backend\":\"A\\nB\"")), Contains("wanted letters, digits"));

  // A broken file is replaced by the next measurement, one of a later version is left alone.
  fault("{");
  CHECK(Tuned::record(cache, {table_of("A", "one", "here", "2026-01-01")}).ok());
  CHECK(Tuned::read(cache).tables.size() == 1);
  const std::string later = with("\"version\":1", "\"version\":9");
  fault(later);
  const Status refused = Tuned::record(cache, {table_of("A", "one", "here", "2026-01-01")});
  CHECK(refused.code == ATTNRT_UNAVAILABLE);
  CHECK_THAT(refused.text, Contains("version is 9, wanted 1"));
  CHECK(read_bytes(folder.path() / "tuned.json") == later);
}
