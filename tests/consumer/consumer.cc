// Makes a sparse tensor, writes it, reads it back: with the installed library alone.
#include <array>
#include <cstdio>

#include "ferry/format.h"
#include "ferry/sparse.h"

int main(int, char** argv) {
  using namespace ferry;
  auto x = from_pairs(DenseTensor::of<int64_t>({2, 2}, {2, 0, 0, 1}), DenseTensor::vector<float>(std::array{5.0f, 2.0f}), Shape{3, 4});
  if (!x.ok()) return std::puts(x.status().to_string().c_str()), 1;
  TensorMap map;
  map.set("", *x);
  const std::string path = std::string(argv[1]) + "/consumer.npz";
  if (Status status = save(map, path); !status.ok()) return std::puts(status.to_string().c_str()), 1;
  auto back = load(path);
  if (!back.ok()) return std::puts(back.status().to_string().c_str()), 1;
  std::printf("%s nnz %lld\n", shape_of((*back)[0].tensor).to_string().c_str(), static_cast<long long>(nnz_of((*back)[0].tensor)));
  return identical(map, *back) ? 0 : 1;
}
