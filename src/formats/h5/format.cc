// The h5 format: HDF5 files of named datasets; Keras weights, AnnData.
#include "formats/h5/h5.h"

namespace ferry::h5 {
namespace {

Sniff sniff(std::span<const std::byte> head) { return has_signature(head) ? Sniff::certain : Sniff::no; }

constexpr std::string_view kExtensions[] = {".h5", ".hdf5", ".h5ad", ".hdf", ".loom"};

}  // namespace

extern const Format kFormat;
const Format kFormat = {
    .id = "h5",
    .summary = "HDF5: named arrays, Keras weights, AnnData's sparse matrices",
    .readers = "h5py, Keras, AnnData, MATLAB",
    .extensions = kExtensions,
    .capabilities = {.kinds = KindSet::all(),
                     .dtypes = DTypeSet::all(),
                     .names = true,
                     .metadata = true,
                     .many = true,
                     .streams = false,
                     .max_rank = 32},
    .options = {},
    .sniff = sniff,
    .open = open,
    .write = write,
};

}  // namespace ferry::h5
