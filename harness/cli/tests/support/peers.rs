//! Where the tools are that nobody here wrote.

use std::path::PathBuf;

/// The folder of the Python tools (bleak, imgtool, smpmgr), which `DFU_HIL_PEERS` names. Without it a test says `skipped` and
/// passes, unless `DFU_HIL_REQUIRE_PEERS` is set.
pub(crate) fn python_tools() -> Option<PathBuf> {
    let folder = std::env::var_os("DFU_HIL_PEERS").map(PathBuf::from);
    if folder.is_none() {
        assert!(
            std::env::var_os("DFU_HIL_REQUIRE_PEERS").is_none(),
            "DFU_HIL_REQUIRE_PEERS is set, but DFU_HIL_PEERS is not"
        );
        println!("skipped: DFU_HIL_PEERS does not name a folder with the Python tools");
    }
    folder
}

/// Wireshark without a window, which `DFU_HIL_TSHARK` names; the same holds for it.
pub(crate) fn tshark() -> Option<PathBuf> {
    let program = std::env::var_os("DFU_HIL_TSHARK").map(PathBuf::from);
    if program.is_none() {
        assert!(
            std::env::var_os("DFU_HIL_REQUIRE_PEERS").is_none(),
            "DFU_HIL_REQUIRE_PEERS is set, but DFU_HIL_TSHARK is not: see .ci/fetch-tshark"
        );
        println!("skipped: DFU_HIL_TSHARK does not name a tshark");
    }
    program
}
