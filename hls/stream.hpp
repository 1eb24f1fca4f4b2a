// FIFO between two stages of a kernel: the vendor's where a tool brings one, else the stand-in of hls/native/.
#ifndef PHALANX_HLS_STREAM_HPP
#define PHALANX_HLS_STREAM_HPP

#if defined(__SYNTHESIS__)

#include <hls_stream.h>

namespace phalanx {
namespace hls {

template <typename T, int kDepth>
using Stream = ::hls::stream<T, kDepth>;

}  // namespace hls
}  // namespace phalanx

#else

#include "hls/native/stream.hpp"

#endif

#endif
