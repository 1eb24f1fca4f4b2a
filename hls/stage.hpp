// For a translation unit that makes one stage of hls/ a top function of its own (tests/synthesis): everything between
// PHALANX_STAGE_BEGIN and PHALANX_STAGE_END is inlined wherever it is called, so that the top is one body without
// calls, whichever HLS tool's front end reads it. PHALANX_STAGE_TOP goes before the top, which stands after both.
#ifndef PHALANX_HLS_STAGE_HPP
#define PHALANX_HLS_STAGE_HPP

#if defined(__clang__)
#define PHALANX_STAGE_BEGIN _Pragma("clang attribute push(__attribute__((always_inline)), apply_to = function)")
#define PHALANX_STAGE_END _Pragma("clang attribute pop")
#define PHALANX_STAGE_TOP extern "C"
#else
#define PHALANX_STAGE_BEGIN
#define PHALANX_STAGE_END
#define PHALANX_STAGE_TOP extern "C" __attribute__((flatten))
#endif

#endif
