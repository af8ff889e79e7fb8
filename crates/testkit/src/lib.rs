//! The adversary: virtual clock, simulated network, mock Focus and mock MCU, invariants.
