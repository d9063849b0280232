//! A firmware set of real firmware for the emulated nRF51: Zephyr's SMP server behind MCUboot, prebuilt by somebody else.

use hil_image::{Image, ImageBuilder, ImageVersion};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The files' name without its end: Zephyr 4.4.0's sample `smp_svr` for QEMU's `microbit`, with MCUboot.
const BUILD: &str = "zephyr_4.4.0_smp_server_0eae053d_qemu_cortex_m0_serial";

/// What its MCUboot was built with: Zephyr's defaults for two slots, nothing signed. Partitions are those of Zephyr's
/// `boards/qemu/cortex_m0`.
const SET: &str = "firmware: zephyr-nrf51
chip: nrf51
layout:
  app.bootloader: { core: app, address: 0x00000000, size: 0x8000 }
  app.primary:    { core: app, address: 0x00008000, size: 0x1a000 }
  app.secondary:  { core: app, address: 0x00022000, size: 0x1a000 }
bootloader:
  mode: swap-offset
  signature: none
  line: upstream
  sector-size: 1024
  max-sectors: 104
releases:
  baseline:
    program: [{ core: app, file: baseline.hex }]
    images: { app: { file: baseline.bin } }
";

/// Releases that are only sent: the same application with another version.
const UPDATES: [(&str, &str); 3] = [
    ("update", "2.0.0"),
    ("never-confirms", "2.1.0"),
    ("hotfix", "2.2.0"),
];

/// The folder of the prebuilt servers, when QEMU is there too. Without one of them a test says `skipped` and passes, unless
/// `DFU_HIL_REQUIRE_PEERS` is set.
pub(crate) fn servers() -> Option<PathBuf> {
    let folder = std::env::var_os("DFU_HIL_ZEPHYR_SERVERS").map(PathBuf::from);
    let qemu = Command::new("qemu-system-arm").arg("--version").output();
    if let (Some(folder), Ok(_)) = (folder, qemu) {
        return Some(folder);
    }
    assert!(
        std::env::var_os("DFU_HIL_REQUIRE_PEERS").is_none(),
        "DFU_HIL_REQUIRE_PEERS is set, but there is no qemu-system-arm, or DFU_HIL_ZEPHYR_SERVERS is not set"
    );
    println!(
        "skipped: needs qemu-system-arm and DFU_HIL_ZEPHYR_SERVERS (see .ci/fetch-zephyr-servers)"
    );
    None
}

/// Writes the set into a folder, and says where its file is.
pub(crate) fn write_set(servers: &Path, folder: &Path) -> PathBuf {
    let shipped = |end: &str| servers.join(format!("{BUILD}.{end}"));
    fs::create_dir_all(folder).expect("the folder is ours");
    let write = |name: &str, bytes: &[u8]| {
        fs::write(folder.join(name), bytes).expect("the folder is ours");
    };
    let merged = fs::read(shipped("merged.hex")).expect("the servers were fetched");
    let image = fs::read(shipped("signed.bin")).expect("the servers were fetched");
    write("baseline.hex", &merged);
    write("baseline.bin", &image);
    let mut set = SET.to_owned();
    let payload = Image::parse(&image).expect("the shipped image is one");
    for (name, version) in UPDATES {
        let version: ImageVersion = version.parse().expect("a version");
        let update = ImageBuilder::new(payload.payload())
            .version(version)
            .build(&mut ChaCha8Rng::seed_from_u64(0))
            .expect("nothing is signed");
        write(&format!("{name}.bin"), &update);
        set.push_str(&format!(
            "  {name}: {{ images: {{ app: {{ file: {name}.bin }} }} }}\n"
        ));
    }
    write("firmware.yaml", set.as_bytes());
    folder.join("firmware.yaml")
}
