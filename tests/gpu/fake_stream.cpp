// SPDX-License-Identifier: Apache-2.0
#include "fake_state.hpp"

namespace attnrt::fake {

// What may not happen while any stream is captured.
CuResult outside_capture(const char* what) {
  CuResult error = 0;
  for (Stream* stream : state().streams)
    if (stream->capture) {
      stream->spoiled = true;
      error = refuse(kCuCaptureUnsupported, std::string(what) + " while a stream is captured");
    }
  return error;
}

CuResult drain(Stream& stream) {
  State& s = state();
  std::vector<Work> queue;
  queue.swap(stream.queue);
  for (const Work& work : queue) try {
      work();
    } catch (const BadAccess& bad) {
      s.complaint = bad.what();
      return s.sticky = kCuIllegalAddress;
    }
  return 0;
}

CuResult drain_all() {
  for (Stream* stream : state().streams)
    if (const CuResult error = drain(*stream)) return error;
  return drain(state().legacy);
}

Stream* stream_of(CuStream handle) {
  if (!handle) return &state().legacy;
  Stream* stream = reinterpret_cast<Stream*>(handle);
  return state().streams.count(stream) ? stream : nullptr;
}

CuResult enqueue(CuStream handle, Work work) {
  Stream* stream = stream_of(handle);
  if (!stream) return refuse(kCuInvalidValue, "a stream that is not one");
  if (stream == &state().legacy) {
    if (const CuResult error = outside_capture("work on the NULL stream")) return error;
    if (const CuResult error = drain_all()) return error;
  }
  (stream->capture ? stream->capture->work : stream->queue).push_back(std::move(work));
  return 0;
}

namespace entry {

CuResult stream_create(CuStream* stream, unsigned) {
  const Entry entry("cuStreamCreate");
  if (entry.error) return entry.error;
  auto* made = new Stream;
  state().streams.insert(made);
  *stream = reinterpret_cast<CuStream>(made);
  return 0;
}
CuResult stream_destroy(CuStream handle) {
  const Entry entry("cuStreamDestroy");
  Stream* stream = stream_of(handle);
  if (!stream || !handle) return kCuInvalidValue;
  const CuResult error = drain(*stream);
  state().streams.erase(stream);
  delete stream;
  return error;
}
CuResult stream_finish(CuStream handle) {
  const Entry entry("cuStreamSynchronize");
  if (entry.error) return entry.error;
  Stream* stream = stream_of(handle);
  if (!stream) return refuse(kCuInvalidValue, "a stream that is not one");
  if (const CuResult error = outside_capture("a stream is waited for")) return error;
  return handle ? drain(*stream) : drain_all();
}
CuResult capture_begin(CuStream handle, int) {
  const Entry entry("cuStreamBeginCapture");
  if (entry.error) return entry.error;
  Stream* stream = stream_of(handle);
  if (!stream || !handle || stream->capture) return refuse(kCuCaptureUnsupported, "a stream that cannot be captured");
  stream->capture = std::make_unique<Graph>();
  stream->spoiled = false;
  return 0;
}
CuResult capture_end(CuStream handle, CuGraph* graph) {
  const Entry entry("cuStreamEndCapture");
  *graph = nullptr;
  Stream* stream = stream_of(handle);
  if (!stream || !stream->capture) return refuse(kCuInvalidValue, "a stream that is not captured");
  std::unique_ptr<Graph> captured = std::move(stream->capture);
  if (entry.error) return entry.error;
  if (stream->spoiled) return kCuCaptureInvalidated;
  state().graphs.insert(captured.get());
  *graph = reinterpret_cast<CuGraph>(captured.release());
  return 0;
}
CuResult graph_instantiate(CuGraphExec* exec, CuGraph graph, unsigned long long) {
  const Entry entry("cuGraphInstantiate");
  auto* from = reinterpret_cast<Graph*>(graph);
  if (entry.error || !state().graphs.count(from)) return entry.error ? entry.error : kCuInvalidValue;
  auto* made = new Graph(*from);
  state().graphs.insert(made);
  *exec = reinterpret_cast<CuGraphExec>(made);
  return 0;
}
CuResult graph_launch(CuGraphExec exec, CuStream stream) {
  const Entry entry("cuGraphLaunch");
  auto* from = reinterpret_cast<Graph*>(exec);
  if (entry.error || !state().graphs.count(from)) return entry.error ? entry.error : kCuInvalidValue;
  for (const Work& work : from->work)
    if (const CuResult error = enqueue(stream, work)) return error;
  return 0;
}
static CuResult destroy_graph(const char* name, Graph* graph) {
  const Entry entry(name);
  if (!state().graphs.erase(graph)) return kCuInvalidValue;
  delete graph;
  return entry.error;
}
CuResult graph_exec_destroy(CuGraphExec exec) {
  return destroy_graph("cuGraphExecDestroy", reinterpret_cast<Graph*>(exec));
}
CuResult graph_destroy(CuGraph graph) { return destroy_graph("cuGraphDestroy", reinterpret_cast<Graph*>(graph)); }

}  // namespace entry
}  // namespace attnrt::fake
