// NIST's AES-GCM vectors (CAVP, gcm*.rsp), read from where Debian's python3-cryptography-vectors has them.
#ifndef PHALANX_TESTS_CAVP_VECTORS_HPP
#define PHALANX_TESTS_CAVP_VECTORS_HPP

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace phalanx {

struct GcmVector {
  std::string where;  // file and line
  std::vector<uint8_t> key, iv, aad, plaintext, ciphertext, tag;
  bool fails;  // decryption is to be refused
};

// Those whose nonce has 96 bits: ESP knows no others. Empty if the file is missing.
std::vector<GcmVector> read_gcm_vectors(const std::string& file);

}  // namespace phalanx

#endif
