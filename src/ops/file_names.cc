// ShardedFilename, ShardedFilespec: names of the parts of a file.
#include <cstdio>

#include "ops/kernel.h"

namespace ferry::ops {
namespace {

Status check_scalars(const Call& call) {
  for (size_t i = 0; i < call.num_inputs(); ++i) {
    if (call.shape(i).rank() != 0) return invalid_argument(concat("input ", i, " must be a scalar, got ", call.shape(i).to_string()));
  }
  return {};
}

std::string five(int32_t number) {
  char text[16];
  std::snprintf(text, sizeof(text), "%05d", number);
  return text;
}

Status sharded_filename(Call& call) {
  FERRY_RETURN_IF_ERROR(check_scalars(call));
  const std::string name = concat(call.in(0).strings()[0], "-", five(call.values<int32_t>(1)[0]), "-of-", five(call.values<int32_t>(2)[0]));
  call.set(0, DenseTensor::of_strings({}, {name}));
  return {};
}

Status sharded_filespec(Call& call) {
  FERRY_RETURN_IF_ERROR(check_scalars(call));
  const std::string name = concat(call.in(0).strings()[0], "-\?\?\?\?\?-of-", five(call.values<int32_t>(1)[0]));
  call.set(0, DenseTensor::of_strings({}, {name}));
  return {};
}

}  // namespace

extern const Op ShardedFilename_op, ShardedFilespec_op;
const Op ShardedFilename_op{"ShardedFilename", make_free<sharded_filename>};
const Op ShardedFilespec_op{"ShardedFilespec", make_free<sharded_filespec>};

}  // namespace ferry::ops
