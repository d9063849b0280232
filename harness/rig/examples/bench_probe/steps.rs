//! What a board's probe is used for, in small: the same for each probe, so that what it does to the chip can be compared.
//!
//! The board is as delivered when this begins: a blank chip with its ports open.

use hil_rig::{Core, FlashImage, ProbeSession, ProgramOptions, RigError};
use std::time::Duration;

const APP: u32 = 0x0000_0000;
const NET: u32 = 0x0100_0000;
/// The second sector of the external flash, in its window.
const EXTERNAL: u32 = 0x1000_1000;
/// Of the application core's RAM.
const WORD: u32 = 0x2000_8000;

/// For programming: on the slowest of ways, on a host that is busy with something else (ours).
const PATIENCE: Duration = Duration::from_secs(300);

/// Attaches, programs blank flash, programs it anew, reads back, resets, halts, erases the chip through its CTRL-APs.
///
/// # Panics
/// When the board does not hold what was programmed.
pub(crate) fn use_probe(probe: &ProbeSession) -> Result<(), RigError> {
    probe.identity()?;
    let (app, net, external) = (binary(APP, 5000, 1), binary(NET, 2500, 2), noise(600, 3));
    program(probe, &[(APP, &app), (NET, &net), (EXTERNAL, &external)])?;
    // Of the application core's flash one page differs; of the other two everything does. What the external flash holds is read back here.
    let mut changed = app.clone();
    changed[4100] ^= 0xff;
    let (net, external) = (binary(NET, 1000, 4), noise(300, 5));
    program(
        probe,
        &[(APP, &changed), (NET, &net), (EXTERNAL, &external)],
    )?;
    for (core, address, expected) in [(Core::App, APP, &changed), (Core::Net, NET, &net)] {
        let held = probe.read(core, address, expected.len() as u32)?;
        assert_eq!(&held, expected, "what was programmed at {address:#010x}");
    }
    // Neither begins nor ends at a word.
    assert_eq!(probe.read(Core::App, APP + 1001, 2)?, changed[1001..1003]);

    probe.reset()?;
    probe.halt(Core::App)?;
    probe.reset_and_halt(Core::App)?;
    probe.write_word(Core::App, WORD, 0x600d_cafe)?;
    assert_eq!(
        probe.read(Core::App, WORD, 4)?,
        0x600d_cafe_u32.to_le_bytes()
    );
    probe.run(Core::App)?;
    probe.halt(Core::Net)?;
    probe.detach()?;
    probe.recover()?;
    assert_eq!(probe.read(Core::App, APP, 4)?, [0xff; 4]);
    probe.detach()
}

fn program(probe: &ProbeSession, segments: &[(u32, &[u8])]) -> Result<(), RigError> {
    let mut image = FlashImage::new();
    for (address, data) in segments {
        image
            .add_segment(*address, data)
            .expect("segments of these steps do not overlap");
    }
    let options = ProgramOptions {
        within: Some(PATIENCE),
        ..ProgramOptions::default()
    };
    probe.program(&image, &options, &mut |_| {}).map(drop)
}

/// A vector table, and nothing behind it that anybody knows: the core runs and shows nothing.
fn binary(start: u32, length: usize, seed: u32) -> Vec<u8> {
    let mut binary = noise(length, seed);
    let stack = 0x2000_4000 | start;
    binary[..4].copy_from_slice(&stack.to_le_bytes());
    binary[4..8].copy_from_slice(&(start + 0x201).to_le_bytes());
    binary
}

fn noise(length: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    (0..length)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect()
}
