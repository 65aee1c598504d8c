// SPDX-License-Identifier: Apache-2.0
#include "conformance/plans.hpp"

#include <atomic>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <thread>

#include "attnrt/check.hpp"
#include "conformance/judge.hpp"
#include "conformance/launch.hpp"
#include "conformance/request.hpp"

namespace attnrt::conformance {
namespace {

using sdk::say;

// A batch of its own data over the problem of a case.
struct Batch {
  Case c;
  Operands operands;
  std::vector<RequestData> requests;
  std::vector<const RequestData*> pointers;

  Batch(const Case& base, uint64_t seed) : c(base) {
    c.seed = seed;
    c.placement.seed = mix(seed, 1);
    operands = make_operands(base);
    requests = make_requests(c, operands);
    for (const RequestData& r : requests) pointers.push_back(&r);
  }
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  std::unique_ptr<Launch> launch(const Rig& rig) const {
    return std::make_unique<Launch>(rig, operands, pointers, c.lse, c.placement);
  }

  /// "" where the outcome is right: the reference, and the bits of `alone` where the sheet promises bits.
  std::string wrong(const attnrt_variant& v, const Outcome& got, const Outcome& alone) const {
    if (!got.faults.empty()) return got.faults[0].check + ": " + got.faults[0].sentence;
    if (!got.done) return "the calls did not succeed";
    const std::vector<Fault> faults = judge(c.problem, operands, requests, got, {5e4, 1, c.seed});
    if (!faults.empty()) return faults[0].check + ": " + faults[0].sentence;
    if (v.caps->determinism >= ATTNRT_DETERMINISM_REPEATABLE && alone.done && got.bytes != alone.bytes)
      return "out has other bits than alone";
    return "";
  }
};

Outcome alone(const Rig& rig, const Batch& batch) {
  return rig.run(batch.operands, batch.pointers, batch.c.lse, batch.c.placement);
}

bool note(Findings& out, const char* check, const Case& c, const std::string& wrong, const std::string& when) {
  if (!wrong.empty()) out.push_back({check, text(c), false, when + ": " + wrong});
  return wrong.empty();
}

// Is there an op for this case? Where create refuses what it cannot serve the case is none; anything else is a fault,
// for a check that met no op at all must not pass.
bool served(const Rig& rig, const char* check, const Case& c, Findings& out, std::size_t& cases) {
  if (!rig.op() && rig.status() != ATTNRT_UNSUPPORTED) note(out, check, c, rig.faults()[0].sentence, "create");
  cases += rig.op() != nullptr;
  return rig.op() != nullptr;
}

void conclude(Findings& out, const char* check, const attnrt_variant& v, std::size_t cases, const char* sentence) {
  if (out.empty() && cases) out.push_back({check, v.name, true, say(cases, " problems: ", sentence)});
  if (out.empty()) out.push_back({check, v.name, false, "the sheet admits no case of the grid, wanted at least one"});
}

}  // namespace

Findings check_workspace(const attnrt_variant& v, Memory& memory, const GridOptions& options) {
  Findings out;
  std::size_t cases = 0;
  for (const Case& c : sample_cases(v, options, 8)) {
    const Rig rig(v, memory, c.problem);
    if (!served(rig, "workspace", c, out, cases)) continue;
    const Batch first(c, c.seed), second(c, c.seed + 1);
    const std::unique_ptr<Launch> a = first.launch(rig);
    if (!a->plan()) {
      note(out, "workspace", c, a->outcome().faults[0].sentence, "plan_create");
      continue;
    }
    const attnrt_limits limits = a->limits();
    const auto ask = [&](const char* when, const attnrt_workspace* expected) {
      attnrt_workspace sizes{};
      sizes.struct_size = sizeof(sizes);
      Sink sink;
      const attnrt_status status = v.workspace(rig.op(), &limits, &sizes, sink.get());
      std::string wrong = status == ATTNRT_OK ? "" : sink.text("workspace", status);
      for (const uint64_t alignment : {sizes.plan_alignment, sizes.pinned_alignment, sizes.scratch_alignment})
        if (alignment & (alignment - 1)) wrong = say("an alignment is ", alignment, ", wanted a power of two");
      if (wrong.empty() && expected && std::memcmp(expected, &sizes, sizeof(sizes)) != 0)
        wrong = say("plan_bytes is ", sizes.plan_bytes, " and scratch_bytes ", sizes.scratch_bytes,
                    ", for the same limits before ", expected->plan_bytes, " and ", expected->scratch_bytes);
      note(out, "workspace", c, wrong, when);
      return sizes;
    };
    const attnrt_workspace before = ask("before a batch", nullptr);
    if (a->update() && a->run()) ask("after a batch", &before);
    const std::unique_ptr<Launch> b = second.launch(rig);
    if (b->update()) ask("while two plans hold batches", &before);
    if (a->update()) ask("after a second update", &before);
  }
  conclude(out, "workspace", v, cases, "the same answer before, between and after batches");
  return out;
}

namespace {

// The update on one stream and the run on another that nothing orders but what the caller puts between them.
void run_on(attnrt_stream other, const attnrt_variant& v, Memory& memory, Launch& launch) {
  launch.clear();
  Sink updated, ran;
  attnrt_status status = v.plan_update(launch.plan(), &launch.batch(), launch.stream(), updated.get());
  if (status != ATTNRT_OK) launch.outcome().faults.push_back({"plan_update", updated.text("plan_update", status)});
  memory.wait(other, memory.mark(launch.stream()));
  status = v.run(launch.plan(), &launch.args(), other, ran.get());
  if (status != ATTNRT_OK) launch.outcome().faults.push_back({"run", ran.text("run", status)});
  memory.wait(launch.stream(), memory.mark(other));
  memory.finish(launch.stream());
  if (const std::string trouble = memory.trouble(); !trouble.empty())
    launch.outcome().faults.push_back({"device", trouble});
  if (launch.outcome().faults.empty()) launch.collect();
}

}  // namespace

Findings check_plans(const attnrt_variant& v, Memory& memory, const GridOptions& options) {
  Findings out;
  const attnrt_stream another_stream = memory.another_stream();
  std::size_t cases = 0;
  for (const Case& c : sample_cases(v, options, 10)) {
    const Rig rig(v, memory, c.problem);
    if (!served(rig, "plans", c, out, cases)) continue;
    Case other = c;
    for (Length& l : other.lengths) {  // another batch, that fits other limits
      if (c.problem.attn_type & (ATTNRT_ATTN_ENCODER | ATTNRT_ATTN_ENCODER_ONLY))
        l.query = l.keys = l.keys + 3;
      else if (l.query)
        l.keys += 7;
    }
    const Batch first(c, c.seed), second(other, c.seed + 1);
    const Outcome alone_a = alone(rig, first), alone_b = alone(rig, second);
    std::unique_ptr<Launch> a = first.launch(rig), b = second.launch(rig);
    const auto judge_run = [&](Launch& launch, const Batch& batch, const Outcome& expected, const char* when) {
      launch.clear();
      if (launch.run()) launch.collect();
      return note(out, "plans", batch.c, batch.wrong(v, launch.outcome(), expected), when);
    };
    if (!a->update() || !b->update()) {
      for (Launch* launch : {a.get(), b.get()})
        for (const Fault& fault : launch->outcome().faults) note(out, "plans", c, fault.sentence, fault.check);
      continue;
    }
    if (!judge_run(*a, first, alone_a, "first plan, after the second was updated")) continue;
    if (!judge_run(*b, second, alone_b, "second plan, after the first ran")) continue;
    if (!judge_run(*a, first, alone_a, "first plan, run again without an update")) continue;
    b->update();
    b.reset();
    if (!judge_run(*a, first, alone_a, "first plan, after the second was destroyed")) continue;
    if (a->update() && !judge_run(*a, first, alone_a, "first plan, updated again")) continue;
    if (!another_stream) continue;
    run_on(another_stream, v, memory, *a);
    note(out, "plans", c, first.wrong(v, a->outcome(), alone_a), "updated on one stream and run on another behind it");
  }
  conclude(out, "plans", v, cases, "two plans of one op give what each gives alone");
  return out;
}

Findings check_concurrency(const attnrt_variant& v, Memory& memory, const GridOptions& options) {
  Findings out;
  std::size_t cases = 0;
  for (const Case& c : sample_cases(v, options, 5)) {
    const Rig rig(v, memory, c.problem);
    if (!served(rig, "concurrency", c, out, cases)) continue;
    struct Worker {
      Worker(const Case& base, uint64_t seed) : batch(base, seed) {}
      Batch batch;
      Outcome expected;
      std::unique_ptr<Launch> launch;
      std::string wrong;
    };
    std::deque<Worker> workers;
    for (uint64_t i = 0; i < 4; ++i) {
      Worker& w = workers.emplace_back(c, c.seed + i);
      w.expected = alone(rig, w.batch);
      w.launch = w.batch.launch(rig);
    }
    std::atomic<bool> done{false};
    std::string asked;
    std::vector<std::thread> threads;
    for (Worker& w : workers)
      threads.emplace_back([&v, &w] {
        for (int round = 0; round < 6 && w.wrong.empty(); ++round) {
          w.launch->clear();
          if (w.launch->update() && w.launch->run()) w.launch->collect();
          w.wrong = w.batch.wrong(v, w.launch->outcome(), w.expected);
        }
      });
    std::thread asker([&] {
      while (!done && asked.empty()) {
        Sink sink;
        if (v.supports && v.supports(&v, &c.problem, sink.get()) != ATTNRT_OK)
          asked = "supports refused: " + sink.words();
        const Rig another(v, memory, c.problem);
        if (!another.op()) asked = another.faults()[0].sentence;
        attnrt_workspace sizes{};
        sizes.struct_size = sizeof(sizes);
        if (v.workspace(rig.op(), &workers[0].launch->limits(), &sizes, sink.get()) != ATTNRT_OK)
          asked = "workspace failed: " + sink.words();
      }
    });
    for (std::thread& thread : threads) thread.join();
    done = true;
    asker.join();
    for (const Worker& w : workers) note(out, "concurrency", c, w.wrong, "a plan among four threads");
    note(out, "concurrency", c, asked, "an op in use");
  }
  conclude(out, "concurrency", v, cases, "four threads on one op get what one gets");
  return out;
}

}  // namespace attnrt::conformance
