#include "formats/binsparse/reader.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

namespace ferry::binsparse {
namespace {

// Some arrays of another reader.
class SomeArrays : public ArrayReader {
 public:
  SomeArrays(std::shared_ptr<const ArrayReader> all, std::vector<size_t> chosen) : all_(std::move(all)), chosen_(std::move(chosen)) {
    for (const size_t i : chosen_) infos_.push_back(all_->arrays()[i]);
  }
  std::span<const TensorInfo> arrays() const override { return infos_; }
  Result<DenseTensor> read_array(size_t i) const override { return all_->read_array(chosen_[i]); }
  const Metadata& metadata() const override { return all_->metadata(); }
  Status verify() const override { return all_->verify(); }

 private:
  std::shared_ptr<const ArrayReader> all_;
  std::vector<size_t> chosen_;
  std::vector<TensorInfo> infos_;
};

Result<Fill> fill_option(const FormatOptions& options) {
  const std::string_view given = options.get(kFillOption.name, "refuse");
  if (given == "refuse") return Fill::refuse;
  if (given == "dense") return Fill::dense;
  if (given == "drop") return Fill::drop;
  return invalid_argument(concat("option fill is ", quoted(given), ", expected refuse, dense or drop"));
}

// Thread-safe: nothing changes after start().
class DescribedReader : public TensorReader {
 public:
  DescribedReader(std::shared_ptr<const ArrayReader> arrays, std::vector<Described> described)
      : arrays_(std::move(arrays)), described_(std::move(described)) {}

  Status start(const ReadOptions& options);
  std::span<const TensorInfo> tensors() const override { return infos_; }
  Result<Tensor> read(size_t i) const override {
    if (i >= described_.size()) return rest_->read(i - described_.size());
    auto tensor = assemble(described_[i].descriptor, arrays_of(described_[i]), options_);
    if (!tensor.ok()) return tensor.status().with_context(concat("tensor ", quoted(described_[i].name)));
    return tensor;
  }
  const Metadata& metadata() const override { return rest_->metadata(); }
  Status verify() const override {
    FERRY_RETURN_IF_ERROR(arrays_->verify());
    return TensorReader::verify();
  }

 private:
  // Good as long as the reader and `described`.
  Arrays arrays_of(const Described& described) const {
    Arrays out;
    out.find = [this, &described](std::string_view name) -> const TensorInfo* {
      const auto it = by_name_.find(concat(described.prefix, name));
      return it == by_name_.end() ? nullptr : &arrays_->arrays()[it->second];
    };
    out.read = [this](const TensorInfo& array) { return arrays_->read_array(static_cast<size_t>(&array - arrays_->arrays().data())); };
    return out;
  }

  std::shared_ptr<const ArrayReader> arrays_;
  std::vector<Described> described_;
  AssembleOptions options_;
  std::unordered_map<std::string, size_t> by_name_;
  std::unique_ptr<TensorReader> rest_;
  std::vector<TensorInfo> infos_;  // the described ones, then the rest
};

Status DescribedReader::start(const ReadOptions& options) {
  FERRY_ASSIGN_OR_RETURN(options_.fill, fill_option(options.format));
  options_.validation = options.validation;
  options_.limits = options.limits;
  const auto listed = arrays_->arrays();
  std::vector<bool> taken(listed.size(), false);
  for (size_t i = 0; i < listed.size(); ++i) by_name_.emplace(listed[i].name, i);
  for (const Described& d : described_) {
    auto info = describe(d.descriptor, arrays_of(d), options_);
    if (!info.ok()) return info.status().with_context(concat("tensor ", quoted(d.name)));
    info->name = d.name;
    infos_.push_back(*std::move(info));
    for (const size_t i : d.hidden) taken[i] = true;
    for (const auto& [array, type] : d.descriptor.types) {
      if (const auto it = by_name_.find(concat(d.prefix, array)); it != by_name_.end()) taken[it->second] = true;
    }
  }
  std::vector<size_t> left;
  for (size_t i = 0; i < listed.size(); ++i) {
    if (!taken[i]) left.push_back(i);
  }
  FERRY_ASSIGN_OR_RETURN(rest_, reader_with_parts(std::make_unique<SomeArrays>(arrays_, std::move(left)), options));
  infos_.insert(infos_.end(), rest_->tensors().begin(), rest_->tensors().end());
  std::unordered_set<std::string_view> names;
  for (const TensorInfo& info : infos_) {
    if (!names.insert(info.name).second) return data_loss(concat("two tensors are named ", quoted(info.name)));
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<TensorReader>> reader_with_descriptors(std::unique_ptr<ArrayReader> arrays, std::vector<Described> described,
                                                              const ReadOptions& options) {
  if (described.empty() || !options.parts.enabled) return reader_with_parts(std::move(arrays), options);
  auto reader = std::make_unique<DescribedReader>(std::move(arrays), std::move(described));
  FERRY_RETURN_IF_ERROR(reader->start(options));
  return std::unique_ptr<TensorReader>(std::move(reader));
}

}  // namespace ferry::binsparse
