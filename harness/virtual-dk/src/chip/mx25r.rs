//! The MX25R6435F as its command set: status, write enable, deep power-down, and the time that operations take.
//!
//! Commands come as frames: all bytes between chip select falling and rising, on one data line. Reading and
//! programming on more lines is the same with other opcodes, so the QSPI peripheral asks for it by method.
//! An operation happens at its end; until then the part is busy, and a loss of power leaves the array as it was, or torn
//! where the board tears operations.
//!
//! Sources: MX25R6435F data sheet, command set and status register; times and parameter table from the SFDP
//! bytes in `zephyr boards/nordic/nrf5340dk/nrf5340_cpuapp_common.dtsi`.

use super::external::{EXTERNAL_FLASH_SIZE, EXTERNAL_SECTOR, ExternalFlash};
use super::torn::Tearing;
use std::time::Duration;

/// Manufacturer, memory type, density (RDID).
pub(super) const JEDEC_ID: [u8; 3] = [0xc2, 0x28, 0x17];

/// Erasing 4 KiB, typical.
pub(crate) const SECTOR_ERASE: Duration = Duration::from_millis(48);
const BLOCK_32K_ERASE: Duration = Duration::from_millis(240);
const BLOCK_64K_ERASE: Duration = Duration::from_millis(480);
const CHIP_ERASE: Duration = Duration::from_secs(52);
/// Programming a page, typical.
pub(crate) const PAGE_PROGRAM: Duration = Duration::from_micros(900);
/// Writing the status register: the data sheet gives 30 ms at most; a third of it is our choice.
const STATUS_WRITE: Duration = Duration::from_millis(10);
/// From the chip select that wakes the part until it listens (`t-exit-dpd`).
const WAKE_UP: Duration = Duration::from_micros(35);

/// Status register bits.
const WIP: u8 = 1 << 0;
const WEL: u8 = 1 << 1;
pub(super) const QE: u8 = 1 << 6;
/// The bits that WRSR changes: QE, the block protection, and its lock.
const WRITABLE: u8 = 0xfc;

/// The JEDEC basic flash parameter table, read from a part.
const PARAMETERS: [u8; 64] = [
    0xe5, 0x20, 0xf1, 0xff, 0xff, 0xff, 0xff, 0x03, 0x44, 0xeb, 0x08, 0x6b, 0x08, 0x3b, 0x04, 0xbb,
    0xee, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00, 0xff, 0xff, 0xff, 0x00, 0xff, 0x0c, 0x20, 0x0f, 0x52,
    0x10, 0xd8, 0x00, 0xff, 0x23, 0x72, 0xf5, 0x00, 0x82, 0xed, 0x04, 0xcc, 0x44, 0x83, 0x68, 0x44,
    0x30, 0xb0, 0x30, 0xb0, 0xf7, 0xc4, 0xd5, 0x5c, 0x00, 0xbe, 0x29, 0xff, 0xf0, 0xd0, 0xff, 0xff,
];
/// In front of it: signature, JESD216 1.6, one table of 16 words at 0x30. Ours, as the board file has only the table.
const SFDP_HEADER: [u8; 16] = [
    b'S', b'F', b'D', b'P', 0x06, 0x01, 0x00, 0xff, 0x00, 0x06, 0x01, 0x10, 0x30, 0x00, 0x00, 0xff,
];
const PARAMETERS_AT: u32 = 0x30;

mod opcode {
    pub(super) const WRSR: u8 = 0x01;
    pub(super) const PP: u8 = 0x02;
    pub(super) const READ: u8 = 0x03;
    pub(super) const WRDI: u8 = 0x04;
    pub(super) const RDSR: u8 = 0x05;
    pub(super) const WREN: u8 = 0x06;
    pub(super) const FAST_READ: u8 = 0x0b;
    pub(super) const RDCR: u8 = 0x15;
    pub(super) const SE: u8 = 0x20;
    pub(super) const BE32K: u8 = 0x52;
    pub(super) const RDSFDP: u8 = 0x5a;
    pub(super) const CE_60: u8 = 0x60;
    pub(super) const RSTEN: u8 = 0x66;
    pub(super) const RST: u8 = 0x99;
    pub(super) const RDID: u8 = 0x9f;
    pub(super) const RES: u8 = 0xab;
    pub(super) const DP: u8 = 0xb9;
    pub(super) const CE: u8 = 0xc7;
    pub(super) const BE: u8 = 0xd8;
}

/// Whether the part listens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Sleep {
    Awake,
    /// Deep power-down: the next chip select wakes it, and what comes with that is lost.
    Deep,
    /// Awake from this time on.
    Waking(Duration),
}

