// SPDX-License-Identifier: Apache-2.0
#include "op.hpp"

#include <algorithm>
#include <cstring>

#include "fork.hpp"

namespace attnrt::core {
namespace {

const Status kDone{};

/// Collects the sentences of one call.
class Said {
 public:
  const attnrt_diag* sink() const noexcept { return sentences_.get(); }
  sdk::Diag diag() const noexcept { return sdk::Diag(sink()); }
  Status error(attnrt_status status) const {
    std::string text = sentences_.text();
    if (text.empty()) text = "the kernel failed with status " + std::to_string(status) + " and gave no reason";
    return {status, std::move(text)};
  }

 private:
  sdk::DiagSink sentences_;
};

/// What a call of the kernel came to. Where a task of the call forked, the child has only a part of the result.
Status outcome(const Op& op, attnrt_status status, const Said& said) {
  if (Status dead = op.alive(); !dead.ok()) return dead;
  return status == ATTNRT_OK ? kDone : said.error(status);
}

Status missing_entry() { return {ATTNRT_UNSUPPORTED, "the variant does not offer this, wanted one that does"}; }

}  // namespace

Host::Host(Log::Callback callback, void* self) : log_(callback, self) {
  face_.struct_size = sizeof face_;
  face_.abi_major = ATTNRT_ABI_MAJOR;
  face_.abi_minor = ATTNRT_ABI_MINOR;
  face_.self = this;
  face_.log = [](void* host, int32_t level, const char* text) {
    static_cast<Host*>(host)->log_.write(level, sdk::printable(text, 4096));
  };
}

Op::Op(std::shared_ptr<const Host> host, std::shared_ptr<const Choice> choice)
    : host_(std::move(host)), choice_(std::move(choice)), generation_(fork_generation()) {}

Op::~Op() {
  if (kernel_ && fork_generation() == generation_) variant().destroy(kernel_);
}

Result<std::unique_ptr<Op>> Op::create(std::shared_ptr<const Host> host, std::shared_ptr<const Choice> choice) {
  if (choice->attention_free) return invalid("the model has no attention layers, there is nothing to create");
  if (!choice->variant) return invalid("the choice has no winner: " + choice->status.text);
  const attnrt_problem& p = choice->problem;
  if (p.device_id < 0)
    return Status{ATTNRT_UNAVAILABLE,
                 "the choice was made for hardware that is not in this machine, wanted a real device"};
  std::unique_ptr<Op> op(new Op(std::move(host), std::move(choice)));
  Said said;
  const attnrt_variant& v = op->variant();
  const attnrt_status status =
      v.create(&v, &op->host_->face(), &p, {p.device_type, p.device_id}, &op->kernel_, said.sink());
  if (status != ATTNRT_OK) {
    op->kernel_ = nullptr;
    return said.error(status);
  }
  if (!op->kernel_) return Status{ATTNRT_FAILED, "the kernel created no op and told no error"};
  return op;
}

Status Op::alive() const {
  if (fork_generation() == generation_) return kDone;
  return {ATTNRT_FAILED, "this process was forked after the op was created, wanted an op created after the fork"};
}

Status Op::kv_layout(attnrt_kv_layout* layout) const {
  if (Status dead = alive(); !dead.ok()) return dead;
  if (!layout || layout->struct_size < sdk::base_size<attnrt_kv_layout>)
    return invalid("wanted a struct with struct_size set");
  if (!choice_->block_size) return invalid("the op has no cache, K and V are given to run");
  sdk::give(choice_->kv_layout, layout);
  return kDone;
}

Status Op::workspace(const attnrt_limits* limits, attnrt_workspace* sizes) const {
  if (Status dead = alive(); !dead.ok()) return dead;
  Said said;
  attnrt_limits own;
  attnrt_workspace answer;
  if (!sdk::accept(said.diag(), "limits", limits, own) || !sdk::accept(said.diag(), "workspace", sizes, answer) ||
      !sdk::check_limits(said.diag(), problem(), own))
    return said.error(ATTNRT_INVALID);
  return outcome(*this, variant().workspace(kernel_, &own, sizes, said.sink()), said);
}

bool Op::holds_blocks(const sdk::Diag& diag, const attnrt_tensor* k_cache) const {
  if (!(problem().kv_layouts & ATTNRT_KV_NATIVE)) return true;
  const uint64_t bytes = static_cast<uint64_t>(k_cache->shape[1]) * k_cache->dtype.bits / 8;
  if (bytes == choice_->kv_layout.block_bytes) return true;
  return diag.fail(sdk::say("k_cache has blocks of ", bytes, " bytes, wanted the ", choice_->kv_layout.block_bytes,
                            " of kv_layout"));
}

Status Op::write_kv(const attnrt_write_args* args, attnrt_stream stream) const {
  if (Status dead = alive(); !dead.ok()) return dead;
  if (!variant().write_kv) return missing_entry();
  Said said;
  attnrt_write_args own;
  if (!sdk::accept(said.diag(), "write_args", args, own) || !sdk::check_write(said.diag(), problem(), own) ||
      !holds_blocks(said.diag(), own.k_cache))
    return said.error(ATTNRT_INVALID);
  return outcome(*this, variant().write_kv(kernel_, &own, stream, said.sink()), said);
}

Status Op::gather_kv(const attnrt_gather_args* args, attnrt_stream stream) const {
  if (Status dead = alive(); !dead.ok()) return dead;
  if (!variant().gather_kv) return missing_entry();
  Said said;
  attnrt_gather_args own;
  if (!sdk::accept(said.diag(), "gather_args", args, own) || !sdk::check_gather(said.diag(), problem(), own) ||
      !holds_blocks(said.diag(), own.k_cache))
    return said.error(ATTNRT_INVALID);
  return outcome(*this, variant().gather_kv(kernel_, &own, stream, said.sink()), said);
}

Status Op::merge_states(const attnrt_merge_args* args, attnrt_stream stream) const {
  if (Status dead = alive(); !dead.ok()) return dead;
  if (!variant().merge_states) return missing_entry();
  Said said;
  attnrt_merge_args own;
  if (!sdk::accept(said.diag(), "merge_args", args, own) || !sdk::check_merge(said.diag(), problem(), own))
    return said.error(ATTNRT_INVALID);
  return outcome(*this, variant().merge_states(kernel_, &own, stream, said.sink()), said);
}

Status Plan::allocate(const attnrt_workspace& w) {
  const struct { uint64_t bytes, alignment; void** pointer; uint64_t* size; } pieces[] = {
      {w.plan_bytes, w.plan_alignment, &memory_.plan, &memory_.plan_bytes},
      {w.pinned_bytes, w.pinned_alignment, &memory_.pinned, &memory_.pinned_bytes},
      {w.scratch_bytes, w.scratch_alignment, &memory_.scratch, &memory_.scratch_bytes}};
  for (std::size_t i = 0; i < std::size(pieces); ++i) {
    if (pieces[i].bytes == 0) continue;
    const uint64_t alignment = std::max<uint64_t>(64, pieces[i].alignment);
    void* p = nullptr;
    if (pieces[i].bytes > (uint64_t{1} << 46) || posix_memalign(&p, alignment, pieces[i].bytes) != 0)
      return {ATTNRT_NO_MEMORY,
              "the workspace wants " + std::to_string(pieces[i].bytes) + " bytes, which cannot be had"};
    own_[i].reset(p);
    if (w.zero_init) std::memset(p, 0, pieces[i].bytes);
    *pieces[i].pointer = p;
    *pieces[i].size = pieces[i].bytes;
  }
  memory_.struct_size = sizeof memory_;
  return kDone;
}

Result<std::unique_ptr<Plan>> Plan::create(const Op& op, const attnrt_limits* limits, const attnrt_memory* memory) {
  if (Status dead = op.alive(); !dead.ok()) return dead;
  std::unique_ptr<Plan> plan(new Plan(op));
  Said said;
  attnrt_workspace sizes{};
  sizes.struct_size = sizeof sizes;
  if (!sdk::accept(said.diag(), "limits", limits, plan->limits_)) return said.error(ATTNRT_INVALID);
  if (Status failed = op.workspace(&plan->limits_, &sizes); !failed.ok()) return failed;
  if (memory) {
    if (!sdk::accept(said.diag(), "memory", memory, plan->memory_) ||
        !sdk::check_memory(said.diag(), sizes, plan->memory_))
      return said.error(ATTNRT_INVALID);
  } else if (op.problem().device_type != ATTNRT_DEVICE_CPU) {
    return invalid("memory is NULL, wanted device memory of the sizes that workspace tells");
  } else if (Status failed = plan->allocate(sizes); !failed.ok()) {
    return failed;
  }
  const attnrt_status status =
      op.variant().plan_create(op.kernel(), &plan->limits_, &plan->memory_, &plan->kernel_, said.sink());
  if (status != ATTNRT_OK || !plan->kernel_) {
    plan->kernel_ = nullptr;
    return said.error(status == ATTNRT_OK ? ATTNRT_FAILED : status);
  }
  return plan;
}

Plan::~Plan() {
  if (kernel_ && op_->alive().ok()) op_->variant().plan_destroy(kernel_);
}

Status Plan::update(const attnrt_batch* batch, attnrt_stream stream) {
  if (Status dead = op_->alive(); !dead.ok()) return dead;
  updated_ = false;
  Said said;
  attnrt_batch own;
  if (!sdk::accept(said.diag(), "batch", batch, own) ||
      !sdk::check_batch(said.diag(), op_->problem(), limits_, own, shape_))
    return said.error(ATTNRT_INVALID);
  const attnrt_status status = op_->variant().plan_update(kernel_, &own, stream, said.sink());
  updated_ = status == ATTNRT_OK;
  return outcome(*op_, status, said);
}

Status Plan::run(const attnrt_run_args* args, attnrt_stream stream) const {
  if (Status dead = op_->alive(); !dead.ok()) return dead;
  if (!updated_) return invalid("the plan holds no batch, wanted a plan_update that succeeded");
  Said said;
  attnrt_run_args own;
  if (!sdk::accept(said.diag(), "run_args", args, own) ||
      !sdk::check_run(said.diag(), op_->problem(), limits_, shape_, own) ||
      !op_->holds_blocks(said.diag(), own.k_cache))
    return said.error(ATTNRT_INVALID);
  return outcome(*op_, op_->variant().run(kernel_, &own, stream, said.sink()), said);
}

}  // namespace attnrt::core
