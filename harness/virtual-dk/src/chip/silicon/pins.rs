//! GPIO port 0, as far as buttons need it.

/// PIN_CNF after reset: input, its buffer disconnected.
const RESET: u32 = 2;
/// PIN_CNF.INPUT: the buffer is disconnected.
const INPUT_DISCONNECTED: u32 = 1 << 1;
/// PIN_CNF.PULL, and its value for a pull-up.
const PULL: u32 = 3 << 2;
const PULL_UP: u32 = 3 << 2;

/// The pins of port 0.
#[derive(Debug)]
pub(super) struct Pins {
    /// PIN_CNF.
    config: [u32; 32],
    /// Pins that something on the board pulls to ground: buttons.
    grounded: u32,
}

impl Pins {
    /// As after a reset, with no button pressed.
    pub(super) const fn new() -> Self {
        Self {
            config: [RESET; 32],
            grounded: 0,
        }
    }

    /// What a reset does to the port. Fingers stay where they are.
    pub(super) fn reset(&mut self) {
        self.config = [RESET; 32];
    }

    /// PIN_CNF of a pin.
    pub(super) const fn config(&self, pin: usize) -> u32 {
        self.config[pin]
    }

    pub(super) fn configure(&mut self, pin: usize, config: u32) {
        self.config[pin] = config;
    }

    /// A button between a pin and ground is pressed, or is not any more.
    pub(super) fn ground(&mut self, pin: usize, grounded: bool) {
        let bit = 1 << pin;
        if grounded {
            self.grounded |= bit;
        } else {
            self.grounded &= !bit;
        }
    }

    /// Whether something grounds a pin.
    pub(super) const fn is_grounded(&self, pin: usize) -> bool {
        self.grounded & 1 << pin != 0
    }

    /// Makes a pin an input with a pull-up, as a driver for a button does, and reads its level.
    pub(super) fn read_input(&mut self, pin: usize) -> bool {
        self.config[pin] = PULL_UP;
        self.levels() & 1 << pin != 0
    }

    /// IN. A pin is read high when its input buffer is connected and its pull-up on, and nothing grounds it; the buttons of the DK
    /// have no pull-ups of their own, so that without one a pin floats (read as low here).
    pub(super) fn levels(&self) -> u32 {
        let pulled_up = |config: u32| config & (INPUT_DISCONNECTED | PULL) == PULL_UP;
        let levels = (0..32)
            .filter(|&pin| pulled_up(self.config[pin]))
            .fold(0, |levels, pin| levels | 1 << pin);
        levels & !self.grounded
    }
}
