//! MCUboot and b0n as a model that works on any flash, and predicts what flash must result.
