//! Words in a core's memory map, and time: what the sequences here need, and what a test can record.

use crate::core::Core;
use crate::error::flash_id;
use crate::silicon::Silicon;
use hil_clock::Clock;
use probe_rs::architecture::arm::ArmError;
use probe_rs::architecture::arm::memory::ArmMemoryInterface;
use probe_rs::architecture::arm::sequences::ArmDebugSequenceError;
use std::error::Error;
use std::time::Duration;

/// How often a flag of the chip is looked at.
pub(super) const POLL: Duration = Duration::from_millis(1);

/// What the sequence found that an error of the probe library cannot say.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum SequenceFault {
    /// Debug access is locked, and unlocking by erasing is not allowed or did not help.
    #[error("the {core} is locked")]
    Locked {
        /// The core.
        core: Core,
    },
    /// No external flash answers at the DK's pins.
    #[error("the external flash did not answer within {within:?}")]
    ExternalSilent {
        /// How long it was waited for.
        within: Duration,
    },
    /// The external flash is not the DK's.
    #[error("the external flash says that it is {}", flash_id(found))]
    ExternalOther {
        /// Its answer to RDID.
        found: [u8; 3],
    },
    /// The chip's watchpoints are not those of an nRF5340.
    #[error("the core has {what}")]
    NoWatchpoints {
        /// What there is.
        what: String,
    },
    /// Something else than a watchpoint has halted a core.
    #[error("the core was halted by {}", halted_by(*reasons))]
    OtherHalt {
        /// DFSR.
        reasons: u32,
    },
    /// A flag did not become what it should in time.
    #[error("{what} did not happen within {within:?}")]
    Timeout {
        /// What was waited for.
        what: String,
        /// How long.
        within: Duration,
    },
}

/// DFSR in words (Armv8-M Architecture Reference Manual).
fn halted_by(reasons: u32) -> &'static str {
    const HALTED: u32 = 1 << 0;
    const BKPT: u32 = 1 << 1;
    const VCATCH: u32 = 1 << 3;
    const EXTERNAL: u32 = 1 << 4;
    if reasons & BKPT != 0 {
        "a breakpoint"
    } else if reasons & VCATCH != 0 {
        "a vector catch"
    } else if reasons & EXTERNAL != 0 {
        "an external debug request"
    } else if reasons & HALTED != 0 {
        "a halt request"
    } else {
        "nothing that it knows of"
    }
}

impl SequenceFault {
    /// The fault below an error of the probe library, which wraps it several times.
    pub(super) fn below<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(fault) = error.downcast_ref() {
                return Some(fault);
            }
            next = error.source();
        }
        None
    }
}

impl From<SequenceFault> for ArmError {
    fn from(fault: SequenceFault) -> Self {
        Self::DebugSequence(ArmDebugSequenceError::SequenceSpecific(Box::new(fault)))
    }
}

/// Words in a core's memory map, and time: what the sequences need, and a test can record.
pub(super) trait Bus {
    fn read(&mut self, address: u32) -> Result<u32, ArmError>;
    fn write(&mut self, address: u32, value: u32) -> Result<(), ArmError>;
    /// Reads memory; `address` is a multiple of 4.
    fn read_bytes(&mut self, address: u32, buffer: &mut [u8]) -> Result<(), ArmError>;
    /// Writes RAM; `address` is a multiple of 4.
    fn write_bytes(&mut self, address: u32, data: &[u8]) -> Result<(), ArmError>;
    /// Makes sure that writes have reached the chip.
    fn flush(&mut self) -> Result<(), ArmError>;
    fn clock(&self) -> &dyn Clock;
    /// What chip the bus is in.
    fn silicon(&self) -> Silicon {
        Silicon::Nrf5340
    }
}

/// The bus behind an AHB access port.
pub(super) struct Ahb<'a> {
    pub(super) memory: &'a mut dyn ArmMemoryInterface,
    pub(super) clock: &'a dyn Clock,
    pub(super) silicon: Silicon,
}

impl Bus for Ahb<'_> {
    fn read(&mut self, address: u32) -> Result<u32, ArmError> {
        self.memory.read_word_32(u64::from(address))
    }

    fn write(&mut self, address: u32, value: u32) -> Result<(), ArmError> {
        self.memory.write_word_32(u64::from(address), value)
    }

    fn read_bytes(&mut self, address: u32, buffer: &mut [u8]) -> Result<(), ArmError> {
        self.memory.read(u64::from(address), buffer)
    }

    fn write_bytes(&mut self, address: u32, data: &[u8]) -> Result<(), ArmError> {
        self.memory.write(u64::from(address), data)
    }

    fn flush(&mut self) -> Result<(), ArmError> {
        self.memory.flush()
    }

    fn clock(&self) -> &dyn Clock {
        self.clock
    }

    fn silicon(&self) -> Silicon {
        self.silicon
    }
}

