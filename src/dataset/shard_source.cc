// Files of tensors that share axis 0 (npz, safetensors, Arrow, any format): their rows, a file in memory at a time.
#include "dataset/files.h"
#include "dataset/table.h"
#include "ferry/format.h"

namespace ferry::dataset {
namespace {

class ShardRows : public FileRows {
 public:
  explicit ShardRows(std::shared_ptr<const Table> table) : table_(std::move(table)) {}
  Result<bool> next(Row& row) override {
    if (at_ == table_->rows()) return false;
    code_.clear();
    append_row(*table_, at_, code_);
    row = {code_, {0, 0, static_cast<uint64_t>(at_++)}, false};
    return true;
  }
  Status skip(uint64_t count, uint64_t& done) override {
    done = std::min(count, static_cast<uint64_t>(table_->rows() - at_));
    at_ += static_cast<int64_t>(done);
    return {};
  }

 private:
  std::shared_ptr<const Table> table_;
  int64_t at_ = 0;
  std::vector<std::byte> code_;
};

// The row code says nothing of itself, so each file is held against the first.
class ShardKind : public FileKind {
 public:
  explicit ShardKind(std::string format) : format_(std::move(format)) {}
  std::string_view unit() const override { return "row"; }
  std::string describe() const override { return concat("shards ", format_.empty() ? "of any format" : std::string_view(format_)); }
  Result<std::unique_ptr<FileRows>> open(const std::string& path, const Context& context) const override {
    FERRY_ASSIGN_OR_RETURN(auto table, read(path, context.limits));
    const auto found = batch_spec(table->columns());
    {
      std::lock_guard lock(mutex_);
      if (expected_.empty()) expected_ = found;
      if (found.size() != expected_.size())
        return data_loss(concat(found.size(), " tensors, expected ", expected_.size(), " as in the first file"));
      for (size_t i = 0; i < found.size(); ++i) {
        if (found[i] == expected_[i]) continue;
        return data_loss(concat("tensor ", quoted(found[i].name), " is ", kind_name(found[i].kind), " ", dtype_name(found[i].dtype), " ",
                                found[i].shape.to_string(), ", expected ", quoted(expected_[i].name), ", ", kind_name(expected_[i].kind),
                                " ", dtype_name(expected_[i].dtype), " ", expected_[i].shape.to_string(), " as in the first file"));
      }
    }
    return std::unique_ptr<FileRows>(std::make_unique<ShardRows>(std::move(table)));
  }
  Result<std::shared_ptr<const RowDecoder>> decoder(std::span<const std::string> paths) const override {
    auto table = read(paths[0], {});
    if (!table.ok()) return Status(table.status().code(), concat(paths[0], ": ", table.status().message()), table.status().offset());
    {
      std::lock_guard lock(mutex_);
      expected_ = batch_spec((*table)->columns());
    }
    return row_code_decoder(std::vector<Column>((*table)->columns().begin(), (*table)->columns().end()));
  }

 private:
  Result<std::shared_ptr<const Table>> read(const std::string& path, const Limits& limits) const {
    const Format* format = nullptr;
    if (!format_.empty()) {
      format = find_format(format_);
      if (format == nullptr) return invalid_argument(concat("there is no format ", quoted(format_)));
    }
    ReadOptions options;
    options.limits = limits;
    FERRY_ASSIGN_OR_RETURN(TensorMap tensors, load(path, format, options));
    return Table::make(tensors);
  }
  std::string format_;
  mutable std::mutex mutex_;
  mutable std::vector<ElementSpec> expected_;
};

}  // namespace
}  // namespace ferry::dataset

namespace ferry {

Dataset Dataset::shards(const std::vector<std::string>& paths, std::string format) {
  auto found = dataset::expand_paths(paths);
  if (!found.ok()) return Dataset(found.status());
  return of(dataset::plan_files(*std::move(found), std::make_shared<dataset::ShardKind>(std::move(format))));
}

}  // namespace ferry
