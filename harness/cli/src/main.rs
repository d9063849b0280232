//! Hardware-in-the-loop test runner for firmware updates of nRF5340 boards.

fn main() {}