/// What becomes true when the part is no longer busy.
#[derive(Clone, Debug, Eq, PartialEq)]
enum UnderWay {
    Program { offset: u32, data: Vec<u8> },
    Erase { offset: u32, length: u32 },
    Status(u8),
}

/// An operation that firmware's own driver has the part do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum ExternalOperation {
    /// At most one page.
    Program { offset: u32, data: Vec<u8> },
    /// One sector.
    EraseSector { offset: u32 },
}

impl ExternalOperation {
    /// How long the part is busy with it.
    pub(crate) fn duration(&self) -> Duration {
        match self {
            Self::Program { .. } => PAGE_PROGRAM,
            Self::EraseSector { .. } => SECTOR_ERASE,
        }
    }
}

/// The part.
#[derive(Debug)]
pub(super) struct Mx25r {
    array: ExternalFlash,
    /// The bits of the status register that stay without power.
    status: u8,
    write_enabled: bool,
    reset_enabled: bool,
    sleep: Sleep,
    busy_until: Duration,
    under_way: Option<UnderWay>,
    now: Duration,
}

impl Mx25r {
    /// A part as delivered: blank, and not in quad mode.
    pub(super) fn new() -> Self {
        Self {
            array: ExternalFlash::new(),
            status: 0,
            write_enabled: false,
            reset_enabled: false,
            sleep: Sleep::Awake,
            busy_until: Duration::ZERO,
            under_way: None,
            now: Duration::ZERO,
        }
    }

    pub(super) fn array(&self) -> &ExternalFlash {
        &self.array
    }

    pub(super) fn array_mut(&mut self) -> &mut ExternalFlash {
        &mut self.array
    }

    /// The power fails in what is under way.
    pub(super) fn tear(&mut self, tearing: &mut Tearing) {
        match self.under_way.take() {
            Some(UnderWay::Program { offset, data }) => {
                self.array.tear_program(offset, &data, tearing);
            }
            Some(UnderWay::Erase { offset, length }) => {
                self.array.tear_erase(offset, length, tearing);
            }
            // It is a register with a copy, which is old or new.
            Some(UnderWay::Status(_)) | None => {}
        }
    }

    /// Power is gone. What was under way has not happened.
    pub(super) fn lose_power(&mut self) {
        self.under_way = None;
        self.write_enabled = false;
        self.reset_enabled = false;
        self.sleep = Sleep::Awake;
        self.busy_until = Duration::ZERO;
        self.now = Duration::ZERO;
    }

    /// Time passes.
    pub(super) fn advance(&mut self, now: Duration) {
        self.now = self.now.max(now);
        if let Sleep::Waking(at) = self.sleep
            && at <= self.now
        {
            self.sleep = Sleep::Awake;
        }
        if self.busy_until > self.now {
            return;
        }
        match self.under_way.take() {
            None => {}
            Some(UnderWay::Program { offset, data }) => self.array.program_page(offset, &data),
            Some(UnderWay::Erase { offset, length }) => self.array.erase(offset, length),
            Some(UnderWay::Status(status)) => self.status = status,
        }
    }

    /// From when on it listens to every command; in deep power-down nobody knows.
    pub(super) fn listens_at(&self) -> Duration {
        match self.sleep {
            Sleep::Waking(at) => at.max(self.busy_until),
            Sleep::Awake | Sleep::Deep => self.busy_until,
        }
    }

    pub(super) fn is_deep(&self) -> bool {
        self.sleep == Sleep::Deep
    }

    /// Chip select falls: whether the part listens to what follows.
    fn select(&mut self) -> bool {
        match self.sleep {
            Sleep::Awake => true,
            Sleep::Waking(_) => false,
            Sleep::Deep => {
                self.sleep = Sleep::Waking(self.now + WAKE_UP);
                false
            }
        }
    }

    /// The status register as the part would send it now.
    pub(super) fn status(&self) -> u8 {
        if self.sleep != Sleep::Awake {
            return 0xff;
        }
        let busy = if self.busy_until > self.now { WIP } else { 0 };
        let enabled = if self.write_enabled { WEL } else { 0 };
        self.status | enabled | busy
    }

    /// Reads the status register, which is a chip select like any other.
    pub(super) fn poll(&mut self) -> u8 {
        let status = self.status();
        self.select();
        status
    }

    fn start(&mut self, what: UnderWay, takes: Duration) {
        self.write_enabled = false;
        self.busy_until = self.now + takes;
        self.under_way = Some(what);
    }

