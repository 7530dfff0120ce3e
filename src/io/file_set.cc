#include "io/file_set.h"

namespace ferry {

Result<ByteSink*> FileSet::create(std::string_view name) {
  FERRY_RETURN_IF_ERROR(check_relative(name));
  const std::string path = folder_.empty() ? std::string(name) : concat(folder_, folder_.ends_with('/') ? "" : "/", name);
  auto sink = open_sink(path);
  if (!sink.ok()) return sink.status().with_context(ferry::quoted(path));
  files_.push_back(*std::move(sink));
  return files_.back().get();
}

Status FileSet::commit() {
  for (auto& file : files_) FERRY_RETURN_IF_ERROR(file->close());
  files_.clear();
  return {};
}

}  // namespace ferry
