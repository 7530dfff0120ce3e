// The listing of a tensor bundle.
#include <algorithm>

#include "formats/ckpt/bundle.h"
#include "formats/ckpt/slices.h"
#include "formats/elements.h"

namespace ferry::ckpt {
namespace {

// Thread-safe: nothing changes after open().
class BundleArrays : public ArrayReader {
 public:
  BundleArrays(std::shared_ptr<const Bundle> bundle, const Limits& limits) : bundle_(std::move(bundle)), limits_(limits) {}

  Status list();
  std::span<const TensorInfo> arrays() const override { return infos_; }
  const Metadata& metadata() const override { return metadata_; }
  Result<DenseTensor> read_array(size_t i) const override {
    return bundle_->read(infos_[i].name, entries_[i], infos_[i].dtype, bundle_->checks());
  }
  Status verify() const override;

 private:
  Status add(std::string_view name, Entry entry);

  std::shared_ptr<const Bundle> bundle_;
  Limits limits_;
  std::vector<TensorInfo> infos_;
  std::vector<Entry> entries_;
  Metadata metadata_;
  std::string skipped_;
  size_t slice_keys_ = 0;
};

Status BundleArrays::add(std::string_view name, Entry entry) {
  const auto context = [&](const Status& status) { return status.with_context(concat("entry ", quoted(name))); };
  const auto found = Bundle::dtype_of(entry);
  if (!found.ok()) return context(found.status());
  const DType dtype = *found;
  if (is_skipped(dtype)) {
    skipped_ += concat(skipped_.empty() ? "" : ", ", name, " (", dtype_name(dtype), ")");
    return {};
  }
  if (const Status status = bundle_->check(entry, dtype); !status.ok()) return context(status);
  TensorInfo info;
  info.name = name;
  info.dtype = dtype;
  info.shape = entry.shape;
  info.bytes = static_cast<uint64_t>(*entry.shape.num_elements()) * (dtype == DType::string ? 8 : dtype_size(dtype));
  if (entry.slices.empty()) {
    if (dtype == DType::string) info.bytes += static_cast<uint64_t>(entry.size);
    info.offset = static_cast<uint64_t>(entry.offset);
    info.zero_copy = dtype != DType::string && *info.offset % element_alignment(dtype) == 0;
  } else {
    info.metadata.set("slices", slices_text(entry.slices, entry.shape));
  }
  infos_.push_back(std::move(info));
  entries_.push_back(std::move(entry));
  return {};
}

Status BundleArrays::list() {
  const SortedTable& table = bundle_->table();
  std::optional<std::string> last;
  for (size_t i = 0; i < table.num_blocks(); ++i) {
    FERRY_ASSIGN_OR_RETURN(const Buffer block, table.block(i));
    BlockCursor in = table.entries(i, block);
    while (in.next()) {
      if (last && in.key() <= *last) return data_loss(concat("the key ", quoted(in.key()), " comes after ", quoted(*last), "; keys rise"));
      last = in.key();
      if (last->empty()) continue;
      if (is_slice_key(*last)) {
        ++slice_keys_;
        continue;
      }
      if (entries_.size() >= limits_.max_tensors)
        return limit_exceeded(concat("more than ", limits_.max_tensors, " tensors (max_tensors)"));
      FERRY_ASSIGN_OR_RETURN(Entry entry, read_entry(*last, in.value(), limits_));
      FERRY_RETURN_IF_ERROR(add(*last, std::move(entry)));
    }
    FERRY_RETURN_IF_ERROR(in.status());
  }
  if (!skipped_.empty()) metadata_.set("ckpt.skipped", skipped_);
  return {};
}

Status BundleArrays::verify() const {
  struct Range {
    int64_t shard, begin, end;
    const std::string* name;
  };
  std::vector<Range> ranges;
  size_t pieces = 0;
  for (size_t i = 0; i < entries_.size(); ++i) {
    const Entry& entry = entries_[i];
    const DType dtype = infos_[i].dtype;
    // Of one in slices that are not all of it, those that are there.
    const bool whole = entry.slices.empty() || held_by(entry.slices, entry.shape) == *entry.shape.num_elements();
    if (whole) {
      FERRY_ASSIGN_OR_RETURN(const DenseTensor tensor, bundle_->read(infos_[i].name, entry, dtype, true));
      if (bundle_->streaming()) tensor.buffer().drop_pages();
    }
    if (entry.slices.empty() && entry.size > 0) ranges.push_back({entry.shard, entry.offset, entry.offset + entry.size, &infos_[i].name});
    for (const Slice& slice : entry.slices) {
      FERRY_ASSIGN_OR_RETURN(const Shape shape, slice_shape(slice, entry.shape));
      FERRY_ASSIGN_OR_RETURN(const Entry part, bundle_->piece(infos_[i].name, entry, slice, shape));
      if (!whole) FERRY_RETURN_IF_ERROR(bundle_->read(infos_[i].name, part, dtype, true).status());
      if (part.size > 0) ranges.push_back({part.shard, part.offset, part.offset + part.size, &infos_[i].name});
      ++pieces;
    }
  }
  if (pieces != slice_keys_) return data_loss(concat("the index has ", slice_keys_, " slices and its tensors name ", pieces));
  std::ranges::sort(ranges, [](const Range& a, const Range& b) { return std::pair(a.shard, a.begin) < std::pair(b.shard, b.begin); });
  for (size_t i = 1; i < ranges.size(); ++i) {
    if (ranges[i].shard == ranges[i - 1].shard && ranges[i].begin < ranges[i - 1].end) {
      return data_loss(concat(quoted(*ranges[i].name), " and ", quoted(*ranges[i - 1].name), " share bytes of ",
                              quoted(bundle_->shard_name(ranges[i].shard))));
    }
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<ArrayReader>> list_bundle(std::shared_ptr<const Bundle> bundle, const Limits& limits) {
  auto out = std::make_unique<BundleArrays>(std::move(bundle), limits);
  FERRY_RETURN_IF_ERROR(out->list());
  return std::unique_ptr<ArrayReader>(std::move(out));
}

}  // namespace ferry::ckpt
