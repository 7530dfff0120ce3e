// One tensor of a bundle by its name: of the index, only the block that has its entry is looked at.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "ferry/format.h"
#include "formats/ckpt/bundle.h"

namespace ferry::ckpt {

// Thread-safe.
class Lookup {
 public:
  // Null where tensors show only in the whole listing: of a Saver V1, or with groups that the caller has named.
  static Result<std::unique_ptr<Lookup>> open(const Place& place, const ReadOptions& options);
  // Nothing where the listing has to tell: no array is called so, or one that may be a part of a composite tensor.
  Result<std::optional<DenseTensor>> read(std::string_view name) const;
  // Whether a listing would have been cheaper than so many looks: it costs as much as one for every few of its tensors.
  bool is_listing_cheaper(uint64_t looks) const;

 private:
  Lookup(std::shared_ptr<const Bundle> bundle, bool parts) : bundle_(std::move(bundle)), parts_(parts) {}
  std::shared_ptr<const Bundle> bundle_;
  bool parts_;
};

}  // namespace ferry::ckpt
