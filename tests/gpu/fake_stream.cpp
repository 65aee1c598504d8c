// SPDX-License-Identifier: Apache-2.0
#include "fake_state.hpp"

namespace attnrt::fake {

// What may not happen while any stream is captured.
GpuResult outside_capture(const char* what) {
  GpuResult error = 0;
  for (Stream* stream : state().streams)
    if (stream->capture) {
      stream->spoiled = true;
      error = refuse(kGpuCaptureUnsupported, std::string(what) + " while a stream is captured");
    }
  return error;
}

GpuResult drain(Stream& stream) {
  State& s = state();
  std::vector<Work> queue;
  queue.swap(stream.queue);
  for (const Work& work : queue) try {
      work();
    } catch (const BadAccess& bad) {
      s.complaint = bad.what();
      return s.sticky = kGpuIllegalAddress;
    }
  return 0;
}

GpuResult drain_all() {
  for (Stream* stream : state().streams)
    if (const GpuResult error = drain(*stream)) return error;
  return drain(state().legacy);
}

Stream* stream_of(GpuStream handle) {
  if (!handle) return &state().legacy;
  Stream* stream = reinterpret_cast<Stream*>(handle);
  return state().streams.count(stream) ? stream : nullptr;
}

GpuResult enqueue(GpuStream handle, Work work) {
  Stream* stream = stream_of(handle);
  if (!stream) return refuse(kGpuInvalidValue, "a stream that is not one");
  if (stream == &state().legacy) {
    if (const GpuResult error = outside_capture("work on the NULL stream")) return error;
    if (const GpuResult error = drain_all()) return error;
  }
  (stream->capture ? stream->capture->work : stream->queue).push_back(std::move(work));
  return 0;
}

namespace entry {

GpuResult stream_create(GpuStream* stream, unsigned) {
  const Entry entry("cuStreamCreate");
  if (entry.error) return entry.error;
  auto* made = new Stream;
  state().streams.insert(made);
  *stream = reinterpret_cast<GpuStream>(made);
  return 0;
}
GpuResult stream_destroy(GpuStream handle) {
  const Entry entry("cuStreamDestroy");
  Stream* stream = stream_of(handle);
  if (!stream || !handle) return kGpuInvalidValue;
  const GpuResult error = drain(*stream);
  state().streams.erase(stream);
  delete stream;
  return error;
}
GpuResult stream_finish(GpuStream handle) {
  const Entry entry("cuStreamSynchronize");
  if (entry.error) return entry.error;
  Stream* stream = stream_of(handle);
  if (!stream) return refuse(kGpuInvalidValue, "a stream that is not one");
  if (const GpuResult error = outside_capture("a stream is waited for")) return error;
  return handle ? drain(*stream) : drain_all();
}
GpuResult capture_begin(GpuStream handle, int) {
  const Entry entry("cuStreamBeginCapture");
  if (entry.error) return entry.error;
  Stream* stream = stream_of(handle);
  if (!stream || !handle || stream->capture) return refuse(kGpuCaptureUnsupported, "a stream that cannot be captured");
  stream->capture = std::make_unique<Graph>();
  stream->spoiled = false;
  return 0;
}
GpuResult capture_end(GpuStream handle, GpuGraph* graph) {
  const Entry entry("cuStreamEndCapture");
  *graph = nullptr;
  Stream* stream = stream_of(handle);
  if (!stream || !stream->capture) return refuse(kGpuInvalidValue, "a stream that is not captured");
  std::unique_ptr<Graph> captured = std::move(stream->capture);
  if (entry.error) return entry.error;
  if (stream->spoiled) return kGpuCaptureInvalidated;
  state().graphs.insert(captured.get());
  *graph = reinterpret_cast<GpuGraph>(captured.release());
  return 0;
}
GpuResult graph_instantiate(GpuGraphExec* exec, GpuGraph graph, unsigned long long) {
  const Entry entry("cuGraphInstantiate");
  auto* from = reinterpret_cast<Graph*>(graph);
  if (entry.error || !state().graphs.count(from)) return entry.error ? entry.error : kGpuInvalidValue;
  auto* made = new Graph(*from);
  state().graphs.insert(made);
  *exec = reinterpret_cast<GpuGraphExec>(made);
  return 0;
}
GpuResult graph_launch(GpuGraphExec exec, GpuStream stream) {
  const Entry entry("cuGraphLaunch");
  auto* from = reinterpret_cast<Graph*>(exec);
  if (entry.error || !state().graphs.count(from)) return entry.error ? entry.error : kGpuInvalidValue;
  for (const Work& work : from->work)
    if (const GpuResult error = enqueue(stream, work)) return error;
  return 0;
}
static GpuResult destroy_graph(const char* name, Graph* graph) {
  const Entry entry(name);
  if (!state().graphs.erase(graph)) return kGpuInvalidValue;
  delete graph;
  return entry.error;
}
GpuResult graph_exec_destroy(GpuGraphExec exec) {
  return destroy_graph("cuGraphExecDestroy", reinterpret_cast<Graph*>(exec));
}
GpuResult graph_destroy(GpuGraph graph) { return destroy_graph("cuGraphDestroy", reinterpret_cast<Graph*>(graph)); }

}  // namespace entry
}  // namespace attnrt::fake
