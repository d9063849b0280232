//! A virtual nRF5340 DK: chip, debug port, UARTs and power behind the interfaces of a real one.
