// SPDX-License-Identifier: Apache-2.0
// Any bytes as a safetensors file. What is refused has a sentence that names the file; of what is taken every tensor
// reads as the bytes that lie there, the tensors cover the data once and wholly, and the file written from them reads
// the same. What is taken is then read as a run file: its names, its metadata and its tensors.
#include "safetensors.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include "failure.hpp"
#include "run/file.hpp"
#include "run/metadata.hpp"
#include "target.hpp"

namespace cli = attnrt::cli;
using fuzz::promise;

namespace {

/// A file in memory, with a name by which it can be opened.
class MemoryFile {
 public:
  MemoryFile() : fd_(memfd_create("attnrt-fuzz", MFD_CLOEXEC)), path_("/proc/self/fd/" + std::to_string(fd_)) {
    promise(fd_ >= 0, "memory for a file");
  }
  ~MemoryFile() { close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  const std::string& path() const { return path_; }
  void fill(const uint8_t* data, std::size_t size) const {
    promise(ftruncate(fd_, 0) == 0, "an empty file");
    for (std::size_t at = 0; at < size;) {
      const ssize_t put = pwrite(fd_, data + at, size - at, static_cast<off_t>(at));
      promise(put > 0, "a file with the input");
      at += static_cast<std::size_t>(put);
    }
  }

 private:
  int fd_;
  std::string path_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  static const MemoryFile input, output;
  input.fill(data, size);
  try {
    const cli::Safetensors file(input.path());
    uint64_t header = 0;
    for (int i = 7; i >= 0; --i) header = header << 8 | data[i];
    promise(size >= 8 && header <= size - 8, "the header lies within the file");
    const uint64_t start = 8 + header;

    std::map<std::string, cli::Array> arrays;
    std::map<std::string, const cli::Array*> pointers;
    std::vector<uint8_t> covered(size - start);
    for (const auto& [name, entry] : file.header().tensors) {
      promise(entry.begin <= entry.end && entry.end <= covered.size(), "a tensor lies within the data", name);
      for (uint64_t i = entry.begin; i < entry.end; ++i)
        promise(covered[i]++ == 0, "no byte belongs to two tensors", name);
      cli::Array& array = arrays[name] = file.read(name);
      promise(array.data.size() == entry.end - entry.begin, "a tensor is as long as its offsets say", name);
      promise(static_cast<uint64_t>(array.elements()) * cli::bytes_of(array.dtype) == array.data.size(),
              "a tensor is as long as its shape says", name);
      promise(array.data.empty() || std::memcmp(array.data.data(), data + start + entry.begin, array.data.size()) == 0,
              "a tensor holds the file's bytes", name);
      pointers[name] = &array;
    }
    for (const uint8_t times : covered) promise(times == 1, "every byte belongs to a tensor");

    cli::write_safetensors(output.path(), pointers, file.header().metadata);
    const cli::Safetensors copy(output.path());
    promise(copy.header().metadata == file.header().metadata, "metadata survives writing");
    promise(copy.header().tensors.size() == arrays.size(), "every tensor survives writing");
    for (const auto& [name, array] : arrays) {
      const cli::Array other = copy.read(name);
      promise(other.dtype == array.dtype && other.shape == array.shape && other.data == array.data,
              "a tensor survives writing", name);
    }

    const cli::RunNames names(file);
    cli::RunFlags flags;
    cli::add_metadata(flags, file, names);
    const cli::RunFile run = cli::read_run_file(file, names, flags);
    promise(run.seq_lens.size() + 1 == run.query_start_loc.size(), "a length for each request");
  } catch (const cli::Failure& failure) {
    const std::string_view text = failure.what();
    promise(text.starts_with(input.path()), "a refusal names the file", text);
    promise(failure.status() == cli::kUsage, "a bad file is the user's to mend");
    fuzz::promise_sentence(text);
  }
  return 0;
}
