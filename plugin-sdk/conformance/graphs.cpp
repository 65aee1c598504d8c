// SPDX-License-Identifier: Apache-2.0
#include "conformance/graphs.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "attnrt/check.hpp"
#include "conformance/judge.hpp"
#include "conformance/launch.hpp"
#include "conformance/number.hpp"
#include "conformance/request.hpp"

namespace attnrt::conformance {
namespace {

using sdk::say;

std::size_t at(int64_t i) { return static_cast<std::size_t>(i); }

// The first `keys` keys of a request, its queries at their end.
RequestData shorter(const RequestData& r, const attnrt_problem& p, int32_t keys) {
  RequestData out = r;
  const auto cut = [&](std::vector<float>& rows, int64_t d) {
    if (!rows.empty()) rows.resize(at(int64_t{keys} * p.num_kv_heads * d));
  };
  cut(out.k, p.head_size_qk);
  cut(out.v, p.head_size_v);
  out.seq_len = out.num_keys = keys;
  return out;
}

class Replay {
 public:
  /// `beside`: a problem that another thread creates an op for while this one captures.
  Replay(const attnrt_variant& v, Memory& memory, const Case& c, const attnrt_problem& beside, Findings& out)
      : v_(v),
        memory_(memory),
        case_(c),
        beside_(beside),
        out_(out),
        rig_(v, memory, c.problem),
        random_(mix(c.seed, 3)),
        operands_(make_operands(c)),
        requests_(make_requests(c, operands_)) {
    for (const RequestData& r : requests_) pointers_.push_back(&r);
  }
  ~Replay() { memory_.forget(graph_); }
  Replay(const Replay&) = delete;
  Replay& operator=(const Replay&) = delete;

  void all() {
    launch_ = std::make_unique<Launch>(rig_, operands_, pointers_, case_.lse, case_.placement);
    if (!launch_->update())
      return fail("plan_update", launch_->outcome().faults.empty() ? "no plan" : launch_->outcome().faults[0].sentence);
    memory_.finish(launch_->stream());
    const std::vector<uint8_t> before = bytes_of(launch_->args().out);
    if (!memory_.capture_begin(launch_->stream())) return fail("capture", memory_.trouble());
    Sink sink;
    const attnrt_status status = v_.run(launch_->plan(), &launch_->args(), launch_->stream(), sink.get());
    std::thread([this] {
      const Rig other(v_, memory_, beside_);
      if (other.status() != ATTNRT_OK && other.status() != ATTNRT_UNSUPPORTED)
        fail("capture", "while another thread captured " + other.faults()[0].sentence);
    }).join();
    graph_ = memory_.capture_end(launch_->stream());
    if (status != ATTNRT_OK) return fail("capture", sink.text("run", status));
    if (!graph_) return fail("capture", "run cannot be captured: " + memory_.trouble());
    memory_.finish(launch_->stream());
    if (bytes_of(launch_->args().out) != before)
      return fail("capture", "run wrote while it was captured, wanted nothing but a record");
    replay("as captured", requests_);
    replay("a second time", requests_);
    std::vector<RequestData> changed;
    for (const RequestData& r : requests_) {
      const int64_t room = r.num_keys - std::max(r.query_len, 1) + 1;
      changed.push_back(
          shorter(r, case_.problem,
                  room > 0 ? static_cast<int32_t>(std::max(r.query_len, 1) + random_.below(room)) : r.num_keys));
    }
    renew_q(changed);
    if (update(changed)) replay("with shorter sequences and other queries", changed);
    if (changed.size() > 1) {
      const std::vector<RequestData> fewer(changed.begin(), changed.end() - 1);
      if (update(fewer)) replay("with a request less", fewer);
    }
    if (update(requests_)) replay("with the first lengths again", with_last_q());
    if (good_) replay_updates(changed);
  }

 private:
  // A graph with its update inside: it reads the batch's arrays where they lay, and an update outside replaces what it
  // left in the plan.
  void replay_updates(const std::vector<RequestData>& changed) {
    const attnrt_batch batch = batch_of(requests_);
    memory_.forget(std::exchange(graph_, nullptr));
    memory_.finish(launch_->stream());
    if (!memory_.capture_begin(launch_->stream())) return fail("capture", memory_.trouble());
    Sink sink;
    const bool updated = give(batch);
    const attnrt_status status = v_.run(launch_->plan(), &launch_->args(), launch_->stream(), sink.get());
    graph_ = memory_.capture_end(launch_->stream());
    if (!updated) return;
    if (status != ATTNRT_OK) return fail("capture", sink.text("run", status));
    if (!graph_) return fail("capture", "plan_update and run cannot be captured: " + memory_.trouble());
    if (update(changed)) replay("with its update inside, after another update", with_last_q());
    if (v_.caps->needs & (ATTNRT_HOST_LENGTHS | ATTNRT_HOST_LENGTHS_UPPER_BOUND)) return;
    std::vector<int32_t> lens;
    for (const RequestData& r : changed) lens.push_back(r.seq_len);
    memory_.copy_in(const_cast<int32_t*>(batch.seq_lens), lens.data(), lens.size() * sizeof(int32_t));
    replay("with its update inside and shorter sequences in the arrays that it reads", changed);
  }

