// A folder of files in memory, for formats of several files.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/io.h"

namespace ferry::testing_support {

class MemoryFolder : public Folder, public std::enable_shared_from_this<MemoryFolder> {
 public:
  std::map<std::string, std::string, std::less<>> files;
  bool has(std::string_view name) const override { return files.find(name) != files.end(); }
  Result<std::vector<std::string>> list(std::string_view) const override {
    std::vector<std::string> out;
    for (const auto& [name, bytes] : files) out.push_back(name);
    return out;
  }
  std::string_view name() const override { return "memory"; }
  Result<std::shared_ptr<const ByteSource>> open(std::string_view name) const override;
};

class FileOf : public ByteSource {
 public:
  FileOf(std::shared_ptr<const MemoryFolder> folder, std::string name, std::string_view bytes)
      : folder_(std::move(folder)), name_(std::move(name)), bytes_(*Buffer::copy_of(bytes)) {}
  uint64_t size() const override { return bytes_.size(); }
  Status read_at(uint64_t offset, std::span<std::byte> out) const override {
    std::copy_n(bytes_.data() + offset, out.size(), out.data());
    return {};
  }
  Result<Buffer> view(uint64_t offset, uint64_t size) const override { return bytes_.slice(offset, size); }
  bool in_memory() const override { return true; }
  std::string_view name() const override { return name_; }
  std::shared_ptr<const Folder> folder() const override { return folder_; }

 private:
  std::shared_ptr<const MemoryFolder> folder_;
  std::string name_;
  Buffer bytes_;
};

inline Result<std::shared_ptr<const ByteSource>> MemoryFolder::open(std::string_view name) const {
  const auto it = files.find(name);
  if (it == files.end()) return not_found(std::string(name));
  return std::make_shared<FileOf>(shared_from_this(), it->first, it->second);
}

}  // namespace ferry::testing_support
