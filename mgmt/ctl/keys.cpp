// keys init: a certificate authority of the cluster's own, certificates for its members and operator, and the cluster
// key.
#include <arpa/inet.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <iostream>
#include <map>
#include <memory>
#include <set>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "mgmt/ctl/commands.hpp"

namespace phalanx::ctl {
namespace {

template <auto kFree>
struct Free {
  template <typename T>
  void operator()(T* p) const {
    kFree(p);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using Bio = std::unique_ptr<BIO, Free<BIO_free_all>>;

constexpr char kOperator[] = "operator";  // the server admits certificates of this name, as it does the members'
constexpr char kCa[] = "ca";
constexpr size_t kNameBytesMax = 32;  // as the configuration's names
constexpr size_t kClusterKeyBytes = 32;
constexpr long kSecondsOfDay = 86400;
constexpr long kClockSkewSeconds = 3600;  // members whose clocks differ accept a fresh certificate

absl::Status openssl_failed(const char* what) {
  return absl::InternalError(absl::StrCat("OpenSSL: ", what, " failed"));
}

// A certificate in the making, signed by `issuer_key`; `issuer` null: by itself, an authority.
struct Issue {
  std::string name;
  std::string addresses;  // comma-separated, may be empty
  int days = 0;
};

bool add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const std::unique_ptr<X509_EXTENSION, Free<X509_EXTENSION_free>> extension(
      X509V3_EXT_nconf_nid(nullptr, &context, nid, value.c_str()));
  return extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool set_serial(X509* certificate) {
  std::array<unsigned char, 16> bytes = {};
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) return false;
  bytes[0] = static_cast<unsigned char>((bytes[0] & 0x7f) | 0x40);  // positive and of full length (RFC 5280, 4.1.2.2)
  const std::unique_ptr<BIGNUM, Free<BN_free>> number(BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr));
  return number != nullptr && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool set_extensions(X509* certificate, X509* issuer, const Issue& issue) {
  const bool authority = issuer == certificate;
  if (!add_extension(certificate, issuer, NID_basic_constraints,
                     authority ? "critical,CA:TRUE,pathlen:0" : "critical,CA:FALSE") ||
      !add_extension(certificate, issuer, NID_key_usage,
                     authority ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature") ||
      !add_extension(certificate, issuer, NID_subject_key_identifier, "hash") ||
      !add_extension(certificate, issuer, NID_authority_key_identifier, "keyid")) {
    return false;
  }
  if (authority) return true;
  std::string names = "DNS:" + issue.name;
  if (!issue.addresses.empty()) absl::StrAppend(&names, ",", issue.addresses);
  return add_extension(certificate, issuer, NID_ext_key_usage, "serverAuth,clientAuth") &&
         add_extension(certificate, issuer, NID_subject_alt_name, names);
}

absl::StatusOr<Certificate> make_certificate(const Issue& issue, EVP_PKEY* key, X509* issuer, EVP_PKEY* issuer_key) {
  Certificate certificate(X509_new());
  if (certificate == nullptr) return openssl_failed("X509_new");
  X509* signer = issuer == nullptr ? certificate.get() : issuer;
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  const auto* name = reinterpret_cast<const unsigned char*>(issue.name.c_str());
  const bool made = X509_set_version(certificate.get(), X509_VERSION_3) == 1 && set_serial(certificate.get()) &&
                    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -kClockSkewSeconds) != nullptr &&
                    X509_gmtime_adj(X509_getm_notAfter(certificate.get()), issue.days * kSecondsOfDay) != nullptr &&
                    X509_set_pubkey(certificate.get(), key) == 1 &&
                    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, name, -1, -1, 0) == 1 &&
                    X509_set_issuer_name(certificate.get(), X509_get_subject_name(signer)) == 1 &&
                    set_extensions(certificate.get(), signer, issue) &&
                    X509_sign(certificate.get(), issuer_key, EVP_sha256()) > 0;
  if (!made) return openssl_failed("making a certificate");
  return certificate;
}

// A file that did not exist, readable by its owner only.
absl::Status write_file(const std::string& path, const std::string& text) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return absl::ErrnoToStatus(errno, path);
  const ssize_t written = write(fd, text.data(), text.size());
  const int error = written < 0 ? errno : EIO;
  const bool synced = fsync(fd) == 0;
  if (close(fd) != 0 || !synced || written != static_cast<ssize_t>(text.size())) {
    return absl::ErrnoToStatus(error, path);
  }
  return absl::OkStatus();
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<size_t>(size)};
}