  void fail(const char* check, const std::string& sentence) {
    good_ = false;
    out_.push_back({check, text(case_), false, sentence});
  }

  std::vector<uint8_t> bytes_of(const attnrt_tensor* t) const {
    const int64_t element = t->dtype.bits / 8;
    std::vector<uint8_t> bytes(
        at(((t->shape[0] - 1) * t->strides[0] + (t->shape[1] - 1) * t->strides[1] + (t->ndim > 2 ? t->shape[2] : 1)) *
           element));
    memory_.copy_out(bytes.data(), static_cast<char*>(t->data) + t->byte_offset, bytes.size());
    return bytes;
  }

  // New queries for all requests, into the memory that the graph reads.
  void renew_q(std::vector<RequestData>& requests) {
    const attnrt_problem& p = case_.problem;
    const attnrt_tensor& q = *launch_->args().q;
    const int64_t element = sdk::dtype_bytes(p.q_dtype);
    int64_t row = 0;
    for (RequestData& r : requests)
      for (int32_t i = 0; i < r.query_len; ++i, ++row)
        for (int64_t h = 0; h < p.num_heads; ++h) {
          float* values = &r.q[at((i * int64_t{p.num_heads} + h) * p.head_size_qk)];
          for (uint32_t d = 0; d < p.head_size_qk; ++d) values[d] = rounded(p.q_dtype, -values[d]);
          const auto put = [&](const attnrt_tensor& t, const float* from, int64_t count) {
            std::vector<uint8_t> image(at(count * element));
            encode_row(p.q_dtype, from, at(count), image.data());
            memory_.copy_in(static_cast<char*>(t.data) + (row * t.strides[0] + h * t.strides[1]) * element,
                            image.data(), image.size());
          };
          put(q, values, q.shape[2]);
          if (launch_->args().q_rope) put(*launch_->args().q_rope, values + q.shape[2], p.mla_rope);
        }
    last_q_ = requests;
  }
  // The requests as they were, with the queries that memory holds now.
  std::vector<RequestData> with_last_q() const {
    std::vector<RequestData> out = requests_;
    for (std::size_t r = 0; r < out.size(); ++r) out[r].q = last_q_[r].q;
    return out;
  }

  attnrt_batch batch_of(const std::vector<RequestData>& requests) {
    std::vector<int32_t> starts = {0}, lens;
    for (const RequestData& r : requests) {
      starts.push_back(starts.back() + r.query_len);
      lens.push_back(r.seq_len);
    }
    host_starts_ = starts;
    host_lens_ = lens;
    attnrt_batch batch = launch_->batch();
    batch.num_seqs = static_cast<int32_t>(lens.size());
    batch.num_tokens = starts.back();
    batch.query_start_loc = launch_->shelf().put(starts);
    batch.seq_lens = launch_->shelf().put(lens);
    if (batch.query_start_loc_host) batch.query_start_loc_host = host_starts_.data();
    if (batch.seq_lens_host) batch.seq_lens_host = host_lens_.data();
    return batch;
  }
  bool update(const std::vector<RequestData>& requests) { return give(batch_of(requests)); }
  bool give(const attnrt_batch& batch) {
    Sink sink;
    const attnrt_status status = v_.plan_update(launch_->plan(), &batch, launch_->stream(), sink.get());
    if (status != ATTNRT_OK) fail("plan_update", sink.text("plan_update after a capture", status));
    return status == ATTNRT_OK;
  }

