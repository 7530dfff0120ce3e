#include "tensor/compare_behind.h"

#include <gtest/gtest.h>

#include <cmath>

namespace ferry {
namespace {

TEST(CompareBehind, SaysWhatCompareSays) {
  const Shape shape{5, 300'000};
  std::vector<float> values(1'500'000, 0.5f), others = values;
  values[7] = others[7] = std::nanf("");
  ThreadPool pool(2);
  const auto check = [&] {
    const Tensor a = DenseTensor::of<float>(shape, std::span<const float>(values)),
                 b = DenseTensor::of<float>(shape, std::span<const float>(others));
    for (ThreadPool* threads : {static_cast<ThreadPool*>(nullptr), &pool}) {
      const auto wanted = compare(a, b, {}, threads), found = compare_behind(a, b, {}, threads);
      ASSERT_TRUE(wanted.ok() && found.ok());
      EXPECT_EQ(found->differing, wanted->differing);
      EXPECT_EQ(found->first, wanted->first);
      EXPECT_EQ(found->max_absolute, wanted->max_absolute);
      EXPECT_EQ(found->max_relative, wanted->max_relative);
      EXPECT_NEAR(found->norm, wanted->norm, 1e-12 * wanted->norm);
      if (wanted->differing == 0) continue;
      EXPECT_TRUE(identical(Tensor(found->first_a), Tensor(wanted->first_a)));
      EXPECT_TRUE(identical(Tensor(found->first_b), Tensor(wanted->first_b)));
    }
  };
  check();
  others[1'400'000] = 2;
  check();
  values[9] = -1;
  others[1'100'000] = -0.25f;
  check();
  values[0] = 0.0f;
  others[0] = -0.0f;
  check();
}

}  // namespace
}  // namespace ferry
