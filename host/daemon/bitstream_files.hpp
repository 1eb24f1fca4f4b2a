// The bitstream's two files in their place, replaced together and put back if the new ones are no good.
#ifndef PHALANX_HOST_DAEMON_BITSTREAM_FILES_HPP
#define PHALANX_HOST_DAEMON_BITSTREAM_FILES_HPP

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace phalanx::daemon {

// New files that lie beside the ones in use (PATH.new), then take their place while those are kept (PATH.former).
// Nobody reads the pair between the two renames: the card's process is stopped. After a crash there the digest in the
// manifest does not fit, the card is refused, and the former files are still there.
class BitstreamFiles {
 public:
  // Writes xclbin and manifest to disk, touching nothing that is in use. Errors name the file.
  static absl::StatusOr<std::unique_ptr<BitstreamFiles>> stage(const std::string& xclbin_path, std::string_view xclbin,
                                                               std::string_view manifest);
  // Puts the former ones back unless keep() was called, and removes what is left over.
  ~BitstreamFiles();
  BitstreamFiles(const BitstreamFiles&) = delete;
  BitstreamFiles& operator=(const BitstreamFiles&) = delete;

  // The new ones take the place. After an error the former ones are there.
  absl::Status exchange();
  // The former ones are back: exactly what was there before exchange(), also if that was nothing.
  absl::Status restore();
  // The new ones stay for good.
  void keep() { kept_ = true; }

 private:
  static constexpr int kFiles = 2;
  explicit BitstreamFiles(const std::string& xclbin_path);

  std::string paths_[kFiles];  // xclbin, manifest
  bool had_[kFiles] = {};      // there was a former one
  bool exchanged_ = false;
  bool kept_ = false;
};

}  // namespace phalanx::daemon

#endif
