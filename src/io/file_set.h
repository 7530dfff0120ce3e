// Several files that appear together.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/io.h"

namespace ferry {

// Each is written beside its final name; commit() closes them in the order in which they were created, so that an index that is
// created last never names data that is not there. What is not committed leaves no trace. Not thread-safe.
class FileSet {
 public:
  explicit FileSet(std::string folder) : folder_(std::move(folder)) {}
  // `name` is relative to the folder. The sink is good until commit(), which closes it.
  Result<ByteSink*> create(std::string_view name);
  Status commit();

 private:
  std::string folder_;
  std::vector<std::unique_ptr<ByteSink>> files_;
};

}  // namespace ferry
