// SPDX-License-Identifier: Apache-2.0
//
// FLEX_ATTENTION on an emulated device of CUDA's: the programs of the page, requests that differ, what holds beside a
// program, and captured runs whose masks change under them. The conformance kit has the rest.
#include <algorithm>
#include <catch2/catch.hpp>
#include <deque>
#include <string>
#include <vector>

#include "../gpu/engine_batch.hpp"
#include "attnrt/flex/canonical.hpp"
#include "conformance/judge.hpp"
#include "documented_programs.hpp"
#include "flex/parser.hpp"

using namespace attnrt;
using namespace attnrt::emulated;
using conformance::FlexCase;
using conformance::Length;
using conformance::RequestData;

namespace {

/// A program from its text, every buffer filled: numbers of documents ascend, the rest is random.
FlexCase& made(const std::string& text) {
  static std::deque<FlexCase> all;
  core::Result<flex::Program> parsed = core::parse_flex(text, "test", {});
  REQUIRE(static_cast<bool>(parsed));
  FlexCase& out = all.emplace_back();
  out.name = "a test's";
  out.program = *parsed;
  out.canonical = flex::write_canonical(out.program);
  out.bytes = {sizeof out.bytes, static_cast<uint32_t>(out.program.buffers.size()), out.canonical.size(),
               out.canonical.c_str()};
  conformance::Random random(5);
  for (const flex::Buffer& buffer : out.program.buffers) {
    flex::BufferView view{nullptr, {}, {}};
    int64_t count = 1;
    for (std::size_t d = buffer.extents.size(); d-- > 0;) {
      view.strides[d] = count;
      view.shape[d] = buffer.extents[d].size                    ? buffer.extents[d].size
                      : buffer.extents[d].symbol == "num_heads" ? 8
                                                                : 400;
      count *= view.shape[d];
    }
    std::vector<uint32_t>& words = out.words.emplace_back(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < words.size(); ++i) {
      if (buffer.element == flex::Element::i32) words[i] = static_cast<uint32_t>(i / 31);
      if (buffer.element == flex::Element::f32) words[i] = flex::Value::of(random.normal()).bits;
      if (buffer.element == flex::Element::boolean)
        for (uint32_t byte = 0; byte < 4; ++byte) words[i] |= uint32_t{random.below(4) != 0} << 8 * byte;
    }
    out.views.push_back(view);
  }
  for (std::size_t i = 0; i < out.words.size(); ++i) out.views[i].data = out.words[i].data();
  return out;
}

const attnrt_variant& variant(const Plugin& plugin) {
  const attnrt_backend& backend = *plugin.table().backends[0];
  for (uint32_t i = 0; i < backend.num_variants; ++i)
    if (std::string(backend.variants[i]->name) == "FA2") return *backend.variants[i];
  throw std::runtime_error("flex.so has no variant FA2");
}

/// Attention of 8 query heads on 2 KV heads of 64 in a paged cache, without causality, under a program.
attnrt_problem problem_of(const FlexCase& flex, const conformance::Memory& memory) {
  attnrt_problem p = standard_problem(ATTNRT_PHASE_MIXED, ATTNRT_DETERMINISM_BATCH_INVARIANT);
  p.arch = memory.arch();
  p.features = ATTNRT_FEATURE_NON_CAUSAL | ATTNRT_FEATURE_LSE | ATTNRT_FEATURE_FLEX;
  p.causal = ATTNRT_CAUSAL_NEVER;
  p.graph_level = ATTNRT_GRAPH_ALWAYS;
  p.flex = &flex.bytes;
  return p;
}

/// A batch under a program, planned and run on the device.
class Trial {
 public:
  Trial(const Plugin& plugin, conformance::Memory& memory, FlexCase& flex, const attnrt_problem& problem,
        std::vector<Length> lengths)
      : flex_(flex), rig_(variant(plugin), memory, problem) {
    for (const conformance::Fault& fault : rig_.faults()) FAIL(fault.sentence);
    c_.problem = problem;
    c_.lengths = std::move(lengths);
    c_.lse = true;
    operands_ = conformance::make_operands(c_);
    operands_.flex = &flex_;
    requests_ = conformance::make_requests(c_, operands_);
    for (const RequestData& r : requests_) pointers_.push_back(&r);
    launch_ = std::make_unique<conformance::Launch>(rig_, operands_, pointers_, true, c_.placement);
  }
  Trial(const Trial&) = delete;
  Trial& operator=(const Trial&) = delete;
  ~Trial() { memory().forget(graph_); }