    /// Whether a read command on `lines` data lines is understood: four need QE.
    pub(super) fn understands(&self, lines: u32) -> bool {
        lines < 4 || self.status & QE != 0
    }

    /// A read command of the QSPI peripheral. What the part does not answer reads as ones.
    pub(super) fn read(&mut self, offset: u32, lines: u32, buffer: &mut [u8]) {
        if self.select() && self.busy_until <= self.now && self.understands(lines) {
            self.array.read(offset, buffer);
        } else {
            buffer.fill(0xff);
        }
    }

    /// WREN and a program command of the QSPI peripheral on one or four lines; other numbers the part does not know.
    pub(super) fn program(&mut self, offset: u32, lines: u32, data: &[u8]) {
        let known = lines == 1 || lines == 4 && self.understands(4);
        if self.select() && self.busy_until <= self.now && known && self.status & 0x3c == 0 {
            let data = data.to_vec();
            self.start(UnderWay::Program { offset, data }, PAGE_PROGRAM);
        }
    }

    /// WREN and an erase command of the QSPI peripheral.
    pub(super) fn erase(&mut self, offset: u32, length: u32) {
        let takes = match length {
            EXTERNAL_SECTOR => SECTOR_ERASE,
            0x8000 => BLOCK_32K_ERASE,
            0x1_0000 => BLOCK_64K_ERASE,
            _ => CHIP_ERASE,
        };
        if self.select() && self.busy_until <= self.now && self.status & 0x3c == 0 {
            let offset = offset % EXTERNAL_FLASH_SIZE / length * length;
            self.start(UnderWay::Erase { offset, length }, takes);
        }
    }

    /// Firmware's own driver does an operation. It has set QE at its start, and waits until the part is ready. Says when
    /// the operation ends.
    pub(super) fn operate(&mut self, operation: ExternalOperation) -> Duration {
        self.advance(self.listens_at());
        self.sleep = Sleep::Awake;
        self.status |= QE;
        let takes = operation.duration();
        self.start(
            match operation {
                ExternalOperation::Program { offset, data } => UnderWay::Program { offset, data },
                ExternalOperation::EraseSector { offset } => UnderWay::Erase {
                    offset: offset / EXTERNAL_SECTOR * EXTERNAL_SECTOR,
                    length: EXTERNAL_SECTOR,
                },
            },
            takes,
        );
        self.busy_until
    }

    /// A frame on one data line, chip select to chip select: what comes back beside each byte that is sent.
    pub(super) fn transfer(&mut self, frame: &[u8]) -> Vec<u8> {
        if !self.select() {
            return vec![0xff; frame.len()];
        }
        let answer = (0..frame.len()).map(|at| self.answer(frame, at)).collect();
        self.execute(frame);
        answer
    }

    /// What the part sends beside byte `at` of a frame.
    pub(super) fn answer(&self, frame: &[u8], at: usize) -> u8 {
        let busy = self.busy_until > self.now;
        match (frame.first().copied(), at) {
            (None, _) | (_, 0) => 0xff,
            (Some(opcode::RDSR), _) => self.status(),
            _ if busy || self.sleep != Sleep::Awake => 0xff,
            (Some(opcode::RDID), _) => JEDEC_ID[(at - 1) % 3],
            // Both configuration registers: low power mode, as delivered.
            (Some(opcode::RDCR), _) => 0,
            (Some(opcode::RES), 4..) => JEDEC_ID[2],
            (Some(opcode::READ), 4..) => self.byte(address(frame).wrapping_add(at as u32 - 4)),
            (Some(opcode::FAST_READ), 5..) => self.byte(address(frame).wrapping_add(at as u32 - 5)),
            (Some(opcode::RDSFDP), 5..) => sfdp(address(frame).wrapping_add(at as u32 - 5)),
            _ => 0xff,
        }
    }

    fn byte(&self, offset: u32) -> u8 {
        let mut byte = [0];
        self.array.read(offset, &mut byte);
        byte[0]
    }

