// The harness is shared with the unit tests; each test program compiles the files of its own folder.
#include "tests/unit/cluster/cluster_harness.cpp"  // NOLINT(bugprone-suspicious-include)
