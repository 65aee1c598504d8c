// SPDX-License-Identifier: Apache-2.0
//
// Streams, events, captures and graphs.
#include "api.hpp"
#include "stream_calls.hpp"

using namespace attnrt::emulator;

ATTNRT_HIP_ENTRY hipStreamCreateWithFlags(StreamHandle* stream, unsigned flags) {
  return enter("hipStreamCreateWithFlags", Needs::context, [&](Context* c) { stream_create(*c, stream, flags); });
}
ATTNRT_HIP_ENTRY hipStreamDestroy(StreamHandle stream) {
  return enter("hipStreamDestroy", Needs::context, [&](Context* c) { stream_destroy(*c, stream); });
}
ATTNRT_HIP_ENTRY hipStreamSynchronize(StreamHandle stream) {
  return enter("hipStreamSynchronize", Needs::context,
               [&](Context* c) { stream_finish(*c, stream, "hipStreamSynchronize"); });
}
ATTNRT_HIP_ENTRY hipStreamQuery(StreamHandle stream) {
  return enter("hipStreamQuery", Needs::context, [&](Context* c) { stream_query(*c, stream, "hipStreamQuery"); });
}
ATTNRT_HIP_ENTRY hipStreamWaitEvent(StreamHandle stream, EventHandle event, unsigned) {
  return enter("hipStreamWaitEvent", Needs::context, [&](Context* c) { stream_wait(*c, stream, event); });
}
ATTNRT_HIP_ENTRY hipStreamBeginCapture(StreamHandle stream, int mode) {
  return enter("hipStreamBeginCapture", Needs::context, [&](Context* c) { capture_begin(*c, stream, mode); });
}
ATTNRT_HIP_ENTRY hipStreamIsCapturing(StreamHandle stream, int* status) {
  return enter("hipStreamIsCapturing", Needs::context, [&](Context* c) { capture_state(*c, stream, status); });
}
ATTNRT_HIP_ENTRY hipStreamEndCapture(StreamHandle stream, GraphHandle* graph) {
  return enter("hipStreamEndCapture", Needs::context, [&](Context* c) { capture_end(*c, stream, graph); });
}
ATTNRT_HIP_ENTRY hipThreadExchangeStreamCaptureMode(int* mode) {
  return enter("hipThreadExchangeStreamCaptureMode", Needs::initialisation,
               [&](Context*) { exchange_capture_mode(mode); });
}

ATTNRT_HIP_ENTRY hipEventCreateWithFlags(EventHandle* event, unsigned flags) {
  return enter("hipEventCreateWithFlags", Needs::context, [&](Context* c) { event_create(*c, event, flags); });
}
ATTNRT_HIP_ENTRY hipEventRecord(EventHandle event, StreamHandle stream) {
  return enter("hipEventRecord", Needs::context, [&](Context* c) { event_record(*c, event, stream); });
}
ATTNRT_HIP_ENTRY hipEventSynchronize(EventHandle event) {
  return enter("hipEventSynchronize", Needs::context, [&](Context* c) { event_finish(*c, event); });
}
ATTNRT_HIP_ENTRY hipEventQuery(EventHandle event) {
  return enter("hipEventQuery", Needs::context, [&](Context* c) { event_query(*c, event); });
}
ATTNRT_HIP_ENTRY hipEventElapsedTime(float* milliseconds, EventHandle begin, EventHandle end) {
  return enter("hipEventElapsedTime", Needs::context, [&](Context* c) { event_elapsed(*c, milliseconds, begin, end); });
}
ATTNRT_HIP_ENTRY hipEventDestroy(EventHandle event) {
  return enter("hipEventDestroy", Needs::context, [&](Context* c) { event_destroy(*c, event); });
}

ATTNRT_HIP_ENTRY hipGraphInstantiate(GraphExecHandle* exec, GraphHandle graph, void**, char*, std::size_t) {
  return enter("hipGraphInstantiate", Needs::context, [&](Context* c) { graph_instantiate(*c, exec, graph); });
}
ATTNRT_HIP_ENTRY hipGraphLaunch(GraphExecHandle exec, StreamHandle stream) {
  return enter("hipGraphLaunch", Needs::context, [&](Context* c) { graph_launch(*c, exec, stream); });
}
ATTNRT_HIP_ENTRY hipGraphExecDestroy(GraphExecHandle exec) {
  return enter("hipGraphExecDestroy", Needs::initialisation, [&](Context*) { graph_exec_destroy(exec); });
}
ATTNRT_HIP_ENTRY hipGraphDestroy(GraphHandle graph) {
  return enter("hipGraphDestroy", Needs::initialisation, [&](Context*) { graph_destroy(graph); });
}
