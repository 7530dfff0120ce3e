// Files that are looked at again before they get their names.
#pragma once

#include <string>

#include "ferry/format.h"

namespace ferry::cli {

// A folder beside a path, for the files that will stand there. What is not published goes with it.
class Staging {
 public:
  static Result<Staging> beside(const std::string& path);
  Staging(Staging&& other) noexcept : folder_(std::move(other.folder_)), path_(std::move(other.path_)), target_(std::move(other.target_)) {
    other.folder_.clear();
  }
  Staging& operator=(Staging&&) = delete;
  ~Staging();

  const std::string& path() const { return path_; }  // the same name, in the folder
  // Moves every file to where it belongs, an index last.
  Status publish();

 private:
  Staging(std::string folder, std::string path, std::string target)
      : folder_(std::move(folder)), path_(std::move(path)), target_(std::move(target)) {}
  std::string folder_, path_, target_;
};

// data_loss, with the first difference, where the file at `path` does not hold these tensors bit for bit. Sparse ones may have come back
// in another order or layout, and a format without names gives none back.
Status same_tensors(const TensorReader& tensors, const std::string& path, const Format& format, const Limits& limits, ThreadPool* pool);

}  // namespace ferry::cli
