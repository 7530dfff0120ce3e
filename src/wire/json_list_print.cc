// Lists of floats → text. First the digits of a block of numbers, each step for as many of them as a register holds, then each number's
// text by one shuffle of its digits. The arithmetic is that of shortest.h and number_print.cc; so are the numbers left to the latter.
#include <cstring>

#include "wire/json_list.h"
#include "wire/number.h"
#include "wire/shortest.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "wire/json_list_print.cc"
#include "hwy/foreach_target.h"  // must come before highway.h
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace ferry::json {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

HWY_INLINE char* Separate(char* at, size_t row, size_t& left) {
  const bool more = --left != 0;
  std::memcpy(at, more ? ", \0" : "], [", 4);  // of the first, two bytes are kept
  left = more ? left : row;
  return at + (more ? 2 : 4);
}

#if HWY_TARGET == HWY_SCALAR

char* PrintFloats(char* at, const float* values, size_t count, size_t row, size_t& left) {
  for (size_t i = 0; i < count; ++i) at = Separate(print_json_number(at, values[i]), row, left);
  return at;
}

#else

using number::kFirstPlace;
constexpr int kLastPlace = number::Usual<float>::kLastPlace;
constexpr size_t kBlock = 64;

// A number's digits, ready to be laid out: the second to ninth in the bytes 0 to 7, the first in byte 8, then what else its text is
// made of. Which byte goes where depends on the place of the first digit.
constexpr uint8_t kDigit = 8, kPoint = 9, kZero = 10;
struct Layouts {
  alignas(16) uint8_t from[kLastPlace - kFirstPlace + 1][16];
};
constexpr Layouts kLayouts = [] {
  Layouts out{};
  for (int place = kFirstPlace; place <= kLastPlace; ++place) {
    auto& from = out.from[place - kFirstPlace];
    int digit = place < 0 ? place : 0;  // those below 0 are zeros
    const int point = place < 0 ? 1 : place + 1;
    for (int i = 0; i < 16; ++i) {
      if (i == point) {
        from[i] = kPoint;
        continue;
      }
      from[i] = digit < 0 || digit > 8 ? kZero : digit == 0 ? kDigit : static_cast<uint8_t>(digit - 1);
      ++digit;
    }
  }
  return out;
}();

struct Block {
  // Between the steps: bounds and number in quarters of 10^k, k and the exponent as stored, the digits.
  alignas(64) uint64_t left[kBlock], middle[kBlock], right[kBlock], scale[kBlock], found[kBlock];
  alignas(64) uint64_t digits[2 * kBlock];
  alignas(64) uint64_t layout[kBlock];  // place - kFirstPlace
  alignas(64) uint64_t rare[kBlock];    // all bits, or none
};

template <class D, class V = hn::Vec<D> >
HWY_INLINE V Times(D d, V a, uint64_t b) {  // both below 2^32
  const hn::Repartition<uint32_t, D> d32;
  return hn::MulEven(hn::BitCast(d32, a), hn::BitCast(d32, hn::Set(d, b)));
}

// number::scaled()
template <class D, class V = hn::Vec<D> >
HWY_INLINE V Scaled(D d, V bound, V ten, V ten_high) {
  const hn::Repartition<uint32_t, D> d32;
  const V low = hn::MulEven(hn::BitCast(d32, bound), hn::BitCast(d32, ten));
  const V sum = hn::Add(hn::MulEven(hn::BitCast(d32, bound), hn::BitCast(d32, ten_high)), hn::ShiftRight<32>(low));
  const V cut = hn::And(sum, hn::Set(d, 0xfffffffe));
  const V one = hn::Set(d, 1);
  return hn::Or(hn::ShiftRight<32>(sum), hn::IfThenZeroElse(hn::Eq(cut, hn::Zero(d)), one));
}

// All values here are far below 2^63.
template <class D, class V = hn::Vec<D> >
HWY_INLINE auto Below(D d, V a, V b) {
  const hn::RebindToSigned<D> di;
  return hn::RebindMask(d, hn::Lt(hn::BitCast(di, a), hn::BitCast(di, b)));
}

// Each step takes as many numbers as d has lanes. They are loops of their own, because one number's way through all of them is long, and
// a processor looks only so far ahead for the next number's.
template <class D>
HWY_INLINE void Scale(D d, const float* values, Block& out, size_t at) {
  using V = hn::Vec<D>;
  const hn::RebindToSigned<D> di;
  const hn::Rebind<uint32_t, D> from;
  const V one = hn::Set(d, 1), zero = hn::Zero(d);
  const auto set = [&](uint64_t value) { return hn::Set(d, value); };
  const V bits = hn::PromoteTo(d, hn::LoadU(from, reinterpret_cast<const uint32_t*>(values)));
  const V fraction = hn::And(bits, set(0x7fffff));
  const V stored = hn::And(hn::ShiftRight<23>(bits), set(0xff));
  const auto unusual = hn::Or(Below(d, stored, set(number::Usual<float>::kFirst)), Below(d, set(number::Usual<float>::kLast), stored));
  const V closer = hn::IfThenElseZero(hn::Eq(fraction, zero), one);
  const V row = hn::IfThenZeroElse(unusual, hn::Sub(stored, set(number::Usual<float>::kFirst)));
  const V index = hn::ShiftLeft<1>(hn::Add(hn::ShiftLeft<1>(row), closer));
  const auto* table = reinterpret_cast<const uint64_t*>(number::kFloatScales.data());
  const V ten = hn::GatherIndex(d, table, hn::BitCast(di, index));
  const V k_and_h = hn::GatherIndex(d, table, hn::BitCast(di, hn::Add(index, one)));
  const V h = hn::ShiftRight<32>(k_and_h);
  const V ten_high = hn::ShiftRight<32>(ten);

  const V c = hn::Or(fraction, set(0x800000));
  const V odd = hn::And(c, one);
  const V two = hn::Shl(set(2), h);
  const V bound = hn::Shl(hn::ShiftLeft<2>(c), h);
  hn::Store(hn::Add(Scaled(d, hn::Sub(bound, hn::Sub(two, hn::Shl(closer, h))), ten, ten_high), odd), d, out.left + at);
  hn::Store(Scaled(d, bound, ten, ten_high), d, out.middle + at);
  hn::Store(hn::Sub(Scaled(d, hn::Add(bound, two), ten, ten_high), odd), d, out.right + at);
  const V k = hn::BitCast(d, hn::ShiftRight<32>(hn::ShiftLeft<32>(hn::BitCast(di, k_and_h))));
  // An unusual number is put out of all places.
  hn::Store(hn::IfThenElse(unusual, set(100), k), d, out.scale + at);
}

// number::shortest_digits()
template <class D>
HWY_INLINE void Choose(D d, Block& out, size_t at) {
  using V = hn::Vec<D>;
  const V one = hn::Set(d, 1);
  const auto set = [&](uint64_t value) { return hn::Set(d, value); };
  const auto at_most = [&](V a, V b) { return hn::Not(Below(d, b, a)); };
  const V left = hn::Load(d, out.left + at), middle = hn::Load(d, out.middle + at), right = hn::Load(d, out.right + at);
  const V s = hn::ShiftRight<2>(middle);
  const V four_s = hn::ShiftLeft<2>(s);
  const V tens = hn::ShiftRight<35>(Times(d, s, 0xcccccccd));
  const V forty = hn::Add(hn::ShiftLeft<5>(tens), hn::ShiftLeft<3>(tens));
  const auto ten_below = at_most(left, forty), ten_above = at_most(hn::Add(forty, set(40)), right);
  const auto one_below = at_most(left, four_s), one_above = at_most(hn::Add(four_s, set(4)), right);
  const auto nearer = Below(d, set(2), hn::Add(hn::And(middle, set(3)), hn::And(s, one)));
  const auto one_up = hn::Or(hn::AndNot(one_below, one_above), hn::AndNot(hn::Xor(one_below, one_above), nearer));
  const V by_ones = hn::Add(s, hn::IfThenElseZero(one_up, one));
  const V up = hn::Add(tens, hn::IfThenElseZero(ten_above, one));
  const V by_tens = hn::Add(hn::ShiftLeft<3>(up), hn::ShiftLeft<1>(up));
  hn::Store(hn::IfThenElse(hn::Xor(ten_below, ten_above), by_tens, by_ones), d, out.found + at);
}

template <class D>
HWY_INLINE void Spread(D d, Block& out, size_t at) {
  using V = hn::Vec<D>;
  const hn::Repartition<uint32_t, D> d32;
  const hn::Repartition<uint16_t, D> d16;
  const V one = hn::Set(d, 1), zero = hn::Zero(d);
  const auto set = [&](uint64_t value) { return hn::Set(d, value); };
  V digits = hn::Load(d, out.found + at);
  const V k = hn::Load(d, out.scale + at);
  // Nine digits: it has seven to nine.
  const auto eight = Below(d, set(9'999'999), digits), nine = Below(d, set(99'999'999), digits);
  const V raise = hn::IfThenElse(nine, one, hn::IfThenElse(eight, set(10), set(100)));
  digits = hn::MulEven(hn::BitCast(d32, digits), hn::BitCast(d32, raise));
  const V layout = hn::Add(hn::Add(k, set(static_cast<uint64_t>(6 - kFirstPlace))),
                           hn::Add(hn::IfThenElseZero(eight, one), hn::IfThenElseZero(nine, one)));
  const V first = hn::ShiftRight<57>(Times(d, digits, 0x55e63b89));
  const V rest = hn::Sub(digits, Times(d, first, 100'000'000));
  // number.h's spread_digits()
  const V thousands = hn::ShiftRight<45>(Times(d, rest, 0xd1b71759));
  const auto fours = hn::BitCast(d16, hn::Or(thousands, hn::ShiftLeft<32>(hn::Sub(rest, Times(d, thousands, 10000)))));
  const auto hundreds = hn::ShiftRight<4>(hn::MulHigh(fours, hn::Set(d16, 10486)));
  const auto ones = hn::Sub(fours, hn::Mul(hundreds, hn::Set(d16, 100)));
  const auto twos = hn::Or(hundreds, hn::BitCast(d16, hn::ShiftLeft<16>(hn::BitCast(d32, ones))));
  const auto high = hn::ShiftRight<10>(hn::Mul(twos, hn::Set(d16, 103)));
  const V spread = hn::BitCast(d, hn::Or(high, hn::ShiftLeft<8>(hn::Sub(twos, hn::Mul(high, hn::Set(d16, 10))))));

  const auto inside = [&](int low, int high_place) {
    const V offset = hn::Sub(layout, set(static_cast<uint64_t>(low - kFirstPlace)));
    return hn::And(hn::Not(Below(d, offset, zero)), Below(d, offset, set(static_cast<uint64_t>(high_place - low + 1))));
  };
  const auto lone = hn::AndNot(inside(number::kFirstShortPlace, number::kLastShortPlace), hn::Eq(spread, zero));
  const auto rare = hn::Or(lone, hn::Not(inside(kFirstPlace, kLastPlace)));
  hn::StoreInterleaved2(hn::Or(spread, set(0x3030303030303030)), hn::Or(first, set(0x302e30)), d, out.digits + 2 * at);
  hn::Store(layout, d, out.layout + at);
  hn::Store(hn::VecFromMask(d, rare), d, out.rare + at);
}

HWY_INLINE char* LayOut(const Block& block, size_t i, bool negative, char* at) {
  const hn::Full128<uint8_t> d8;
  const uint64_t layout = block.layout[i], rest = block.digits[2 * i] ^ 0x3030303030303030;
  const int place = static_cast<int>(layout) + kFirstPlace;
  *at = '-';
  at += negative;
  const auto digits = hn::Load(d8, reinterpret_cast<const uint8_t*>(block.digits + 2 * i));
  hn::StoreU(hn::TableLookupBytes(digits, hn::Load(d8, kLayouts.from[layout])), d8, reinterpret_cast<uint8_t*>(at));
  const int shown = 9 - __builtin_clzll(rest | 1) / 8 - (rest == 0);
  const int before = place >> 31, zeros = -place & before, whole = (place & ~before) + 1;
  return at + HWY_MAX(shown + zeros, whole + 1) + 1;
}

char* PrintFloats(char* at, const float* values, size_t count, size_t row, size_t& left) {
  const hn::CappedTag<uint64_t, kBlock> d;
  const size_t lanes = hn::Lanes(d);
  Block block;
  float padded[kBlock];
  while (count > 0) {
    const size_t now = HWY_MIN(count, kBlock);
    const float* from = values;
    if (now < kBlock) {
      std::memset(padded, 0, sizeof(padded));
      std::memcpy(padded, values, now * sizeof(float));
      from = padded;
    }
    for (size_t i = 0; i < now; i += lanes) Scale(d, from + i, block, i);
    for (size_t i = 0; i < now; i += lanes) Choose(d, block, i);
    for (size_t i = 0; i < now; i += lanes) Spread(d, block, i);
    for (size_t i = 0; i < now; ++i) {
      uint32_t bits;
      std::memcpy(&bits, values + i, sizeof(bits));
      if (block.rare[i] != 0) [[unlikely]] {
        at = print_json_number(at, values[i]);
      } else {
        at = LayOut(block, i, bits >> 31, at);
      }
      at = Separate(at, row, left);
    }
    values += now;
    count -= now;
  }
  return at;
}

#endif  // HWY_TARGET == HWY_SCALAR

}  // namespace HWY_NAMESPACE
}  // namespace ferry::json
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ferry::json {

HWY_EXPORT(PrintFloats);

namespace {

template <class T, class Print>
char* print_each(char* at, const T* values, size_t count, size_t row, size_t& left, Print print) {
  for (size_t i = 0; i < count; ++i) {
    at = print(at, values[i]);
    const bool more = --left != 0;
    std::memcpy(at, more ? ", \0" : "], [", 4);
    at += more ? 2 : 4;
    if (!more) left = row;
  }
  return at;
}

}  // namespace

char* print_list(char* at, const float* values, size_t count, size_t row, size_t& left) {
  return HWY_DYNAMIC_DISPATCH(PrintFloats)(at, values, count, row, left);
}
char* print_list(char* at, const double* values, size_t count, size_t row, size_t& left) {
  return print_each(at, values, count, row, left, [](char* to, double value) { return print_json_number(to, value); });
}
char* print_list(char* at, const int64_t* values, size_t count, size_t row, size_t& left) {
  return print_each(at, values, count, row, left, [](char* to, int64_t value) { return print_number(to, value); });
}
char* print_list(char* at, const uint64_t* values, size_t count, size_t row, size_t& left) {
  return print_each(at, values, count, row, left, [](char* to, uint64_t value) { return print_number(to, value); });
}

}  // namespace ferry::json
#endif  // HWY_ONCE