  void run() {
    CHECK(launch_->update());
    CHECK(launch_->run());
    compare(requests_);
  }

  void capture() {
    CHECK(launch_->update());
    memory().finish(launch_->stream());
    REQUIRE(memory().capture_begin(launch_->stream()));
    conformance::Sink sink;
    const attnrt_status status = rig_.variant().run(launch_->plan(), &launch_->args(), launch_->stream(), sink.get());
    graph_ = memory().capture_end(launch_->stream());
    REQUIRE(status == ATTNRT_OK);
    REQUIRE(graph_);
  }
  /// Other numbers in a buffer of the program, where the graph and the plan read it.
  void change(std::size_t buffer, const std::vector<uint32_t>& words) {
    flex_.words[buffer] = words;
    flex_.views[buffer].data = flex_.words[buffer].data();
    const attnrt_tensor& tensor = *static_cast<const attnrt_flex_buffers*>(launch_->args().flex)->tensors[buffer];
    memory().copy_in(tensor.data, words.data(), words.size() * sizeof(uint32_t));
  }
  /// What was captured, after an update with the first `lens[r]` keys of each request.
  void replay(const std::vector<int32_t>& lens) {
    std::vector<RequestData> changed(requests_.begin(), requests_.begin() + static_cast<std::ptrdiff_t>(lens.size()));
    std::vector<int32_t> starts = {0};
    const std::size_t row = c_.problem.num_kv_heads * c_.problem.head_size_qk;
    for (std::size_t r = 0; r < lens.size(); ++r) {
      changed[r].k.resize(static_cast<std::size_t>(lens[r]) * row);
      changed[r].v.resize(static_cast<std::size_t>(lens[r]) * row);
      changed[r].seq_len = changed[r].num_keys = lens[r];
      starts.push_back(starts.back() + changed[r].query_len);
    }
    attnrt_batch batch = launch_->batch();
    batch.num_seqs = static_cast<int32_t>(lens.size());
    batch.num_tokens = starts.back();
    batch.max_seq_len = *std::max_element(lens.begin(), lens.end());
    batch.query_start_loc = launch_->shelf().put(starts);
    batch.seq_lens = launch_->shelf().put(lens);
    batch.query_start_loc_host = batch.query_start_loc_host ? starts.data() : nullptr;
    batch.seq_lens_host = batch.seq_lens_host ? lens.data() : nullptr;
    conformance::Sink sink;
    REQUIRE(rig_.variant().plan_update(launch_->plan(), &batch, launch_->stream(), sink.get()) == ATTNRT_OK);
    launch_->clear();
    memory().replay(graph_, launch_->stream());
    memory().finish(launch_->stream());
    compare(changed);
  }
  const conformance::Outcome& outcome() const { return launch_->outcome(); }

 private:
  conformance::Memory& memory() const { return rig_.memory(); }
  void compare(const std::vector<RequestData>& requests) {
    launch_->outcome() = {};
    launch_->collect();
    conformance::Outcome seen = launch_->outcome();
    for (const conformance::Fault& fault : seen.faults) FAIL_CHECK(fault.check << ": " << fault.sentence);
    CHECK(memory().trouble() == "");
    seen.out.resize(requests.size());
    seen.lse.resize(requests.size());
    seen.bytes.resize(requests.size());
    for (const conformance::Fault& fault : conformance::judge(c_.problem, operands_, requests, seen, {1e6, 1, c_.seed}))
      FAIL_CHECK(fault.check << ": " << fault.sentence);
  }

  FlexCase& flex_;
  conformance::Rig rig_;
  conformance::Case c_;
  conformance::Operands operands_;
  std::vector<RequestData> requests_;
  std::vector<const RequestData*> pointers_;
  std::unique_ptr<conformance::Launch> launch_;
  void* graph_ = nullptr;
};

}  // namespace

TEST_CASE("captured runs read the masks of the last update", "[quick]") {
  const Plugin plugin;
  conformance::GpuMemory memory(driver(), 0, true);
  FlexCase& flex = made("buffer doc: i32[400]\nmask: doc[q_idx] == doc[kv_idx]");
  Trial trial(plugin, memory, flex, problem_of(flex, memory), {{70, 300}, {5, 17}, {1, 260}});
  trial.capture();
  trial.replay({300, 17, 260});
  const auto documents = [](uint32_t length) {
    std::vector<uint32_t> out;
    for (uint32_t i = 0; i < 400; ++i) out.push_back(i / length);
    return out;
  };
  for (const uint32_t length : {7u, 400u, 64u, 130u}) {
    INFO("documents of " << length);
    trial.change(0, documents(length));
    trial.replay({300, 17, 260});  // the same shape
    trial.replay({71, 5, 200});    // fewer tiles a row: rows lie where they lay
    trial.replay({290, 16});       // a request less
  }
}