    /// Chip select rises behind a frame.
    pub(super) fn execute(&mut self, frame: &[u8]) {
        let busy = self.busy_until > self.now;
        let Some((&command, data)) = frame.split_first() else {
            return;
        };
        let reset_enabled = std::mem::take(&mut self.reset_enabled);
        match (command, data) {
            (opcode::RSTEN, []) => self.reset_enabled = true,
            // It ends what is under way; the array is then left as it was.
            (opcode::RST, []) if reset_enabled => {
                let now = self.now;
                self.lose_power();
                self.now = now;
            }
            _ if busy => {}
            (opcode::WREN, []) => self.write_enabled = true,
            (opcode::WRDI, []) => self.write_enabled = false,
            (opcode::DP, []) => self.sleep = Sleep::Deep,
            _ if !self.write_enabled => {}
            (opcode::WRSR, [status, ..]) if data.len() <= 3 => {
                self.start(UnderWay::Status(status & WRITABLE), STATUS_WRITE);
            }
            (opcode::CE | opcode::CE_60, []) => self.erase(0, EXTERNAL_FLASH_SIZE),
            (opcode::SE, [_, _, _]) => self.erase(address(frame), EXTERNAL_SECTOR),
            (opcode::BE32K, [_, _, _]) => self.erase(address(frame), 0x8000),
            (opcode::BE, [_, _, _]) => self.erase(address(frame), 0x1_0000),
            (opcode::PP, [_, _, _, data @ ..]) if !data.is_empty() => {
                self.program(address(frame), 1, data);
            }
            _ => {}
        }
    }
}

/// The three address bytes behind the opcode; missing ones count as zero.
fn address(frame: &[u8]) -> u32 {
    (1..4).fold(0, |address, at| {
        address << 8 | u32::from(frame.get(at).copied().unwrap_or(0))
    })
}

