// A port on pcap files: replays one, writes what is sent to another.
#ifndef PHALANX_HOST_PORTS_PCAP_PORT_HPP
#define PHALANX_HOST_PORTS_PCAP_PORT_HPP

#include <pcap/pcap.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "host/ports/port.hpp"

namespace phalanx {

struct PcapPortOptions {
  std::string name;
  std::string read_path;   // pcap or pcapng of link type Ethernet; empty: nothing is ever received
  std::string write_path;  // created anew; empty: what is sent is counted and forgotten
};

// Frames come as fast as they are asked for, without offloads. What is written has its checksum completed; the n-th
// frame sent bears the time n microseconds, so equal runs write equal files.
class PcapPort final : public Port {
 public:
  static absl::StatusOr<std::unique_ptr<PcapPort>> open(const PcapPortOptions& options);

  const std::string& name() const override { return options_.name; }
  size_t receive(absl::Span<Frame> burst) override;
  void release() override { held_.clear(); }
  void queue(const Frame& frame) override;
  void flush() override;
  int fd() const override { return -1; }
  const PortStats& stats() override { return stats_; }

  // The file has been read to its end, or up to a damaged record (then rx_errors is 1).
  bool finished() const { return finished_; }

 private:
  struct CloseCapture {
    void operator()(pcap_t* capture) const { pcap_close(capture); }
  };
  struct CloseDump {
    void operator()(pcap_dumper_t* dump) const { pcap_dump_close(dump); }
  };
  explicit PcapPort(const PcapPortOptions& options) : options_(options) {}

  PcapPortOptions options_;
  std::unique_ptr<pcap_t, CloseCapture> reader_;
  std::unique_ptr<pcap_t, CloseCapture> writer_;  // says the link type only
  std::unique_ptr<pcap_dumper_t, CloseDump> dump_;
  bool finished_ = true;
  std::vector<std::vector<uint8_t>> held_;
  std::vector<Frame> queued_;
  PortStats stats_;
};

}  // namespace phalanx

#endif