  void replay(const char* when, const std::vector<RequestData>& requests) {
    const attnrt_problem& p = case_.problem;
    const attnrt_tensor &out = *launch_->args().out, *lse = launch_->args().lse;
    launch_->clear();
    memory_.replay(graph_, launch_->stream());
    memory_.finish(launch_->stream());
    if (const std::string trouble = memory_.trouble(); !trouble.empty())
      return fail("replay", say(when, ": ", trouble));
    const std::vector<uint8_t> image = bytes_of(&out), lse_image = lse ? bytes_of(lse) : std::vector<uint8_t>{};
    const int64_t element = sdk::dtype_bytes(p.out_dtype), dv = p.head_size_v;
    Outcome got;
    got.done = true;
    int64_t row = 0;
    for (const RequestData& r : requests) {
      std::vector<float> values(at(r.query_len * int64_t{p.num_heads} * dv)), logs;
      for (int64_t i = 0; i < r.query_len; ++i, ++row)
        for (int64_t h = 0; h < p.num_heads; ++h) {
          decode_row(p.out_dtype, &image[at((row * out.strides[0] + h * out.strides[1]) * element)], at(dv),
                     &values[at((i * p.num_heads + h) * dv)]);
          if (lse)
            logs.push_back(
                decode(ATTNRT_FP32, &lse_image[at(row * lse->strides[0] + h * lse->strides[1]) * sizeof(float)]));
        }
      got.bytes.emplace_back();
      got.out.push_back(std::move(values));
      got.lse.push_back(std::move(logs));
    }
    const std::vector<Fault> faults = judge(p, operands_, requests, got, {2e4, 1, case_.seed});
    if (!faults.empty()) return fail("replay", say(when, ": ", faults[0].check, ": ", faults[0].sentence));
    const std::vector<uint8_t> canary(at(element), 0xc3);
    for (; row < out.shape[0]; ++row)
      if (!std::equal(canary.begin(), canary.end(), image.begin() + row * out.strides[0] * element))
        return fail("replay", say(when, ": row ", row, " of out was written, which belongs to no request"));
  }

  const attnrt_variant& v_;
  Memory& memory_;
  const Case& case_;
  const attnrt_problem& beside_;
  Findings& out_;
  Rig rig_;
  Random random_;
  Operands operands_;
  std::vector<RequestData> requests_, last_q_;
  std::vector<const RequestData*> pointers_;
  std::vector<int32_t> host_starts_, host_lens_;
  std::unique_ptr<Launch> launch_;
  void* graph_ = nullptr;
  bool good_ = true;
};

// Can its lengths be changed without changing other operands?
bool simple(const Case& c) {
  constexpr uint64_t tied = ATTNRT_FEATURE_DENSE_MASK | ATTNRT_FEATURE_SPARSE_TOPK | ATTNRT_FEATURE_CONTEXT_PARALLEL |
                            ATTNRT_FEATURE_PER_TOKEN_HEAD_SCALES | ATTNRT_FEATURE_CAUSAL_PER_REQUEST |
                            ATTNRT_FEATURE_WINDOW_PREFIX;
  const attnrt_problem& p = c.problem;
  if (p.attn_type != ATTNRT_ATTN_DECODER || !sdk::is_paged(p.kv_layouts) || (p.features & tied) ||
      (p.provides & ATTNRT_DECODES_FIRST))
    return false;
  return !c.lengths.empty() &&
         std::all_of(c.lengths.begin(), c.lengths.end(), [](const Length& l) { return l.query > 0; });
}

}  // namespace

Findings check_graphs(const attnrt_variant& v, Memory& memory, const GridOptions& options) {
  if (v.caps->graph_level == ATTNRT_GRAPH_NEVER) return {{"graphs", v.name, true, "the sheet claims none", true}};
  Findings out;
  std::size_t cases = 0;
  const std::vector<Case> sampled = sample_cases(v, options, 60);
  for (std::size_t i = 0; i < sampled.size(); ++i) {
    Case c = sampled[i];
    if (!simple(c) || cases >= 8) continue;
    c.problem.graph_level = v.caps->graph_level;
    const bool one = std::all_of(c.lengths.begin(), c.lengths.end(), [](const Length& l) { return l.query == 1; });
    const bool same =
        std::all_of(c.lengths.begin(), c.lengths.end(), [&](const Length& l) { return l.query == c.lengths[0].query; });
    if ((c.problem.graph_level == ATTNRT_GRAPH_UNIFORM_DECODE && !one) ||
        (c.problem.graph_level == ATTNRT_GRAPH_UNIFORM_BATCH && !same))
      continue;
    if (!admitted(v, c.problem)) continue;
    ++cases;
    Replay trial(v, memory, c, sampled[(i + 1) % sampled.size()].problem, out);
    trial.all();
    if (out.size() >= 8) break;
  }
  if (out.empty() && cases)
    out.push_back({"graphs", v.name, true,
                   say(cases, " runs captured and replayed with other lengths, other queries and a request less")});
  if (out.empty())
    out.push_back(
        {"graphs", v.name, false, "the sheet claims graphs and admits no case of the grid that could show it"});
  return out;
}

}  // namespace attnrt::conformance
