"""The benchmarks' laboratory: one topology for Phalanx members and for Linux kernel routers."""
