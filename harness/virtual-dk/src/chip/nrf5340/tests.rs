//! Power, resets, protection and the two cores together.

use super::debugger::{DHCSR, ERASEALL, ERASEALLSTATUS};
use super::*;
use crate::chip::emulator::Emulator;
use rstest::rstest;

const FORCEOFF: u32 = 0x5000_5614;

/// A powered chip with something that looks like firmware in both flashes.
fn chip(view: ForceOffView) -> Chip {
    let mut chip = Chip::new("dk1", view);
    let vectors = |base: u32| {
        [0x2000_1000u32, base + 0x201]
            .map(u32::to_le_bytes)
            .concat()
    };
    chip.load(Core::App, 0, &vectors(0)).unwrap();
    chip.load(Core::Net, 0x0100_0000, &vectors(0x0100_0000))
        .unwrap();
    chip.set_power(Power::On);
    chip
}

fn write(chip: &mut Chip, core: Core, address: u32, value: u32) -> Result<(), Fault> {
    chip.debug_write(
        core,
        address,
        &value.to_le_bytes(),
        &mut Emulator::new(core),
    )
}

fn read(chip: &mut Chip, core: Core, address: u32) -> Result<u32, Fault> {
    let mut word = [0; 4];
    chip.debug_read(core, address, &mut word, &mut Emulator::new(core))?;
    Ok(u32::from_le_bytes(word))
}

fn starts(chip: &mut Chip) -> Vec<Core> {
    chip.take_starts().iter().map(|start| start.core).collect()
}

#[test]
fn power_starts_the_application_core_and_force_off_the_network_core() {
    let mut chip = chip(ForceOffView::Faithful);
    assert_eq!(starts(&mut chip), [Core::App]);
    assert_eq!(chip.run_state(Core::Net), Run::Held);
    chip.set_force_off(false);
    assert_eq!(starts(&mut chip), [Core::Net]);
    assert_eq!(chip.reset_reasons(Core::Net), reason::NET_FORCE_OFF);
    chip.set_force_off(false);
    assert_eq!(starts(&mut chip), [], "it runs already");
}

#[test]
fn blank_flash_locks_up_and_starts_no_firmware() {
    let mut chip = Chip::new("dk1", ForceOffView::Faithful);
    chip.set_power(Power::On);
    assert_eq!(chip.run_state(Core::App), Run::LockedUp);
    assert_eq!(starts(&mut chip), []);
}

#[test]
fn an_application_reset_holds_the_network_core_off() {
    let mut chip = chip(ForceOffView::Faithful);
    chip.set_force_off(false);
    let before = (chip.epoch(Core::App), chip.epoch(Core::Net));
    chip.take_starts();
    chip.system_reset(Core::App);
    assert_eq!(starts(&mut chip), [Core::App]);
    assert_eq!(chip.run_state(Core::Net), Run::Held);
    assert_eq!(chip.gate(Core::App, before.0), Gate::Stopped);
    assert_eq!(chip.gate(Core::Net, before.1), Gate::Stopped);
}

#[test]
fn a_network_reset_leaves_the_application_core_alone() {
    let mut chip = chip(ForceOffView::Faithful);
    chip.set_force_off(false);
    let app = chip.epoch(Core::App);
    chip.take_starts();
    chip.system_reset(Core::Net);
    assert_eq!(starts(&mut chip), [Core::Net]);
    assert_eq!(chip.gate(Core::App, app), Gate::Go);
    assert_eq!(
        chip.reset_reasons(Core::Net),
        reason::NET_FORCE_OFF | reason::NET_SOFT
    );
}

#[rstest]
#[case::faithful(ForceOffView::Faithful, false)]
#[case::lenient(ForceOffView::Lenient, true)]
fn the_network_port_of_a_core_held_off(#[case] view: ForceOffView, #[case] open: bool) {
    let mut chip = chip(view);
    assert_eq!(chip.port_is_open(Core::Net), open);
    write(&mut chip, Core::App, FORCEOFF, 0).unwrap();
    assert!(chip.port_is_open(Core::Net));
    chip.system_reset(Core::App);
    assert_eq!(chip.port_is_open(Core::Net), open);
}

#[test]
fn reset_reasons_accumulate_until_power_is_lost() {
    let mut chip = chip(ForceOffView::Faithful);
    chip.system_reset(Core::App);
    chip.set_pin_reset(true);
    chip.set_pin_reset(false);
    assert_eq!(chip.reset_reasons(Core::App), reason::SOFT | reason::PIN);
    chip.set_power(Power::Off);
    chip.set_power(Power::On);
    assert_eq!(chip.reset_reasons(Core::App), 0);
}

#[rstest]
#[case::application(Core::App, 1 << 1)]
#[case::network(Core::Net, 1 << 18)]
fn a_reset_by_the_watchdog_says_so(#[case] core: Core, #[case] expected: u32) {
    let mut chip = chip(ForceOffView::Faithful);
    chip.set_force_off(false);
    chip.clear_reset_reasons(core);
    chip.watchdog_reset(core);
    assert_eq!(chip.reset_reasons(core), expected);
}

