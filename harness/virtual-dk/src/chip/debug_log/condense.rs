//! Makes few lines of many accesses, while they come.

use super::entry::{Access, Entry, Operation};

/// The longest round of accesses that is seen to be done again: asking the external flash for its status takes three stores and two
/// reads, each of which may take TAR, RDBUFF, DRW and RDBUFF.
const LONGEST_ROUND: usize = 32;
/// The longest round of operations: the stores of the same.
const LONGEST_POLL: usize = 4;

/// A log that grows.
#[derive(Debug, Default)]
pub(super) struct Condenser {
    entries: Vec<Entry>,
    /// Where the operations are.
    operations: Vec<usize>,
}

impl Condenser {
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(super) fn access(&mut self, access: Access) {
        let goes_on = match self.entries.last_mut() {
            Some(Entry::Access(last)) => last.extend(&access),
            _ => false,
        };
        if !goes_on {
            self.entries.push(Entry::Access(access));
        }
        self.fold();
    }

    /// Takes away what came before the last accesses, where that is the same again.
    fn fold(&mut self) {
        let repeats = |(a, b): (&Entry, &Entry)| match (a, b) {
            (Entry::Access(a), Entry::Access(b)) => a.repeats(b),
            _ => false,
        };
        let end = self.entries.len();
        for round in 1..=LONGEST_ROUND.min(end / 2) {
            let (before, last) = self.entries[end - 2 * round..].split_at(round);
            if before.iter().zip(last).all(repeats) {
                self.entries.drain(end - 2 * round..end - round);
                return;
            }
        }
    }

    /// An operation is put together with the one before it also when accesses lie between them: a block of memory takes several on some
    /// ways and one on others.
    pub(super) fn operation(&mut self, operation: Operation) {
        let last = self.operations.last();
        let last = last.and_then(|&at| self.entries.get_mut(at));
        if let Some(Entry::Operation(last)) = last
            && last.extend(&operation)
        {
            return;
        }
        self.operations.push(self.entries.len());
        self.entries.push(Entry::Operation(operation));
        self.fold_poll();
    }

    /// The external flash is asked for its status by stores, so how many there are depends on time. Of no other operation
    /// anything is taken away: one that is there twice has happened twice.
    fn fold_poll(&mut self) {
        let store = |&at: &usize| match self.entries.get(at) {
            Some(Entry::Operation(store)) if store.is_for_external_flash() => Some(store),
            _ => None,
        };
        let end = self.operations.len();
        for round in 1..=LONGEST_POLL.min(end / 2) {
            let (before, last) = self.operations[end - 2 * round..].split_at(round);
            let again = before
                .iter()
                .zip(last)
                .all(|(a, b)| store(a).is_some() && store(a) == store(b));
            let asks = last
                .iter()
                .any(|at| store(at).is_some_and(Operation::starts_custom_instruction));
            if again && asks {
                for at in self.operations.drain(end - round..).rev() {
                    self.entries.remove(at);
                }
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::DebugLog;
    use super::*;
    use crate::bus::Core;
    use crate::chip::cpu::Run;
    use crate::chip::dwt::Direction;

    fn read(address: u32, value: u32) -> Access {
        let bytes = value.to_le_bytes();
        Access::memory(Direction::Read, Core::App, address, &bytes, Ok(()))
    }

    fn tar(address: u32) -> Access {
        Access::Ap {
            direction: Direction::Write,
            port: 0.into(),
            register: 4,
            value: address,
        }
    }

    fn text(log: &Condenser) -> String {
        DebugLog(log.entries().to_vec()).to_string()
    }

    #[test]
    fn a_poll_is_one_line_with_its_last_result() {
        let mut log = Condenser::default();
        for value in [0, 0, 1] {
            log.access(read(0xe000_edf0, value));
        }
        assert_eq!(text(&log), "    app read  DHCSR 0x00000001\n");
    }

    #[test]
    fn a_poll_through_tar_is_one_round() {
        let mut log = Condenser::default();
        for value in [0, 0, 1] {
            log.access(tar(0xe000_edf0));
            log.access(read(0xe000_edf0, value));
        }
        let expected = "    AP0 write TAR 0xe000edf0\n    app read  DHCSR 0x00000001\n";
        assert_eq!(text(&log), expected);
    }

    #[test]
    fn accesses_that_go_on_in_memory_are_one_line() {
        let mut log = Condenser::default();
        for address in (0x100..0x180).step_by(4) {
            log.access(read(address, 0));
        }
        assert_eq!(text(&log), "    app read  0x00000100..0x00000180\n");
    }

    #[test]
    fn the_same_write_with_another_value_is_another_line() {
        let mut log = Condenser::default();
        for address in [0x100, 0x100, 0x500] {
            log.access(tar(address));
        }
        let expected = "    AP0 write TAR 0x00000100\n    AP0 write TAR 0x00000500\n";
        assert_eq!(text(&log), expected);
    }

    #[test]
    fn a_block_of_ram_is_one_operation_however_it_comes() {
        let ram = |address, length| Operation::Ram {
            core: Core::App,
            address,
            data: (address..address + length).map(|byte| byte as u8).collect(),
        };
        let mut one = Condenser::default();
        one.operation(ram(0x2000_0000, 12));
        let mut several = Condenser::default();
        for address in [0x2000_0000, 0x2000_0004, 0x2000_0008] {
            several.operation(ram(address, 4));
            several.access(read(0xe000_edf0, 0));
        }
        let operations = |log: &Condenser| DebugLog(log.entries().to_vec()).operations();
        assert_eq!(operations(&one), operations(&several));
    }

    #[test]
    fn asking_the_external_flash_for_its_status_is_one_round_however_often() {
        let store = |address, value| Operation::Store {
            core: Core::App,
            address,
            value,
        };
        let asked = |times| {
            let mut log = Condenser::default();
            log.operation(store(0x5002_b00c, 1));
            for _ in 0..times {
                for (address, value) in [(0x5002_b100, 0), (0x5002_b638, 0), (0x5002_b634, 0x3205)]
                {
                    log.access(tar(address));
                    log.operation(store(address, value));
                }
                log.access(read(0x5002_b638, times));
            }
            log.operation(store(0x5002_b504, 0x1000));
            DebugLog(log.entries().to_vec())
        };
        assert_eq!(asked(1).operations(), asked(7).operations());
        assert!(asked(7).to_string().lines().count() < 20);
    }

    #[test]
    fn operations_that_happen_twice_stay_two() {
        let mut log = Condenser::default();
        for _ in 0..2 {
            for run in [Run::Halted, Run::Running] {
                log.operation(Operation::State {
                    core: Core::Net,
                    run,
                });
            }
        }
        let expected = "net is halted\nnet runs\nnet is halted\nnet runs\n";
        assert_eq!(text(&log), expected);
    }
}
