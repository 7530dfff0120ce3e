#include "tensor/radix.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <utility>
#include <vector>

namespace ferry {
namespace {

constexpr int kDigit = 11;                      // bits a pass: 2048 counters, 16 KiB
constexpr int64_t kInCache = int64_t{1} << 15;  // words that are sorted without being split first
constexpr int64_t kPart = 1 << 13;              // words a part: enough to be worth its counters
constexpr int64_t kSmall = 256;                 // words that are sorted by comparing

uint64_t key_of(uint64_t word) { return word; }
uint64_t key_of(const KeyedPosition& word) { return word.key; }

template <class Word>
void sort_small(Word* words, int64_t count, int shift, int bits) {
  const uint64_t mask = bits >= 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1;
  const auto before = [=](const Word& a, const Word& b) { return ((key_of(a) >> shift) & mask) < ((key_of(b) >> shift) & mask); };
  if (count > 24) return std::stable_sort(words, words + count, before);
  for (int64_t i = 1; i < count; ++i) {
    const Word word = words[i];
    int64_t at = i;
    for (; at > 0 && before(word, words[at - 1]); --at) words[at] = words[at - 1];
    words[at] = word;
  }
}

// One stable pass by one digit. starts[d] is where the next word with digit d goes.
template <class Word>
void scatter(const Word* from, Word* to, int64_t count, int shift, uint64_t mask, int64_t* starts) {
  for (int64_t i = 0; i < count; ++i) {
    const Word word = from[i];
    to[starts[(key_of(word) >> shift) & mask]++] = word;
  }
}

// Least significant digit first. The result is in `home`, where the words are; `scratch` is as long.
template <class Word>
void sort_digits(Word* home, Word* scratch, int64_t count, int shift, int bits) {
  if (bits == 0 || count <= 1) return;
  if (count <= kSmall) return sort_small(home, count, shift, bits);
  const int passes = (bits + kDigit - 1) / kDigit;
  const int digit = (bits + passes - 1) / passes;
  std::array<std::array<int64_t, size_t{1} << kDigit>, 6> counts;  // 64 bits are six digits
  const uint64_t mask = (uint64_t{1} << digit) - 1;
  const auto masked = [&](int pass) {  // the last digit may be shorter
    const int left = bits - pass * digit;
    return left < digit ? (uint64_t{1} << left) - 1 : mask;
  };
  for (int pass = 0; pass < passes; ++pass) std::fill_n(counts[static_cast<size_t>(pass)].begin(), mask + 1, 0);
  for (int64_t i = 0; i < count; ++i) {
    uint64_t key = key_of(home[i]) >> shift;
    for (int pass = 0; pass < passes; ++pass, key >>= digit) ++counts[static_cast<size_t>(pass)][key & masked(pass)];
  }
  Word *from = home, *to = scratch;
  for (int pass = 0; pass < passes; ++pass) {
    auto& starts = counts[static_cast<size_t>(pass)];
    int64_t sum = 0, most = 0;
    for (uint64_t d = 0; d <= mask; ++d) {
      most = std::max(most, starts[d]);
      sum += std::exchange(starts[d], sum);
    }
    if (most == count) continue;  // all share this digit
    scatter(from, to, count, shift + pass * digit, masked(pass), starts.data());
    std::swap(from, to);
  }
  if (from != home) std::memcpy(static_cast<void*>(home), from, static_cast<size_t>(count) * sizeof(Word));
}

template <class Word>
void sort_words(Word* from, Word* to, int64_t count, int shift, int bits, ThreadPool* pool) {
  if (count <= kInCache || bits <= 1) {
    if (count > 0) std::memcpy(static_cast<void*>(to), from, static_cast<size_t>(count) * sizeof(Word));
    return sort_digits(to, from, count, shift, bits);
  }
  // Split by the highest digit into parts that fit the cache, then sort each of them.
  const int digit = std::min({bits, kDigit - 1, static_cast<int>(std::bit_width(static_cast<uint64_t>(count / kPart)))});
  const int top = shift + bits - digit;
  const uint64_t mask = (uint64_t{1} << digit) - 1;
  std::vector<int64_t> starts(mask + 2, 0);
  for (int64_t i = 0; i < count; ++i) ++starts[((key_of(from[i]) >> top) & mask) + 1];
  for (size_t d = 0; d <= mask; ++d) starts[d + 1] += starts[d];
  std::vector<int64_t> next(starts.begin(), starts.end() - 1);
  scatter(from, to, count, top, mask, next.data());
  parallel_for(pool, static_cast<int64_t>(mask) + 1, 16, [&](int64_t begin, int64_t end) {
    for (auto d = static_cast<size_t>(begin); d < static_cast<size_t>(end); ++d) {
      sort_digits(to + starts[d], from + starts[d], starts[d + 1] - starts[d], shift, bits - digit);
    }
  });
}

}  // namespace

void radix_sort(uint64_t* from, uint64_t* to, int64_t count, int shift, int bits, ThreadPool* pool) {
  sort_words(from, to, count, shift, bits, pool);
}

void radix_sort(KeyedPosition* from, KeyedPosition* to, int64_t count, int shift, int bits, ThreadPool* pool) {
  sort_words(from, to, count, shift, bits, pool);
}

}  // namespace ferry