#[test]
fn ram_survives_a_reset_and_not_a_power_cycle() {
    let mut chip = chip(ForceOffView::Faithful);
    chip.write_ram(Core::App, 0x2000_0000, &[1, 2, 3, 4])
        .unwrap();
    chip.system_reset(Core::App);
    assert_eq!(read(&mut chip, Core::App, 0x2000_0000), Ok(0x0403_0201));
    chip.set_power(Power::Off);
    chip.set_power(Power::On);
    assert_eq!(read(&mut chip, Core::App, 0x2000_0000), Ok(0));
}

#[test]
fn a_part_with_erased_uicr_is_closed_after_a_power_cycle_and_erase_all_opens_it() {
    let mut chip = chip(ForceOffView::Faithful);
    chip.load(Core::App, 0x00ff_8000, &[0xff; 4]).unwrap();
    chip.system_reset(Core::App);
    assert!(chip.port_is_open(Core::App), "a soft reset does not look");
    chip.set_power(Power::Off);
    chip.set_power(Power::On);
    assert!(!chip.port_is_open(Core::App));
    assert_eq!(read(&mut chip, Core::App, 0), Err(Fault { address: 0 }));

    chip.control_write(Core::App, ERASEALL, 1);
    assert_eq!(chip.control_read(Core::App, ERASEALLSTATUS), 1, "busy");
    assert_eq!(chip.control_read(Core::App, ERASEALLSTATUS), 0, "done");
    assert_eq!(read(&mut chip, Core::App, 0), Ok(u32::MAX));
    assert_eq!(chip.run_state(Core::App), Run::LockedUp);
}

#[test]
fn erasing_the_network_core_takes_the_application_flash_with_it() {
    let mut chip = chip(ForceOffView::Faithful);
    chip.control_write(Core::Net, ERASEALL, 1);
    assert_eq!(read(&mut chip, Core::App, 4), Ok(u32::MAX));
}

#[test]
fn erase_protection_refuses_erase_all() {
    let mut chip = chip(ForceOffView::Faithful);
    chip.load(Core::App, 0x00ff_8020, &[0; 4]).unwrap();
    chip.set_pin_reset(true);
    chip.set_pin_reset(false);
    chip.control_write(Core::App, ERASEALL, 1);
    assert_eq!(read(&mut chip, Core::App, 4), Ok(0x201));
}

#[test]
fn secure_protection_leaves_the_debug_registers_only() {
    let mut chip = chip(ForceOffView::Faithful);
    chip.load(Core::App, 0x00ff_801c, &[0xff; 4]).unwrap();
    chip.set_power(Power::Off);
    chip.set_power(Power::On);
    assert!(chip.port_is_open(Core::App));
    assert!(!chip.port_is_secure(Core::App));
    assert_eq!(read(&mut chip, Core::App, 0), Err(Fault { address: 0 }));
    assert!(read(&mut chip, Core::App, DHCSR).is_ok());
}

#[test]
fn a_halt_makes_firmware_wait_and_resuming_lets_the_same_one_go_on() {
    let mut chip = chip(ForceOffView::Faithful);
    let epoch = chip.epoch(Core::App);
    assert_eq!(starts(&mut chip), [Core::App]);
    write(&mut chip, Core::App, DHCSR, 0xa05f_0003).unwrap();
    assert_eq!(chip.gate(Core::App, epoch), Gate::Wait);
    write(&mut chip, Core::App, DHCSR, 0xa05f_0001).unwrap();
    assert_eq!(chip.gate(Core::App, epoch), Gate::Go);
    assert_eq!(starts(&mut chip), []);
}

#[test]
fn a_core_stopped_at_its_reset_starts_its_firmware_when_it_is_resumed() {
    let mut chip = chip(ForceOffView::Faithful);
    chip.take_starts();
    write(&mut chip, Core::App, 0xe000_edfc, 1).unwrap();
    write(&mut chip, Core::App, 0xe000_ed0c, 0x05fa_0004).unwrap();
    assert_eq!(chip.run_state(Core::App), Run::Halted);
    assert_eq!(starts(&mut chip), []);
    write(&mut chip, Core::App, DHCSR, 0xa05f_0001).unwrap();
    assert_eq!(starts(&mut chip), [Core::App]);
}

#[test]
fn nothing_runs_in_pin_reset_but_debug_registers_answer() {
    let mut chip = chip(ForceOffView::Faithful);
    chip.set_pin_reset(true);
    write(&mut chip, Core::App, 0xe000_edfc, 1).unwrap();
    assert_eq!(chip.run_state(Core::App), Run::Held);
    chip.set_pin_reset(false);
    assert_eq!(chip.run_state(Core::App), Run::Halted, "vector catch");
}

#[test]
fn without_power_nothing_answers() {
    let mut chip = chip(ForceOffView::Lenient);
    chip.set_power(Power::Off);
    assert!(!chip.port_is_open(Core::App) && !chip.port_is_open(Core::Net));
    assert!(chip.current() == 0.0);
}
