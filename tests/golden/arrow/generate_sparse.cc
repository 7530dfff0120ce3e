// The deprecated SparseTensor messages, which PyArrow's Python side cannot write. Built against the libarrow that PyArrow
// brings: g++ -std=c++20 generate_sparse.cc -I$(pyarrow.get_include()) -L$(library dir) -l:libarrow.so.NNNN; ./a.out ../arrows
#include <arrow/api.h>
#include <arrow/io/api.h>
#include <arrow/ipc/api.h>
#include <arrow/sparse_tensor.h>

#include <cstdio>
#include <string>
#include <vector>

template <class Sparse>
void save(const arrow::Tensor& dense, const std::shared_ptr<arrow::DataType>& index, const std::string& path) {
  auto sparse = Sparse::Make(dense, index, arrow::default_memory_pool()).ValueOrDie();
  auto file = arrow::io::FileOutputStream::Open(path).ValueOrDie();
  int32_t metadata = 0;
  int64_t body = 0;
  if (!arrow::ipc::WriteSparseTensor(*sparse, file.get(), &metadata, &body).ok() || !file->Close().ok()) std::abort();
}

int main(int, char** argv) {
  const std::string folder = std::string(argv[1]) + "/";
  const std::vector<float> matrix = {0, 1.5f, 0, 0, 0, 0, -2, 0, 3, 0, 0, 0.5f};
  const std::vector<double> cube = {0, 1, 0, 0, 2, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 5};
  const arrow::Tensor two(arrow::float32(), arrow::Buffer::Wrap(matrix), {3, 4});
  const arrow::Tensor three(arrow::float64(), arrow::Buffer::Wrap(cube), {2, 3, 4});
  save<arrow::SparseCOOTensor>(two, arrow::int64(), folder + "sparse_coo.arrows");
  save<arrow::SparseCOOTensor>(three, arrow::int32(), folder + "sparse_coo_int32.arrows");
  save<arrow::SparseCSRMatrix>(two, arrow::int64(), folder + "sparse_csr.arrows");
  save<arrow::SparseCSCMatrix>(two, arrow::int32(), folder + "sparse_csc.arrows");
  save<arrow::SparseCSFTensor>(three, arrow::int64(), folder + "sparse_csf.arrows");
}
