#include "drivers/cpu/key_hash.hpp"

#include "hls/hash.hpp"

// clang knows the wish for whole vectors as an option only, and needs none.
#ifdef __clang__
#define PHALANX_AVX512 __attribute__((target("avx512f,avx512dq,avx512vl")))
#else
#define PHALANX_AVX512 __attribute__((target("avx512f,avx512dq,avx512vl,prefer-vector-width=512")))
#endif

namespace phalanx {
namespace {

void hash_keys_scalar(const hls::FlowKey* const* keys, size_t count, const uint64_t* seed, uint64_t* hashes) {
  for (size_t i = 0; i < count; ++i) hashes[i] = hls::hash_key(*keys[i], seed[0], seed[1]);
}

#if defined(__x86_64__)

constexpr size_t kLanes = 8;
// Eight 64-bit lanes; the compiler makes one AVX-512 register of them, or two AVX2 ones.
typedef uint64_t Lanes __attribute__((vector_size(8 * kLanes)));

struct State {
  Lanes v0, v1, v2, v3;
};

#define PHALANX_INLINE inline __attribute__((always_inline))

template <int kBits>
PHALANX_INLINE void rotate(Lanes& x) {
  x = x << kBits | x >> (64 - kBits);
}

// SipRound (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012) in every lane.
PHALANX_INLINE void sip_round(State& s) {
  s.v0 += s.v1;
  s.v2 += s.v3;
  rotate<13>(s.v1);
  rotate<16>(s.v3);
  s.v1 ^= s.v0;
  s.v3 ^= s.v2;
  rotate<32>(s.v0);
  s.v2 += s.v1;
  s.v0 += s.v3;
  rotate<17>(s.v1);
  rotate<21>(s.v3);
  s.v1 ^= s.v2;
  s.v3 ^= s.v0;
  rotate<32>(s.v2);
}

PHALANX_INLINE void absorb(State& s, const Lanes& word) {
  s.v3 ^= word;
  sip_round(s);
  s.v0 ^= word;
}

template <uint64_t hls::FlowKey::*kWord>
PHALANX_INLINE void absorb_word(State& s, const hls::FlowKey* const* keys) {
  const Lanes word = {keys[0]->*kWord, keys[1]->*kWord, keys[2]->*kWord, keys[3]->*kWord,
                      keys[4]->*kWord, keys[5]->*kWord, keys[6]->*kWord, keys[7]->*kWord};
  absorb(s, word);
}

PHALANX_INLINE void hash_eight(const hls::FlowKey* const* keys, const uint64_t* seed, uint64_t* hashes) {
  const Lanes zero = {};
  State s = {zero + (seed[0] ^ 0x736f6d6570736575u), zero + (seed[1] ^ 0x646f72616e646f6du),
             zero + (seed[0] ^ 0x6c7967656e657261u), zero + (seed[1] ^ 0x7465646279746573u)};
  absorb_word<&hls::FlowKey::a_hi>(s, keys);
  absorb_word<&hls::FlowKey::a_lo>(s, keys);
  absorb_word<&hls::FlowKey::b_hi>(s, keys);
  absorb_word<&hls::FlowKey::b_lo>(s, keys);
  absorb_word<&hls::FlowKey::tail>(s, keys);
  s.v2 ^= zero + 0xffu;
  for (int i = 0; i < 3; ++i) sip_round(s);
  const Lanes hash = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
  __builtin_memcpy(hashes, &hash, sizeof(hash));
}

PHALANX_INLINE void hash_by_eights(const hls::FlowKey* const* keys, size_t count, const uint64_t* seed,
                                   uint64_t* hashes) {
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) hash_eight(keys + i, seed, hashes + i);
  if (i == count) return;
  // The rest goes through the same code, its last key repeated: cheaper than scalar code for more than one.
  const hls::FlowKey* rest[kLanes];
  uint64_t out[kLanes];
  for (size_t k = 0; k < kLanes; ++k) rest[k] = keys[i + k < count ? i + k : count - 1];
  hash_eight(rest, seed, out);
  for (size_t k = 0; i + k < count; ++k) hashes[i + k] = out[k];
}

PHALANX_AVX512 void hash_keys_avx512(const hls::FlowKey* const* keys, size_t count, const uint64_t* seed,
                                     uint64_t* hashes) {
  hash_by_eights(keys, count, seed, hashes);
}

__attribute__((target("avx2"))) void hash_keys_avx2(const hls::FlowKey* const* keys, size_t count, const uint64_t* seed,
                                                    uint64_t* hashes) {
  hash_by_eights(keys, count, seed, hashes);
}

#undef PHALANX_INLINE

constexpr HashKeysVariant kVariants[] = {
    {"avx512", hash_keys_avx512}, {"avx2", hash_keys_avx2}, {"scalar", hash_keys_scalar}};

size_t first_supported() {
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    return 0;
  return __builtin_cpu_supports("avx2") ? 1 : 2;
}

#else

constexpr HashKeysVariant kVariants[] = {{"scalar", hash_keys_scalar}};
size_t first_supported() { return 0; }

#endif

}  // namespace

absl::Span<const HashKeysVariant> hash_keys_variants() {
  return absl::MakeConstSpan(kVariants).subspan(first_supported());
}

}  // namespace phalanx
