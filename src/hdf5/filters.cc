// Filters that libhdf5 does not bring along and that files are full of.
#include <cstdlib>
#include <cstring>

#include "hdf5/file.h"

namespace ferry::hdf5 {
namespace {

// LZF, h5py's compression="lzf": literal runs of up to 32 bytes, and copies from up to 8 KiB back.
bool unlzf(const unsigned char* in, size_t in_size, unsigned char* out, size_t out_size, size_t& written) {
  size_t i = 0, o = 0;
  while (i < in_size) {
    const size_t control = in[i++];
    if (control < 32) {
      const size_t run = control + 1;
      if (run > in_size - i || run > out_size - o) return false;
      std::memcpy(out + o, in + i, run);
      i += run;
      o += run;
      continue;
    }
    size_t length = control >> 5;
    if (length == 7) {
      if (i == in_size) return false;
      length += in[i++];
    }
    length += 2;
    if (i == in_size) return false;
    const size_t back = ((control & 31) << 8) + in[i++] + 1;
    if (back > o || length > out_size - o) return false;
    for (size_t k = 0; k < length; ++k, ++o) out[o] = out[o - back];  // may overlap what it writes
  }
  written = o;
  return true;
}

size_t lzf(unsigned flags, size_t count, const unsigned values[], size_t size, size_t* capacity, void** buffer) {
  if ((flags & H5Z_FLAG_REVERSE) == 0 || count < 3) return 0;
  const size_t most = values[2];  // bytes of a whole chunk
  if (most == 0 || most > (size_t{1} << 32)) return 0;
  auto* out = static_cast<unsigned char*>(std::malloc(most));
  if (out == nullptr) return 0;
  size_t written = 0;
  if (!unlzf(static_cast<unsigned char*>(*buffer), size, out, most, written) || written == 0) {
    std::free(out);
    return 0;
  }
  std::free(*buffer);
  *buffer = out;
  *capacity = most;
  return written;
}

}  // namespace

void register_filters() {
  static const H5Z_class2_t kLzf = {H5Z_CLASS_T_VERS, 32000, 1, 1, "lzf", nullptr, nullptr, lzf};
  H5Zregister(&kLzf);
}

}  // namespace ferry::hdf5