absl::Status write_pair(const std::string& folder, const std::string& name, X509* certificate, EVP_PKEY* key) {
  const Bio pem(BIO_new(BIO_s_mem()));
  const Bio secret(BIO_new(BIO_s_secmem()));
  if (pem == nullptr || secret == nullptr || PEM_write_bio_X509(pem.get(), certificate) != 1 ||
      PEM_write_bio_PrivateKey(secret.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return openssl_failed("writing PEM");
  }
  const std::string base = absl::StrCat(folder, "/", name);
  absl::Status status = write_file(base + ".key", text_of(secret.get()));
  if (status.ok()) status = write_file(base + ".pem", text_of(pem.get()));
  return status;
}

absl::Status write_cluster_key(const std::string& folder) {
  std::string bytes(kClusterKeyBytes, '\0');
  if (RAND_priv_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(bytes.size())) != 1) {
    return openssl_failed("RAND_priv_bytes");
  }
  return write_file(folder + "/cluster.key", absl::BytesToHexString(bytes) + "\n");
}

absl::StatusOr<Issue> issue_of(const std::string& name, const std::vector<std::string>& addresses, int days) {
  Issue issue{name, "", days};
  for (const std::string& address : addresses) {
    std::array<unsigned char, 16> ignored;
    if (inet_pton(AF_INET, address.c_str(), ignored.data()) != 1 &&
        inet_pton(AF_INET6, address.c_str(), ignored.data()) != 1) {
      return absl::InvalidArgumentError(absl::StrCat("--address: ", address, " is not an address"));
    }
    absl::StrAppend(&issue.addresses, issue.addresses.empty() ? "" : ",", "IP:", address);
  }
  return issue;
}

// Whose addresses are whose; what is wrong with the names or addresses otherwise.
absl::StatusOr<std::vector<Issue>> plan(const KeysOptions& options) {
  std::map<std::string, std::vector<std::string>> addresses;
  std::set<std::string> names;
  for (const std::string& name : options.members) {
    const bool good =
        !name.empty() && name.size() <= kNameBytesMax && std::all_of(name.begin(), name.end(), [](char c) {
          return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-';
        });
    if (!good || name[0] == '.' || name == kOperator || name == kCa || !names.insert(name).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("--members: \"", name, "\" can't be a member's name, or is twice"));
    }
  }
  size_t next = 0;
  for (const std::string& entry : options.addresses) {
    const size_t equals = entry.find('=');
    if (equals == std::string::npos && next == options.members.size()) {
      return absl::InvalidArgumentError("--address: more addresses than members");
    }
    const std::string name = equals == std::string::npos ? options.members[next++] : entry.substr(0, equals);
    if (!names.contains(name)) return absl::InvalidArgumentError(absl::StrCat("--address: no member is named ", name));
    addresses[name].push_back(equals == std::string::npos ? entry : entry.substr(equals + 1));
  }
  std::vector<Issue> issues;
  for (const std::string& name : options.members) {
    auto issue = issue_of(name, addresses[name], options.days);
    if (!issue.ok()) return issue.status();
    issues.push_back(*std::move(issue));
  }
  issues.push_back({kOperator, "", options.days});
  return issues;
}

absl::Status make_all(const std::vector<Issue>& issues, const KeysOptions& options) {
  const Key ca_key(EVP_EC_gen("P-256"));
  if (ca_key == nullptr) return openssl_failed("making a key");
  const auto ca = make_certificate({"phalanx cluster CA", "", options.days}, ca_key.get(), nullptr, ca_key.get());
  if (!ca.ok()) return ca.status();
  absl::Status status = write_pair(options.folder, kCa, ca->get(), ca_key.get());
  for (const Issue& issue : issues) {
    if (!status.ok()) return status;
    const Key key(EVP_EC_gen("P-256"));
    if (key == nullptr) return openssl_failed("making a key");
    const auto certificate = make_certificate(issue, key.get(), ca->get(), ca_key.get());
    if (!certificate.ok()) return certificate.status();
    status = write_pair(options.folder, issue.name, certificate->get(), key.get());
  }
  return status.ok() ? write_cluster_key(options.folder) : status;
}

}  // namespace

ExitCode keys_init(const KeysOptions& options) {
  const auto issues = plan(options);
  if (!issues.ok()) {
    std::cerr << "phalanxctl: " << issues.status().message() << "\n";
    return kExitUsage;
  }
  if (mkdir(options.folder.c_str(), 0700) != 0 && errno != EEXIST) {
    std::cerr << "phalanxctl: " << options.folder << ": " << std::strerror(errno) << "\n";
    return kExitFailed;
  }
  const absl::Status status = make_all(*issues, options);
  if (!status.ok()) {
    std::cerr << "phalanxctl: " << status.message() << "\n";
    return kExitFailed;
  }
  std::cerr << "made ca, " << absl::StrJoin(options.members, ", ") << ", " << kOperator << " and cluster.key in "
            << options.folder << "; ca.key is needed for new members only: keep it elsewhere\n";
  return kExitOk;
}

}  // namespace phalanx::ctl