/// A byte of the parameter space.
fn sfdp(address: u32) -> u8 {
    let table = |table: &[u8], offset: u32| table.get(offset as usize).copied();
    table(&SFDP_HEADER, address)
        .or_else(|| table(&PARAMETERS, address.checked_sub(PARAMETERS_AT)?))
        .unwrap_or(0xff)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const MS: Duration = Duration::from_millis(1);

    fn read(part: &Mx25r, offset: u32) -> u8 {
        part.byte(offset)
    }

    #[rstest]
    #[case::id(&[0x9f, 0, 0, 0], &[0xff, 0xc2, 0x28, 0x17])]
    #[case::status(&[0x05, 0], &[0xff, 0x00])]
    #[case::electronic_id(&[0xab, 0, 0, 0, 0], &[0xff, 0xff, 0xff, 0xff, 0x17])]
    #[case::sfdp_signature(&[0x5a, 0, 0, 0, 0, 0, 0, 0, 0], b"\xff\xff\xff\xff\xffSFDP")]
    #[case::sfdp_size(&[0x5a, 0, 0, 0x34, 0, 0, 0, 0, 0], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x03])]
    #[case::blank(&[0x03, 0, 0, 0, 0], &[0xff; 5])]
    #[case::unknown(&[0x77, 0], &[0xff; 2])]
    fn a_frame_gets_its_answer(#[case] frame: &[u8], #[case] expected: &[u8]) {
        assert_eq!(Mx25r::new().transfer(frame), expected);
    }

    #[test]
    fn nothing_changes_without_write_enable() {
        let mut part = Mx25r::new();
        part.transfer(&[0x02, 0, 0, 0, 0x12]);
        part.transfer(&[0x01, 0x40]);
        part.advance(100 * MS);
        assert_eq!((read(&part, 0), part.status()), (0xff, 0));
        part.transfer(&[0x06]);
        assert_eq!(part.status(), WEL);
        part.transfer(&[0x04]);
        part.transfer(&[0x02, 0, 0, 0, 0x12]);
        part.advance(200 * MS);
        assert_eq!(read(&part, 0), 0xff, "write disable took it back");
    }

    #[test]
    fn a_page_is_programmed_when_its_time_is_over_and_write_enable_is_used_up() {
        let mut part = Mx25r::new();
        part.transfer(&[0x06]);
        part.transfer(&[0x02, 0, 0x10, 0, 0x12, 0x34]);
        assert_eq!(part.transfer(&[0x05, 0]), [0xff, WIP]);
        assert_eq!(part.transfer(&[0x9f, 0]), [0xff, 0xff], "busy");
        assert_eq!(read(&part, 0x1000), 0xff);
        part.advance(MS);
        assert_eq!(part.status(), 0);
        assert_eq!((read(&part, 0x1000), read(&part, 0x1001)), (0x12, 0x34));
    }

    #[rstest]
    #[case::sector(&[0x20, 0, 0x1f, 0xff], 48, 0x1000..0x2000)]
    #[case::block_32k(&[0x52, 0, 0x81, 0], 240, 0x8000..0x1_0000)]
    #[case::block_64k(&[0xd8, 0, 0x81, 0], 480, 0..0x1_0000)]
    #[case::chip(&[0xc7], 52_000, 0..EXTERNAL_FLASH_SIZE)]
    #[case::chip_too(&[0x60], 52_000, 0..EXTERNAL_FLASH_SIZE)]
    fn an_erase_takes_its_unit_and_its_time(
        #[case] frame: &[u8],
        #[case] ms: u32,
        #[case] erased: std::ops::Range<u32>,
    ) {
        let mut part = Mx25r::new();
        let places = [
            0, 0xfff, 0x1000, 0x1fff, 0x2000, 0x7fff, 0x8000, 0xffff, 0x1_0000, 0x7f_ffff,
        ];
        for place in places {
            part.array_mut().load(place, &[0]);
        }
        part.transfer(&[0x06]);
        part.transfer(frame);
        part.advance(ms * MS - Duration::from_micros(1));
        assert!(
            places.iter().all(|&place| read(&part, place) == 0),
            "not yet"
        );
        part.advance(ms * MS);
        for place in places {
            let expected = if erased.contains(&place) { 0xff } else { 0 };
            assert_eq!(read(&part, place), expected, "{place:#x}");
        }
    }

    #[test]
    fn a_loss_of_power_leaves_the_array_as_it_was_and_keeps_quad_enable() {
        let mut part = Mx25r::new();
        part.transfer(&[0x06]);
        part.transfer(&[0x01, QE]);
        part.advance(20 * MS);
        part.array_mut().load(0, &[0x55]);
        part.transfer(&[0x06]);
        part.transfer(&[0x20, 0, 0, 0]);
        part.lose_power();
        part.advance(1000 * MS);
        assert_eq!((read(&part, 0), part.status()), (0x55, QE));
    }

    #[test]
    fn an_erase_that_is_torn_has_raised_some_bits_of_its_sector() {
        let mut part = Mx25r::new();
        part.array_mut().load(0, &[0; 0x2000]);
        part.transfer(&[0x06]);
        part.transfer(&[0x20, 0, 0, 0]);
        part.tear(&mut Tearing::new(crate::chip::Torn {
            seed: 7,
            unstable: true,
        }));
        part.lose_power();
        part.advance(1000 * MS);
        let mut sectors = [0; 0x2000];
        part.array().read(0, &mut sectors);
        let (torn, other) = sectors.split_at(0x1000);
        assert!(torn.iter().any(|&byte| byte != 0) && torn.iter().any(|&byte| byte != 0xff));
        assert!(other.iter().all(|&byte| byte == 0));
    }

    #[test]
    fn a_page_that_is_torn_has_some_of_its_bits() {
        let mut part = Mx25r::new();
        part.transfer(&[0x06]);
        part.transfer(&[&[0x02, 0, 0, 0][..], &[0x0f; 64]].concat());
        part.tear(&mut Tearing::new(crate::chip::Torn {
            seed: 7,
            unstable: true,
        }));
        let page: Vec<u8> = (0..64).map(|at| read(&part, at)).collect();
        assert!(page.iter().all(|byte| byte & 0x0f == 0x0f));
        assert!(page.iter().any(|&byte| byte != 0x0f) && page.iter().any(|&byte| byte != 0xff));
    }

    #[test]
    fn in_deep_power_down_the_first_frame_wakes_and_is_lost() {
        let mut part = Mx25r::new();
        part.transfer(&[0xb9]);
        assert_eq!(part.transfer(&[0x9f, 0, 0, 0]), [0xff; 4]);
        assert_eq!(part.transfer(&[0x9f, 0, 0, 0]), [0xff; 4], "still waking");
        part.advance(WAKE_UP);
        assert_eq!(part.transfer(&[0x9f, 0, 0, 0]), [0xff, 0xc2, 0x28, 0x17]);
    }

    #[test]
    fn reset_needs_its_enable_right_before_it() {
        let mut part = Mx25r::new();
        part.transfer(&[0x06]);
        part.transfer(&[0x66]);
        part.transfer(&[0x05, 0]);
        part.transfer(&[0x99]);
        assert_eq!(part.status(), WEL, "something came between");
        part.transfer(&[0x66]);
        part.transfer(&[0x99]);
        assert_eq!(part.status(), 0);
    }

    #[rstest]
    #[case::one(1, 0, true)]
    #[case::four_without_quad_enable(4, 0, false)]
    #[case::four(4, QE, true)]
    #[case::two_is_not_known(2, QE, false)]
    #[case::block_protected(1, 1 << 2, false)]
    fn programming_on_several_lines(
        #[case] lines: u32,
        #[case] status: u8,
        #[case] programmed: bool,
    ) {
        let mut part = Mx25r::new();
        part.status = status;
        part.program(0, lines, &[0]);
        part.advance(MS);
        assert_eq!(read(&part, 0) == 0, programmed);
    }
}
