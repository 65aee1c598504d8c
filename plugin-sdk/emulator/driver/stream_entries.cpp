// SPDX-License-Identifier: Apache-2.0
//
// Streams, events, captures and graphs.
#include "context_stack.hpp"
#include "export.hpp"
#include "stream_calls.hpp"

using namespace attnrt::emulator;

ATTNRT_CUDA_ENTRY cuStreamCreate(CuStream* handle, unsigned flags) {
  return enter("cuStreamCreate", Needs::context, [&](Context* c) { stream_create(*c, handle, flags); });
}
ATTNRT_CUDA_ENTRY cuStreamCreateWithPriority(CuStream* handle, unsigned flags, int) {
  return cuStreamCreate(handle, flags);
}
ATTNRT_CUDA_ENTRY cuStreamDestroy_v2(CuStream handle) {
  return enter("cuStreamDestroy", Needs::context, [&](Context* c) { stream_destroy(*c, handle); });
}
ATTNRT_CUDA_ENTRY cuStreamSynchronize(CuStream handle) {
  return enter("cuStreamSynchronize", Needs::context,
               [&](Context* c) { stream_finish(*c, handle, "cuStreamSynchronize"); });
}
ATTNRT_CUDA_ENTRY cuStreamQuery(CuStream handle) {
  return enter("cuStreamQuery", Needs::context, [&](Context* c) { stream_query(*c, handle, "cuStreamQuery"); });
}
ATTNRT_CUDA_ENTRY cuStreamGetCtx(CuStream handle, CuContext* context) {
  return enter("cuStreamGetCtx", Needs::initialisation, [&](Context*) {
    for (const auto& owner : state().contexts)
      if (owner->streams.count(handle)) {
        *context = reinterpret_cast<CuContext>(owner.get());
        return;
      }
    *context = current_contexts().empty() ? nullptr : reinterpret_cast<CuContext>(current_contexts().back());
  });
}
ATTNRT_CUDA_ENTRY cuStreamWaitEvent(CuStream handle, CuEvent which, unsigned) {
  return enter("cuStreamWaitEvent", Needs::context, [&](Context* c) { stream_wait(*c, handle, which); });
}
ATTNRT_CUDA_ENTRY cuEventCreate(CuEvent* handle, unsigned flags) {
  return enter("cuEventCreate", Needs::context, [&](Context* c) { event_create(*c, handle, flags); });
}
ATTNRT_CUDA_ENTRY cuEventRecord(CuEvent handle, CuStream where) {
  return enter("cuEventRecord", Needs::context, [&](Context* c) { event_record(*c, handle, where); });
}
ATTNRT_CUDA_ENTRY cuEventSynchronize(CuEvent handle) {
  return enter("cuEventSynchronize", Needs::context, [&](Context* c) { event_finish(*c, handle); });
}
ATTNRT_CUDA_ENTRY cuEventQuery(CuEvent handle) {
  return enter("cuEventQuery", Needs::context, [&](Context* c) { event_query(*c, handle); });
}
ATTNRT_CUDA_ENTRY cuEventElapsedTime(float* milliseconds, CuEvent begin, CuEvent end) {
  return enter("cuEventElapsedTime", Needs::context, [&](Context* c) { event_elapsed(*c, milliseconds, begin, end); });
}
ATTNRT_CUDA_ENTRY cuEventDestroy_v2(CuEvent handle) {
  return enter("cuEventDestroy", Needs::context, [&](Context* c) { event_destroy(*c, handle); });
}
ATTNRT_CUDA_ENTRY cuThreadExchangeStreamCaptureMode(int* mode) {
  return enter("cuThreadExchangeStreamCaptureMode", Needs::initialisation,
               [&](Context*) { exchange_capture_mode(mode); });
}
ATTNRT_CUDA_ENTRY cuStreamBeginCapture_v2(CuStream handle, int mode) {
  return enter("cuStreamBeginCapture", Needs::context, [&](Context* c) { capture_begin(*c, handle, mode); });
}
ATTNRT_CUDA_ENTRY cuStreamIsCapturing(CuStream handle, int* status) {
  return enter("cuStreamIsCapturing", Needs::context, [&](Context* c) { capture_state(*c, handle, status); });
}
ATTNRT_CUDA_ENTRY cuStreamEndCapture(CuStream handle, CuGraph* graph) {
  return enter("cuStreamEndCapture", Needs::context, [&](Context* c) { capture_end(*c, handle, graph); });
}
ATTNRT_CUDA_ENTRY cuGraphInstantiateWithFlags(CuGraphExec* handle, CuGraph graph, unsigned long long) {
  return enter("cuGraphInstantiate", Needs::context, [&](Context* c) { graph_instantiate(*c, handle, graph); });
}
ATTNRT_CUDA_ENTRY cuGraphLaunch(CuGraphExec handle, CuStream where) {
  return enter("cuGraphLaunch", Needs::context, [&](Context* c) { graph_launch(*c, handle, where); });
}
ATTNRT_CUDA_ENTRY cuGraphExecDestroy(CuGraphExec handle) {
  return enter("cuGraphExecDestroy", Needs::initialisation, [&](Context*) { graph_exec_destroy(handle); });
}
ATTNRT_CUDA_ENTRY cuGraphDestroy(CuGraph handle) {
  return enter("cuGraphDestroy", Needs::initialisation, [&](Context*) { graph_destroy(handle); });
}
