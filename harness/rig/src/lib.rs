//! Rigs: boards, probes, power, serial ports, and starting virtual DKs.
