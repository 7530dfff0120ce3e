#include "ferry/dtype.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "ferry/crc32c.h"

namespace ferry {
namespace {

template <class T>
uint32_t crc_of(const std::vector<T>& values) {
  return crc32c(std::as_bytes(std::span(values)));
}

template <class T>
using BitsOf = decltype(T::bits);

template <class T>
T pattern(uint32_t bits) {
  T out;
  out.bits = static_cast<BitsOf<T>>(bits);
  return out;
}

// The floats that generate.py converts: every upper half with the lower halves at, just below and just above a tie.
const std::vector<float>& probes() {
  static const std::vector<float> values = [] {
    std::set<uint32_t> low = {0x0001, 0xffff};
    for (uint32_t step = 0; step < 8; ++step) {
      for (uint32_t near : {0x0000u, 0x0fffu, 0x1000u, 0x1001u}) low.insert((step << 13) + near);
    }
    std::vector<float> out;
    for (uint32_t high = 0; high < 65536; ++high) {
      for (uint32_t l : low) {
        const auto value = std::bit_cast<float>(high << 16 | l);
        if (value == value) out.push_back(value);
      }
    }
    return out;
  }();
  return values;
}

// Every pattern read and two million floats written, as ml_dtypes does it (tests/golden/dtype/generate.py).
TEST(SmallFloats, ConvertAsMlDtypesDoes) {
  const auto check = []<class T>(TypeTag<T>, const char* name, uint32_t patterns, uint32_t decoded_crc, uint32_t encoded_crc) {
    std::vector<float> decoded;
    for (uint32_t bits = 0; bits < patterns; ++bits) {
      const auto value = static_cast<float>(pattern<T>(bits));
      decoded.push_back(value == value ? value : std::bit_cast<float>(0x7fc00000u));
    }
    EXPECT_EQ(crc_of(decoded), decoded_crc) << name << " to float";
    std::vector<BitsOf<T>> encoded;
    encoded.reserve(probes().size());
    for (float value : probes()) encoded.push_back(T(value).bits);
    EXPECT_EQ(crc_of(encoded), encoded_crc) << "float to " << name;
  };
#define SMALL_FLOAT(type, patterns, decoded_crc, encoded_crc) check(TypeTag<type>{}, #type, patterns, decoded_crc, encoded_crc);
#include "golden/dtype/small_floats.inc"
#undef SMALL_FLOAT
}

TEST(SmallFloats, ComeBackFromFloatBitForBit) {
  const auto check = []<class T>(TypeTag<T>, const char* name, uint32_t patterns) {
    for (uint32_t bits = 0; bits < patterns; ++bits) {
      const auto value = static_cast<float>(pattern<T>(bits));
      if (value == value) {
        ASSERT_EQ(T(value).bits, static_cast<BitsOf<T>>(bits)) << name;
      } else {
        const auto again = static_cast<float>(T(value));
        ASSERT_TRUE(again != again) << name << " " << bits;
      }
    }
  };
#define SMALL_FLOAT(type, patterns, ...) check(TypeTag<type>{}, #type, patterns);
#include "golden/dtype/small_floats.inc"
#undef SMALL_FLOAT
}

TEST(SmallFloats, KnownValuesStandAsKnownPatterns) {
  EXPECT_EQ(Half(1.0f).bits, 0x3c00);
  EXPECT_EQ(Half(65504.0f).bits, 0x7bff);
  EXPECT_EQ(Half(65520.0f).bits, 0x7c00);  // half-way past the largest goes to infinity
  EXPECT_EQ(Half(-0.0f).bits, 0x8000);
  EXPECT_EQ(Half(5.9604645e-8f).bits, 0x0001);
  EXPECT_EQ(Half(2.9802322e-8f).bits, 0x0000);  // a tie, to even
  EXPECT_EQ(BFloat16(1.0f).bits, 0x3f80);
  EXPECT_EQ(BFloat16(3.4028235e38f).bits, 0x7f80);
  EXPECT_EQ(Float8E4M3FN(448.0f).bits, 0x7e);
  EXPECT_EQ(Float8E4M3FN(464.0f).bits, 0x7e);  // a tie, to even
  EXPECT_EQ(Float8E4M3FN(465.0f).bits, 0x7f);  // no infinity: NaN
  EXPECT_EQ(Float8E5M2(-INFINITY).bits, 0xfc);
  EXPECT_EQ(Float8E4M3FNUZ(-0.0f).bits, 0x00);
  EXPECT_EQ(Float8E4M3FNUZ(NAN).bits, 0x80);
  EXPECT_EQ(Float4E2M1FN(6.0f).bits, 0x7);
  EXPECT_EQ(Float4E2M1FN(-INFINITY).bits, 0xf);  // neither infinity nor NaN: the largest
  EXPECT_EQ(Float4E2M1FN(NAN).bits, 0x8);        // as ml_dtypes
}

TEST(SmallFloats, NaNStaysNaN) {
  const float nans[] = {NAN, -NAN, std::bit_cast<float>(0x7f800001u), std::bit_cast<float>(0xff8fffffu)};
  for (float nan : nans) {
    EXPECT_TRUE(std::isnan(static_cast<float>(Half(nan))));
    EXPECT_TRUE(std::isnan(static_cast<float>(BFloat16(nan))));
    EXPECT_TRUE(std::isnan(static_cast<float>(Float8E5M2(nan))));
    EXPECT_TRUE(std::isnan(static_cast<float>(Float8E4M3FN(nan))));
    EXPECT_TRUE(std::isnan(static_cast<float>(Float8E4M3FNUZ(nan))));
    EXPECT_TRUE(std::isnan(static_cast<float>(Float8E4M3B11FNUZ(nan))));
    EXPECT_TRUE(std::isnan(static_cast<float>(Float8E5M2FNUZ(nan))));
  }
}

TEST(SmallInts, WrapAndKeepTheirSign) {
  for (int value = -300; value <= 300; ++value) {
    EXPECT_EQ(static_cast<int>(UInt4(value)), value & 15);
    EXPECT_EQ(static_cast<int>(Int4(value)), ((value & 15) ^ 8) - 8);
    EXPECT_EQ(static_cast<int>(UInt2(value)), value & 3);
    EXPECT_EQ(static_cast<int>(Int2(value)), ((value & 3) ^ 2) - 2);
  }
}

TEST(DType, NamesAndNumbersGoBothWays) {
  for (DType dtype : kAllDTypes) {
    EXPECT_EQ(dtype_from_name(dtype_name(dtype)), dtype);
    EXPECT_EQ(dtype_from_number(static_cast<int>(dtype)), dtype);
  }
  EXPECT_EQ(dtype_name(DType::bool_), "bool");
  for (int number : {-1, 0, 34, 63, 64, 101, 1'000'000, std::numeric_limits<int>::min()}) EXPECT_FALSE(dtype_from_number(number)) << number;
}

TEST(DType, SpellingsOfOtherLibrariesAreKnown) {
  EXPECT_EQ(dtype_from_name("<f4"), DType::float32);
  EXPECT_EQ(dtype_from_name("<i8"), DType::int64);
  EXPECT_EQ(dtype_from_name("|b1"), DType::bool_);
  EXPECT_EQ(dtype_from_name("i8"), DType::int8) << "a count of bits where no order mark stands";
  EXPECT_EQ(dtype_from_name("bf16"), DType::bfloat16);
  for (std::string_view bad : {"", "<", ">f4", "<f3", "Float32", "float32 ", "complex"}) EXPECT_FALSE(dtype_from_name(bad)) << bad;
}

TEST(DType, SizesAreThoseOfTheTypes) {
  for (DType dtype : kAllDTypes) {
    if (!is_fixed_size(dtype)) continue;
    visit_dtype(dtype, [&]<class T>(TypeTag<T>) { EXPECT_EQ(sizeof(T), dtype_size(dtype)) << dtype_name(dtype); });
  }
  EXPECT_EQ(dtype_size(DType::string), 0u);
  EXPECT_FALSE(DTypeSet::all().has(DType::variant));
  EXPECT_TRUE(DTypeSet::all().has(DType::string));
  EXPECT_FALSE(DTypeSet::fixed_size().has(DType::string));
}

}  // namespace
}  // namespace ferry