TEST_CASE("a program sees the number of its request", "[quick]") {
  const Plugin plugin;
  conformance::GpuMemory memory(driver(), 0, true);
  FlexCase &by_request = made("mask: kv_idx < (b == 1 ? 30 : 90)\nscore: b == 1 ? score * 0.5 : score"),
           &first = made("mask: kv_idx < 90"), &second = made("mask: kv_idx < 30\nscore: score * 0.5");
  const auto bytes = [&](FlexCase& flex) {
    attnrt_problem p = problem_of(flex, memory);
    conformance::Rig rig(variant(plugin), memory, p);
    REQUIRE(rig.op());
    conformance::Case c;
    c.problem = p, c.lengths = {{40, 130}, {33, 100}};
    conformance::Operands operands = conformance::make_operands(c);
    operands.flex = &flex;
    const std::vector<RequestData> requests = conformance::make_requests(c, operands);
    const conformance::Outcome outcome = rig.run(operands, {&requests[0], &requests[1]}, true, c.placement);
    REQUIRE(outcome.done);
    return outcome.bytes;
  };
  const auto together = bytes(by_request);
  CHECK(together[0] == bytes(first)[0]);
  CHECK(together[1] == bytes(second)[1]);
  CHECK(together[1] != bytes(first)[1]);
}

TEST_CASE("what a problem asks for holds beside its program", "[quick]") {
  const Plugin plugin;
  conformance::GpuMemory memory(driver(), 0, true);
  FlexCase& flex = made("score: score + 0.01 * f32(kv_idx)\nmask: kv_idx % 3 != 0");
  attnrt_problem p = problem_of(flex, memory);
  p.features = ATTNRT_FEATURE_CAUSAL | ATTNRT_FEATURE_LSE | ATTNRT_FEATURE_FLEX | ATTNRT_FEATURE_SOFTCAP |
               ATTNRT_FEATURE_SLIDING_WINDOW | ATTNRT_FEATURE_SINKS;
  p.causal = ATTNRT_CAUSAL_ALWAYS;
  p.softcap = 4;
  p.window_left = 100;
  p.window_right = 0;
  Trial(plugin, memory, flex, p, {{70, 200}, {1, 150}}).run();
}

TEST_CASE("the examples of docs/flex.md, on an emulated device", "[.][all]") {
  const Plugin plugin;
  conformance::GpuMemory memory(driver(), 0, true);
  const std::vector<std::string> texts = attnrt::flex::documented_programs();
  REQUIRE(texts.size() >= 20);
  for (const std::string& text : texts) {
    INFO(text);
    FlexCase& flex = made(text);
    // The reference knows no requests: all of them have one prefix.
    for (std::size_t i = 0; i < flex.words.size(); ++i)
      if (flex.program.buffers[i].extents.size() == 1 && flex.program.buffers[i].extents[0].symbol == "num_seqs")
        flex.words[i].assign(flex.words[i].size(), 40);
    Trial(plugin, memory, flex, problem_of(flex, memory), {{1, 213}, {77, 177}}).run();
  }
}

TEST_CASE("kernels that no op has are given back but for the latest, those of an op stay", "[.][all]") {
  const Plugin plugin;
  conformance::GpuMemory memory(driver(), 0, true);
  FlexCase& flex = made("mask: kv_idx % 4 != 1");
  Trial trial(plugin, memory, flex, problem_of(flex, memory), {{70, 200}});
  trial.run();
  constexpr uint64_t programs = 70;  // of two kernels each, more than the 128 that stay
  for (uint64_t i = 0; i < programs; ++i) {
    FlexCase& other = made("mask: (q_idx - kv_idx) % " + std::to_string(i + 3) + " != 1");
    const conformance::Rig rig(variant(plugin), memory, problem_of(other, memory));
    CHECK(rig.op());
  }
  CHECK(calls("cuModuleUnload") == 2 * (programs - 1) - 128);  // the last program's were its op's to the end
  trial.run();
}