/// Reads a register until it is as wanted. Accesses may fail while the chip resets.
pub(super) fn wait_for(
    bus: &mut dyn Bus,
    what: &str,
    within: Duration,
    address: u32,
    wanted: impl Fn(u32) -> bool,
) -> Result<(), ArmError> {
    let deadline = bus.clock().now() + within;
    loop {
        let read = bus.read(address);
        match read {
            Ok(value) if wanted(value) => return Ok(()),
            Ok(_) | Err(_) if bus.clock().now() < deadline => bus.clock().sleep(POLL),
            Ok(_) => {
                let what = what.to_owned();
                return Err(SequenceFault::Timeout { what, within }.into());
            }
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
pub(super) mod recording {
    //! A bus that writes down what happens on it, and answers from a list.

    use super::{ArmError, Bus, Silicon};
    use hil_clock::{Clock, Instant, SharedClock};
    use std::collections::{HashMap, VecDeque};
    use std::sync::{Arc, Mutex};
    use std::time::{Duration, SystemTime};

    /// What happened on the bus. Reads of words are not written down: only what changes the chip counts, and where bytes
    /// go to and come from.
    #[derive(Clone, Debug, Eq, PartialEq)]
    pub(in crate::probe) enum Op {
        Write(u32, u32),
        /// Where from, and how many.
        ReadBytes(u32, usize),
        /// Where to, and how many.
        WriteBytes(u32, usize),
        Flush,
        Sleep(Duration),
    }

    /// The list is shared with the clock, as sleeping is part of a sequence.
    pub(in crate::probe) type Ops = Arc<Mutex<Vec<Op>>>;

    #[derive(Debug, Default)]
    struct RecordingClock {
        ops: Ops,
        now: Mutex<Duration>,
    }

    impl Clock for RecordingClock {
        fn now(&self) -> Instant {
            Instant::from_start(*self.now.lock().unwrap())
        }

        fn sleep_until(&self, deadline: Instant) {
            let mut now = self.now.lock().unwrap();
            let sleep = deadline.since_start().saturating_sub(*now);
            *now += sleep;
            self.ops.lock().unwrap().push(Op::Sleep(sleep));
        }

        fn wall(&self) -> SystemTime {
            SystemTime::UNIX_EPOCH
        }

        fn block_for(&self, _deadline: Instant) -> Duration {
            Duration::ZERO
        }
    }

    /// A bus on which every word holds what was last written, unless a list says what the next reads give.
    #[derive(Debug)]
    pub(in crate::probe) struct Recording {
        clock: SharedClock,
        ops: Ops,
        words: HashMap<u32, u32>,
        next: HashMap<u32, VecDeque<u32>>,
        fail_write: Option<(u32, u32)>,
        silicon: Silicon,
    }

    impl Recording {
        pub(in crate::probe) fn new() -> Self {
            let ops = Ops::default();
            Self {
                clock: Arc::new(RecordingClock {
                    ops: Arc::clone(&ops),
                    now: Mutex::default(),
                }),
                ops,
                words: HashMap::new(),
                next: HashMap::new(),
                fail_write: None,
                silicon: Silicon::Nrf5340,
            }
        }

        /// A bus of another chip.
        pub(in crate::probe) fn of(mut self, silicon: Silicon) -> Self {
            self.silicon = silicon;
            self
        }

        /// The word that an address holds.
        pub(in crate::probe) fn holding(mut self, address: u32, value: u32) -> Self {
            self.words.insert(address, value);
            self
        }

        /// What the next reads of an address give; the last one stays.
        pub(in crate::probe) fn answering(mut self, address: u32, values: &[u32]) -> Self {
            self.next.insert(address, values.iter().copied().collect());
            self
        }

        /// Fails when this value is written to this address.
        pub(in crate::probe) fn failing(mut self, address: u32, value: u32) -> Self {
            self.fail_write = Some((address, value));
            self
        }

        pub(in crate::probe) fn ops(&self) -> Vec<Op> {
            self.ops.lock().unwrap().clone()
        }

        pub(in crate::probe) fn writes(&self) -> Vec<(u32, u32)> {
            let ops = self.ops();
            ops.into_iter()
                .filter_map(|op| match op {
                    Op::Write(address, value) => Some((address, value)),
                    Op::Flush | Op::Sleep(_) | Op::ReadBytes(..) | Op::WriteBytes(..) => None,
                })
                .collect()
        }
    }

    impl Bus for Recording {
        fn read(&mut self, address: u32) -> Result<u32, ArmError> {
            if let Some(next) = self.next.get_mut(&address) {
                if next.len() > 1 {
                    return Ok(next.pop_front().unwrap());
                }
                return Ok(next[0]);
            }
            Ok(self.words.get(&address).copied().unwrap_or(0))
        }

        fn write(&mut self, address: u32, value: u32) -> Result<(), ArmError> {
            self.ops.lock().unwrap().push(Op::Write(address, value));
            if self.fail_write == Some((address, value)) {
                return Err(ArmError::Other("the probe was unplugged".to_owned()));
            }
            self.words.insert(address, value);
            Ok(())
        }

        fn read_bytes(&mut self, address: u32, buffer: &mut [u8]) -> Result<(), ArmError> {
            let op = Op::ReadBytes(address, buffer.len());
            self.ops.lock().unwrap().push(op);
            Ok(())
        }

        fn write_bytes(&mut self, address: u32, data: &[u8]) -> Result<(), ArmError> {
            let op = Op::WriteBytes(address, data.len());
            self.ops.lock().unwrap().push(op);
            Ok(())
        }

        fn flush(&mut self) -> Result<(), ArmError> {
            self.ops.lock().unwrap().push(Op::Flush);
            Ok(())
        }

        fn silicon(&self) -> Silicon {
            self.silicon
        }

        fn clock(&self) -> &dyn Clock {
            &*self.clock
        }
    }
}
