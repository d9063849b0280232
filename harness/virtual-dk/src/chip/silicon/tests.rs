//! What the buses answer, from both cores.

use super::*;
use rstest::rstest;

const NVMC: [u32; 2] = [0x5003_9000, 0x4108_0000];

fn write(silicon: &mut Silicon, core: Core, address: u32, value: u32) -> Result<(), Fault> {
    silicon.write(core, address, &value.to_le_bytes())
}

#[rstest]
#[case::app(Core::App)]
#[case::net(Core::Net)]
fn flash_takes_words_only_in_write_mode(#[case] core: Core) {
    let mut silicon = Silicon::new("dk1");
    let address = flash_base(core) + 0x1004;
    let config = NVMC[index(core)] + 0x504;
    assert_eq!(
        write(&mut silicon, core, address, 0),
        Err(Fault { address }),
        "read mode"
    );
    write(&mut silicon, core, config, 1).unwrap();
    write(&mut silicon, core, address, 0x1234_5678).unwrap();
    assert_eq!(silicon.read_word(core, address), Ok(0x1234_5678));
    assert_eq!(
        silicon.write(core, address, &[0, 0]),
        Err(Fault { address }),
        "half a word"
    );
    write(&mut silicon, core, config, 2).unwrap();
    write(&mut silicon, core, address, u32::MAX).unwrap();
    assert_eq!(silicon.read_word(core, address), Ok(u32::MAX));
}

#[rstest]
#[case::app(Core::App, 4096)]
#[case::net(Core::Net, 2048)]
fn a_page_erase_takes_one_page_of_that_core(#[case] core: Core, #[case] page: u32) {
    let mut silicon = Silicon::new("dk1");
    silicon.flash_mut(core).load(0, &[0; 0x4000]);
    write(&mut silicon, core, NVMC[index(core)] + 0x504, 2).unwrap();
    write(&mut silicon, core, flash_base(core) + page, u32::MAX).unwrap();
    let blank = silicon.flash(core).bytes()[..0x4000]
        .iter()
        .filter(|&&byte| byte == 0xff)
        .count();
    assert_eq!(blank, page as usize);
}

#[test]
fn erase_all_takes_uicr_with_it_unless_protected() {
    let mut silicon = Silicon::new("dk1");
    silicon.erase_protected[0] = true;
    write(&mut silicon, Core::App, 0x5003_9504, 2).unwrap();
    write(&mut silicon, Core::App, 0x5003_950c, 1).unwrap();
    assert_eq!(
        silicon.read_word(Core::App, 0x00ff_8000),
        Ok(info::APPROTECT_OPEN)
    );
    silicon.erase_protected[0] = false;
    write(&mut silicon, Core::App, 0x5003_950c, 1).unwrap();
    assert_eq!(silicon.read_word(Core::App, 0x00ff_8000), Ok(u32::MAX));
}

#[test]
fn only_the_network_core_reaches_across() {
    let silicon = Silicon::new("dk1");
    let mut byte = [0; 1];
    assert_eq!(silicon.read(Core::Net, 0x0004_c000, &mut byte), Ok(()));
    assert_eq!(silicon.read(Core::Net, 0x2000_0000, &mut byte), Ok(()));
    for address in [0x0100_0000, 0x2100_0000] {
        assert_eq!(
            silicon.read(Core::App, address, &mut byte),
            Err(Fault { address })
        );
    }
}

#[test]
fn an_access_that_runs_over_the_end_names_the_first_bad_address() {
    let silicon = Silicon::new("dk1");
    let mut buffer = [0; 16];
    assert_eq!(
        silicon.read(Core::App, 0x000f_fff8, &mut buffer),
        Err(Fault {
            address: 0x0010_0000
        })
    );
}

/// P0.IN, in the secure and the non-secure view.
const PIN_LEVELS: [u32; 2] = [0x5084_2510, 0x4084_2510];

#[test]
fn a_button_is_seen_where_its_pin_has_a_pull_up() {
    let mut silicon = Silicon::new("dk1");
    let levels = |silicon: &Silicon| silicon.read_word(Core::App, PIN_LEVELS[1]).unwrap();
    assert_eq!(levels(&silicon), 0, "no input is connected after reset");
    write(&mut silicon, Core::App, 0x5084_2700 + 4 * 23, 0b1100).unwrap();
    assert_eq!(levels(&silicon), 1 << 23);
    silicon.ground_pin(23, true);
    assert_eq!(levels(&silicon), 0);
    silicon.ground_pin(23, false);
    assert_eq!(silicon.read_word(Core::App, PIN_LEVELS[0]), Ok(1 << 23));
    write(&mut silicon, Core::App, PIN_LEVELS[0], 0).unwrap();
    assert_eq!(levels(&silicon), 1 << 23, "IN takes no writes");
}

#[test]
fn a_finger_stays_on_its_button_when_the_chip_is_reset() {
    let mut silicon = Silicon::new("dk1");
    assert!(silicon.read_input(23));
    silicon.ground_pin(23, true);
    silicon.reset_peripherals(Core::App);
    assert!(!silicon.read_input(23));
    assert!(silicon.read_input(24));
}

#[test]
fn reset_reasons_fall_where_ones_are_written() {
    let mut silicon = Silicon::new("dk1");
    silicon.reset_reasons = [0b1101, 1 << 23];
    write(&mut silicon, Core::App, 0x5000_5400, 0b0101).unwrap();
    assert_eq!(silicon.read_word(Core::App, 0x4000_5400), Ok(0b1000));
    assert_eq!(silicon.read_word(Core::Net, 0x4100_5400), Ok(1 << 23));
}
